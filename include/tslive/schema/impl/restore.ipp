#pragma once

#include <algorithm>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/schema/attempt.hpp"
#include "tslive/schema/child.hpp"
#include "tslive/schema/script.hpp"
#include "tslive/schema/toc.hpp"

namespace tslive::schema {
namespace detail {

using Entries = std::span<const Selected>;

/// The archive as pg_restore reads it. It never connects to a server.
class Archive {
public:
    Archive(const Tools& tools, std::filesystem::path file, Section section, bool no_owner, std::stop_token stop)
        : tools_(tools), file_(std::move(file)), section_(section), no_owner_(no_owner), stop_(std::move(stop)) {
        toc_ = parse_toc(run({"--list", "--verbose"}).text);
        section_ids_ = parse_toc_ids(
            run({"--list", section == Section::pre_data || section == Section::dependents ? "--section=pre-data"
                                                                                          : "--section=post-data"})
                .text);
    }

    [[nodiscard]] std::vector<Selected> in_order() const { return schema::in_order(toc_, section_ids_, section_); }
    [[nodiscard]] Dependents dependents(const Choices& choices) const { return schema::dependents(toc_, choices); }
    [[nodiscard]] Section section() const noexcept { return section_; }
    [[nodiscard]] std::string identity() const {
        return fmt::format("{}, {} entries", toc_.created, toc_.entries.size());
    }

    /// @returns nothing when the SQL is longer than a session of ours should hold and there is more than one entry
    [[nodiscard]] std::optional<Script> script(Entries entries) const {
        std::vector<const TocEntry*> list;
        for (const auto& selected : entries) list.push_back(selected.entry);
        const auto list_file = std::filesystem::path{file_}.concat(".list");
        std::ofstream out(list_file, std::ios::trunc | std::ios::binary);
        out << use_list(list);
        out.close();
        if (!out)
            throw StateError(list_file.string(), "cannot be written",
                             "Check the disk's space and the directory's rights");

        std::vector<std::string> arguments{"--file=-", "--no-tablespaces", "--use-list=" + list_file.string()};
        if (no_owner_) arguments.emplace_back("--no-owner");
        constexpr std::size_t many = std::size_t{32} << 20, largest = std::size_t{1} << 30;
        auto output = run(std::move(arguments), entries.size() > 1 ? many : largest);
        if (output.complete) return read_script(std::move(output.text));
        if (entries.size() > 1) return std::nullopt;
        throw Error(Recovery::operator_action, fmt::format("{} in {} is longer than the 1 GB that a statement may have",
                                                           entries.front().entry->text(), file_.string()));
    }

private:
    [[nodiscard]] Output run(std::vector<std::string> arguments, std::size_t limit = std::size_t{1} << 30) const {
        arguments.push_back(file_.string());
        return run_child({.program = tools_.pg_restore,
                          .arguments = std::move(arguments),
                          .environment = {{"LC_ALL", "C"}},
                          .without = {}},
                         stop_, limit);
    }

    Tools tools_;
    std::filesystem::path file_;
    Section section_;
    bool no_owner_;
    std::stop_token stop_;
    Toc toc_;
    std::vector<int> section_ids_;
};

/// How far a section has got, kept on the target and written by the transactions that create the objects.
class Record {
public:
    Record(pg::Connection& connection, std::string_view migration_id, Section section)
        : table_(pg::qualified(fmt::format("tslive_{}", migration_id), "schema_restored")), section_(section) {
        connection.exec(
            fmt::format("CREATE SCHEMA IF NOT EXISTS {};"
                        "CREATE TABLE IF NOT EXISTS {} (section text PRIMARY KEY, archive text NOT NULL, "
                        "last_entry bigint NOT NULL, finished boolean NOT NULL)",
                        pg::quote_identifier(fmt::format("tslive_{}", migration_id)), table_));
        const auto found =
            connection.exec(fmt::format("SELECT archive, last_entry, finished FROM {} WHERE section = $1", table_),
                            pg::Params{}.text(name(section)));
        if (found.empty()) return;
        archive_ = found.text(0, 0);
        last_entry_ = found.number<int>(0, 1);
        finished_ = found.boolean(0, 2);
    }

    [[nodiscard]] bool finished() const noexcept { return finished_; }

    /// Drops what is done off the front.
    /// @throws Error  (operator_action) when it was done from another archive
    [[nodiscard]] std::vector<Selected> left_of(std::vector<Selected> all, const std::string& identity) const {
        if (!last_entry_) return all;
        const auto last =
            std::ranges::find_if(all, [this](const Selected& one) { return one.entry->dump_id == *last_entry_; });
        if (archive_ != identity || last == all.end())
            throw Error(Recovery::operator_action,
                        fmt::format("the {} section was restored in part from another archive ({}) than this one ({})",
                                    name(section_), archive_, identity),
                        "Remove what the first run made on the target (ts-clean, then drop and create the database) "
                        "and start over");
        all.erase(all.begin(), last + 1);
        return all;
    }
    void write(pg::Connection& connection, const std::string& identity, int last_entry, bool finished) const {
        connection.exec(fmt::format("INSERT INTO {} VALUES ($1, $2, $3, $4) ON CONFLICT (section) DO UPDATE SET "
                                    "archive = excluded.archive, "
                                    "last_entry = excluded.last_entry, finished = excluded.finished",
                                    table_),
                        pg::Params{}.text(name(section_)).text(identity).number(last_entry).boolean(finished));
    }

private:
    std::string table_;
    Section section_;
    std::string archive_;
    std::optional<int> last_entry_;
    bool finished_ = false;
};

[[nodiscard]] inline std::string remedy_for(const TocEntry& entry, pg::SqlState state) {
    if (entry.kind == "EXTENSION")
        return "Install the extension's packages on the target's server (and preload what must be), create it as a "
               "role that may, or leave "
               "it out with --skip-extensions";
    if (state == pg::sqlstate::insufficient_privilege)
        return "Connect to the target as a role that may do this, grant that role membership in the owner, or leave "
               "owners and grants out "
               "with --no-owner --no-acl";
    if (state == pg::sqlstate::undefined_object)
        return "A role, tablespace, access method or the like is missing on the target: create it, or copy roles, or "
               "use --no-owner";
    if (state == pg::sqlstate::duplicate_object || state == pg::sqlstate::duplicate_table ||
        state == pg::sqlstate::duplicate_schema)
        return "The target must not have objects of the source's names: migrate into an empty database";
    return "Correct it on the target (or leave its cause out of the source) and resume";
}

/// How many of the first entries go into one transaction, each of which keeps its locks until the commit: a table its own,
/// its TOAST table's and that one's index's, its sequence's, its parent's; others one or two.
[[nodiscard]] inline std::size_t transaction_size(Entries entries, std::size_t lock_budget) {
    std::size_t locks = 0, size = 0;
    for (const auto& one : entries) {
        locks += one.entry->kind == "TABLE" || one.entry->kind == "MATERIALIZED VIEW" ? 6 : 2;
        if (size > 0 && (locks > lock_budget || one.may_fail != entries.front().may_fail)) break;
        ++size;
    }
    return size;
}

class Restorer {
public:
    Restorer(const Archive& archive, pg::Connection& connection, Record& record, const Choices& choices,
             RestoreReport& report)
        : archive_(archive), connection_(connection), record_(record), choices_(choices), report_(report) {}

    void run() {
        const auto left = record_.left_of(archive_.in_order(), archive_.identity());
        std::vector<Selected> entries;
        const auto dependents = archive_.dependents(choices_);
        std::ranges::copy_if(left, std::back_inserter(entries), [&](const Selected& one) {
            return wanted(one, choices_) && dependents.wanted(*one.entry, archive_.section());
        });
        for (const auto& one : entries)
            if (one.entry->kind.empty())
                log::info("schema: restoring an entry of a kind unknown to us: {}", one.entry->text());

        const auto budget = lock_budget();
        for (Entries rest{entries}; !rest.empty();) {
            const auto size = transaction_size(rest, budget);
            restore_chunk(rest.first(size));
            rest = rest.subspan(size);
        }
        record_.write(connection_, archive_.identity(), left.empty() ? 0 : left.back().entry->dump_id, true);
    }

private:
    /// Half of the locks that the server has room for: the other half is for everybody else.
    [[nodiscard]] std::size_t lock_budget() {
        const auto room = connection_.exec(
            "SELECT pg_catalog.current_setting('max_locks_per_transaction')::bigint * "
            "(pg_catalog.current_setting('max_connections')::bigint"
            " + pg_catalog.current_setting('max_prepared_transactions')::bigint)");
        return room.number<std::size_t>(0, 0) / 2;
    }

    void restore_chunk(Entries chunk) {
        const auto script = archive_.script(chunk);
        if (!script) {
            restore_chunk(chunk.first(chunk.size() / 2));
            return restore_chunk(chunk.subspan(chunk.size() / 2));
        }
        try {
            in_transaction(chunk, *script, [&] { execute(*script); });
        } catch (const pg::ServerError& error) {
            if (pg::transient(error)) throw;
            if (!chunk.front().may_fail) throw_culprit(chunk, error);
            in_transaction(chunk, *script, [&] { execute_what_can_be(*script); });
        }
        report_.restored += chunk.size();
        log::debug("schema: {} entries restored, the last is {}", report_.restored, chunk.back().entry->text());
    }

    template <typename Work>
    void in_transaction(Entries chunk, const Script& script, Work&& work) {
        if (!script.settings.empty()) connection_.exec(script.settings);
        pg::Transaction transaction(connection_);
        work();
        record_.write(connection_, archive_.identity(), chunk.back().entry->dump_id, false);
        commit(transaction);
    }
    static void commit(pg::Transaction& transaction) {
        try {
            transaction.commit();
        } catch (const Error& error) {
            if (error.recovery() != Recovery::unknown_outcome) throw;
            throw Error(Recovery::reconnect, error.what());  // the record tells the next connection
        }
    }
    void execute(const Script& script) {
        if (!script.body.empty()) connection_.exec(script.body);
    }

    /// Statement by statement; what is refused becomes a warning.
    void execute_what_can_be(const Script& script) {
        for (const auto& statement : split_statements(script.body, script.backslash_escapes)) {
            const auto error = schema::attempt(connection_, statement);
            // Grants made by another role than the owner begin so, which takes a superuser; made by us they serve as
            // well.
            if (!error || statement.starts_with("SET SESSION AUTHORIZATION ")) continue;
            report_.warnings.push_back(fmt::format("{}: {}", statement.substr(0, 200), error->what()));
            log::warning("schema: the target refuses: {}", report_.warnings.back());
        }
    }

    /// The server names the statement's failure, not the entry: halve the list until it is one.
    [[noreturn]] void throw_culprit(Entries chunk, const pg::ServerError& first) {
        std::size_t works = 0, fails = chunk.size();
        auto failure = first;
        while (fails - works > 1) {
            const auto middle = works + (fails - works) / 2;
            if (auto error = try_out(chunk.first(middle))) {
                fails = middle;
                failure = *error;
            } else {
                works = middle;
            }
        }
        const auto& culprit = *chunk[fails - 1].entry;
        throw failure.with_context(fmt::format("restoring {}", culprit.text()), remedy_for(culprit, failure.state()));
    }
    /// Runs the entries and takes them back. @returns what the server refused
    [[nodiscard]] std::optional<pg::ServerError> try_out(Entries entries) {
        const auto script = archive_.script(entries);
        pg::Transaction transaction(connection_);
        try {
            if (script) execute(*script);
        } catch (const pg::ServerError& error) {
            if (pg::transient(error)) throw;
            transaction.rollback();
            return error;
        }
        transaction.rollback();
        return std::nullopt;
    }

    const Archive& archive_;
    pg::Connection& connection_;
    Record& record_;
    const Choices& choices_;
    RestoreReport& report_;
};

}  // namespace detail

inline RestoreReport restore(const Tools& tools, const std::filesystem::path& file, Section section,
                             const RestoreOptions& options, std::stop_token stop) {
    if (options.migration_id.empty())
        throw Error(Recovery::operator_action, "a schema is restored for a migration, and none is named");
    const Choices choices{options.no_acl,        options.skip_all_extensions, options.skip_extensions,
                          options.made_before,   options.skip_objects,        options.skip_wholly,
                          options.made_elsewhere};
    RestoreReport report;
    std::optional<detail::Archive> archive;
    Waiter waiter(stop);
    pg::retry(fmt::format("restoring the schema's {} section", name(section)), waiter, [&] {
        auto connection = pg::Connection::open(options.target, "schema", stop);
        detail::Record record(connection, options.migration_id, section);
        if (record.finished()) return;
        if (!archive) archive.emplace(tools, file, section, options.no_owner, stop);
        detail::Restorer(*archive, connection, record, choices, report).run();
    });
    if (report.restored > 0) log::info("schema: {} section restored, {} entries", name(section), report.restored);
    if (!report.warnings.empty())
        log::warning("schema: the target refused {} statements of the {} section, see above", report.warnings.size(),
                     name(section));
    return report;
}

}  // namespace tslive::schema
