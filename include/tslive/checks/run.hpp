#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tslive/checks/both_ends.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/checks/options.hpp"
#include "tslive/checks/sessions.hpp"
#include "tslive/checks/source_objects.hpp"
#include "tslive/checks/source_server.hpp"
#include "tslive/checks/target.hpp"

namespace tslive::checks {

namespace detail {

/// The checks of one run, in order; knows which ends still answer.
class Run {
public:
    Run(const Options& options, std::stop_token stop) : options_(options), stop_(std::move(stop)) {}

    std::vector<Finding> all() {
        source_ = open("source", options_.source);
        target_ = open("target", options_.target);
        server_of_source();
        objects_of_source();
        target_alone();
        both();
        further();
        return std::move(findings_);
    }

private:
    std::optional<End> open(std::string_view label, const pg::ConnInfo& info) {
        auto name = fmt::format("{}.reachable", label);
        try {
            auto end = open_end(label, info, stop_);
            findings_.push_back({std::move(name),
                                 Weight::passed,
                                 fmt::format("connected to version {} as {}", end.can.text(), end.role),
                                 {}});
            return end;
        } catch (const Error& error) {
            findings_.push_back({std::move(name), Weight::fatal, error.what(), error.remedy()});
            return std::nullopt;
        }
    }

    /// Runs a check of one end, unless the end is gone.
    template <typename Check>
    void check(std::optional<End>& end, std::string_view name, Check&& body) {
        if (end && !add_finding(findings_, std::string{name}, *end, [&] { return body(*end); })) lose(end);
    }
    template <typename Check>
    void check_both(std::string_view name, Check&& body) {
        if (!source_ || !target_) return;
        if (!add_finding(findings_, std::string{name}, *source_, [&] { return body(*source_, *target_); }))
            lose(source_);
        if (!still_there(*target_)) lose(target_);
    }
    void lose(std::optional<End>& end) {
        findings_.push_back({fmt::format("{}.reachable", end->label), Weight::fatal,
                             fmt::format("the connection to the {} was lost during the checks", end->label),
                             "Look into the server's log for the reason, then try again"});
        end.reset();
    }

    /// @param jobs  connections that copying and building will hold on this end
    void sessions(std::optional<End>& end, std::string_view label, int jobs) {
        constexpr int others = 6;  // snapshot, receiver or applier, catalog reads, heartbeat, progress, one to spare
        const auto named = [label](std::string_view check) { return fmt::format("{}.{}", label, check); };
        check(end, named("standby"), check_standby);
        check(end, named("connections"), [&](End& e) { return check_connections(e, jobs + others); });
        check(end, named("timeouts"), check_timeouts);
        check(end, named("pooler"), check_pooler);
        check(end, named("one_server"), check_same_server);
    }

    void server_of_source() {
        sessions(source_, "source", options_.table_jobs);
        check(source_, "source.wal_level", check_wal_level);
        check(source_, "source.replication_slots", check_slots);
        check(source_, "source.wal_senders", check_wal_senders);
        check(source_, "source.replication", check_replication);
        check(source_, "source.slot_limits", check_slot_limits);
        check(source_, "source.old_snapshot_threshold", check_old_snapshot_threshold);
        check(source_, "source.transactions", [&](End& e) { return check_transactions(e, options_.long_transaction); });
        if (options_.tools_check)
            check(source_, "tools", [&](End& e) { return options_.tools_check(e.connection.server_version()); });
    }

    void objects_of_source() {
        check(source_, "source.publication", check_publication);
        check(source_, "source.locks", check_locks);
        check(source_, "source.read_rights", check_read_rights);
        check(source_, "source.row_security", check_row_security);
        std::vector<catalog::Table> tables;
        check(source_, "source.replica_identity", [&](End& e) {
            tables = catalog::tables(e.connection, catalog::Sizes::estimated);
            if (options_.leave_out) options_.leave_out(e.connection, tables);
            return judge_replica_identity(tables);
        });
        check(source_, "source.generated_identity", check_generated_identity);
        check(source_, "source.unlogged_tables", [&](End&) { return judge_unlogged(tables); });
        check(source_, "source.large_objects", check_large_objects);
        check(source_, "source.materialized_views", check_materialized_views);
        check(source_, "source.search_path", check_search_path);
        check(source_, "source.skipped_extensions", [&](End& e) { return check_skipped_extensions(e, options_); });
        check(source_, "source.replica_triggers", check_replica_triggers);
    }

    void target_alone() {
        sessions(target_, "target", options_.table_jobs + options_.index_jobs);
        check(target_, "target.session_replication_role", check_session_replication_role);
        check(target_, "target.replication_origin", check_origin);
    }

    void both() {
        check_both("target.version", [](End& s, End& t) { return judge_versions(s.can, t.can); });
        check_both("target.not_the_source", [](End& s, End& t) {
            return judge_different_databases(catalog::database(s.connection), catalog::database(t.connection));
        });
        check_both("target.encoding", [](End& s, End& t) {
            return judge_encodings(catalog::database(s.connection).encoding, catalog::database(t.connection).encoding);
        });
        check_both("target.locale", [](End& s, End& t) {
            return judge_locales(catalog::database(s.connection), catalog::database(t.connection));
        });
        check_both("target.collations", check_collations);
        check_both("target.extensions", [&](End& s, End& t) { return check_extensions(s, t, options_); });
        check_both("target.privileges", check_target_privileges);
        check_both("target.roles", [&](End& s, End& t) { return check_roles(s, t, options_); });
        check_both("target.empty", [&](End& s, End& t) { return check_empty_target(s, t, options_); });
    }

    void further() {
        if (!options_.further_checks || !source_) return;
        options_.further_checks(findings_, *source_, target_ ? &*target_ : nullptr, options_);
        if (!still_there(*source_)) lose(source_);
        if (target_ && !still_there(*target_)) lose(target_);
    }

    const Options& options_;
    std::stop_token stop_;
    std::vector<Finding> findings_;
    std::optional<End> source_, target_;
};

}  // namespace detail

/// Finds everything that stands in the way of a migration, at once and before anything is created; changes nothing on
/// either end.
///
/// Opens connections of its own, on each end a few at a time. What cannot be found out is a finding as well.
/// @throws Stopped  when asked to stop; nothing else that a finding can say
inline std::vector<Finding> run(const Options& options, std::stop_token stop = {}) {
    return detail::Run(options, std::move(stop)).all();
}

}  // namespace tslive::checks
