#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/replica_identity.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/state/store.hpp"
#include "tslive/timescale/chunk_tables.hpp"

/// Replica identities of the source's tables that are published for UPDATE and DELETE with the schema they are in. Each of them needs
/// one, or the source refuses these statements, and the refreshes of continuous aggregates (law 10). Identities are given for the time
/// of the migration; the undo journal takes them back.
namespace tslive::timescale {

/// A table, or a hypertable with its chunks, without a usable replica identity, and what it is to be given.
struct MissingIdentity {
    enum class Kind {
        materialization,  ///< the hypertable of a continuous aggregate
        own,              ///< of TimescaleDB's own tables
        hypertable,       ///< a user's
        table,            ///< a user's, in a schema where chunks are
    };
    RelationId id;
    catalog::QualifiedName name;
    Kind kind = Kind::table;
    char before = 'd';         ///< pg_class.relreplident
    std::string index_before;  ///< when it is an index
    std::string index;         ///< that is to be the identity; empty: FULL

    [[nodiscard]] bool hypertable() const noexcept { return kind == Kind::materialization || kind == Kind::hypertable; }
    /// What users made is theirs to decide about.
    [[nodiscard]] bool needs_consent() const noexcept { return kind == Kind::hypertable || kind == Kind::table; }
};

/// Which tables are published.
struct PublishedTables {
    std::vector<std::string> schemas;
    bool all = false;
};

/// As a publication has them now.
[[nodiscard]] inline PublishedTables published_tables(pg::Connection& source, std::string_view publication) {
    const bool schemas = catalog::Capabilities{source.server_version()}.schema_publications();
    const auto rows = source.exec(
        fmt::format("SELECT p.puballtables, n.nspname FROM pg_catalog.pg_publication p {} WHERE p.pubname = $1",
                    schemas ? "LEFT JOIN pg_catalog.pg_publication_namespace m ON m.pnpubid = p.oid "
                              "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = m.pnnspid"
                            : "LEFT JOIN pg_catalog.pg_namespace n ON false"),
        pg::Params{}.text(publication));
    PublishedTables published;
    for (int row = 0; row < rows.rows(); ++row) {
        published.all = rows.boolean(row, 0);
        if (!rows.is_null(row, 1)) published.schemas.push_back(rows.text(row, 1));
    }
    return published;
}

/// @throws Error  (operator_action) when a chunk is in a schema that is not published, so that its UPDATEs and DELETEs are missing
inline void expect_chunks_published(pg::Connection& source, const PublishedTables& published) {
    if (published.all) return;
    const auto astray = source.exec(
        fmt::format("WITH {} SELECT n.nspname, c.relname FROM hyper x JOIN pg_catalog.pg_inherits i ON i.inhparent = "
                    "x.root JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid "
                    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                    "WHERE n.nspname <> ALL ($1::pg_catalog.text[]) ORDER BY 1, 2 LIMIT 1",
                    detail::hyper),
        pg::Params{}.text(catalog::detail::array_text(published.schemas)));
    if (astray.empty()) return;
    throw Error(
        Recovery::operator_action,
        fmt::format("{} is a chunk in a schema that had none when the migration began, so that UPDATE and DELETE "
                    "on it are not replicated",
                    catalog::QualifiedName{astray.text(0, 0), astray.text(0, 1)}),
        "Run ts-clean and begin a new migration");
}

/// @returns those without a usable identity; hypertables that have no chunks yet, too
[[nodiscard]] inline std::vector<MissingIdentity> missing_identities(pg::Connection& source,
                                                                     const PublishedTables& published) {
    const auto rows = source.exec(
        fmt::format(
            "WITH {hyper}, {compressed}, "
            "unfit AS (SELECT DISTINCT coalesce(x.root, c.oid) AS oid, x.root IS NOT NULL AS hypertable, "
            "    coalesce(x.materialization, false) AS materialization "
            "  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "  LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid "
            "  LEFT JOIN hyper x ON x.root = coalesce(i.inhparent, c.oid) "
            "  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND {user_schema} "
            "  AND ($1::pg_catalog.bool OR n.nspname = ANY ($2::pg_catalog.text[]) OR x.root IS NOT NULL "
            "    OR n.nspname = '_timescaledb_catalog' AND c.relname = 'chunk_constraint') "
            "  AND NOT EXISTS (SELECT FROM compressed_table z WHERE z.oid = c.oid) AND NOT {usable}) "
            "SELECT c.oid, n.nspname, c.relname, CASE WHEN u.materialization THEN 'm' WHEN u.hypertable THEN 'h' "
            "  WHEN e.extname = 'timescaledb' THEN 'o' ELSE 't' END, c.relreplident, "
            "  coalesce((SELECT k.relname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class k ON k.oid = "
            "x.indexrelid "
            "    WHERE x.indrelid = c.oid AND x.indisreplident), ''), "
            "  coalesce((SELECT k.relname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class k ON k.oid = "
            "x.indexrelid "
            "    WHERE x.indrelid = c.oid AND x.indisunique AND x.indimmediate AND x.indisvalid AND x.indpred IS NULL "
            "    AND x.indexprs IS NULL AND e.extname = 'timescaledb' AND NOT EXISTS ("
            "      SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attnotnull "
            "      AND a.attnum = ANY (x.indkey::pg_catalog.int2[])) ORDER BY 1 LIMIT 1), '') "
            "FROM unfit u JOIN pg_catalog.pg_class c ON c.oid = u.oid "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace {extension_join} ORDER BY 2, 3",
            fmt::arg("hyper", detail::hyper), fmt::arg("compressed", detail::compressed_table),
            fmt::arg("user_schema", catalog::detail::user_schema),
            fmt::arg("usable", catalog::usable_identity_sql(catalog::Capabilities{source.server_version()})),
            fmt::arg("extension_join", catalog::detail::extension_join)),
        pg::Params{}.boolean(published.all).text(catalog::detail::array_text(published.schemas)));
    std::vector<MissingIdentity> found;
    for (int r = 0; r < rows.rows(); ++r) {
        catalog::detail::Row row(rows, r);
        MissingIdentity table;
        table.id = row.relation();
        table.name = {row.text(), row.text()};
        const char kind = row.letter();
        table.kind = kind == 'm'   ? MissingIdentity::Kind::materialization
                     : kind == 'h' ? MissingIdentity::Kind::hypertable
                     : kind == 'o' ? MissingIdentity::Kind::own
                                   : MissingIdentity::Kind::table;
        table.before = row.letter();
        table.index_before = row.text();
        table.index = row.text();
        found.push_back(std::move(table));
    }
    return found;
}

namespace detail {

/// A DO command that gives one table, or a hypertable and its chunks, another identity, each in a transaction of its own: so the
/// application is never kept waiting for more than one lock, and not for longer than the timeout. TimescaleDB's hooks, which would lock
/// all chunks at once, and refuse compressed hypertables before 2.16, are out of the way; new chunks get what the hypertable has.
///
/// @param clause  what follows ALTER TABLE t REPLICA IDENTITY
/// @param which   condition on relreplident of those to be changed
/// @param first   statements to begin with
/// @param chunks  those of a hypertable, too, each by itself
[[nodiscard]] inline std::string identity_sql(RelationId table, const std::string& clause, std::string_view which,
                                              std::string_view first, bool chunks) {
    std::string pattern = "ALTER TABLE %s REPLICA IDENTITY ";
    for (const char c : clause) pattern.append(c == '%' ? 2 : 1, c);
    return "DO " +
           pg::quote_literal(fmt::format(
               "DECLARE t pg_catalog.regclass; BEGIN {first}FOR t IN SELECT c.oid FROM pg_catalog.pg_class c "
               "WHERE c.relkind = 'r' AND {which} AND (c.oid = {oid}{chunks}) ORDER BY c.oid <> {oid} "
               "LOOP PERFORM pg_catalog.set_config('lock_timeout', '2s', true){restoring}; "
               "EXECUTE pg_catalog.format({pattern}, t); COMMIT; END LOOP; END",
               fmt::arg("first", first), fmt::arg("which", which), fmt::arg("oid", table.value),
               fmt::arg("chunks", chunks ? fmt::format(" OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits "
                                                       "WHERE inhparent = {})",
                                                       table.value)
                                         : std::string{}),
               fmt::arg("restoring", chunks ? ", pg_catalog.set_config('timescaledb.restoring', 'on', true)" : ""),
               fmt::arg("pattern", pg::quote_literal(pattern))));
}

/// Who holds locks on the table or its chunks.
inline void log_lock_holders(pg::Connection& source, const MissingIdentity& table) {
    const auto holders = source.exec(
        "SELECT DISTINCT l.pid, coalesce(a.usename, '?'), coalesce(a.state, '?'), "
        "  coalesce(left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 60), '') FROM pg_catalog.pg_locks l "
        "LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.granted AND l.locktype = 'relation' "
        "AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) "
        "AND l.pid <> pg_catalog.pg_backend_pid() AND (l.relation = $1 OR l.relation IN "
        "  (SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = $1)) ORDER BY 1 LIMIT 5",
        pg::Params{}.number(table.id.value));
    for (int row = 0; row < holders.rows(); ++row)
        log::warning("The replica identity of {} waits for a lock that process {} of user {} holds ({}): {}",
                     table.name, holders.at(row, 0), holders.at(row, 1), holders.at(row, 2), holders.at(row, 3));
}

}  // namespace detail

/// Takes an identity back. Harmless to repeat, and when it was never given; refuses while a migration publishes the table.
[[nodiscard]] inline std::string restore_identity_sql(const MissingIdentity& table) {
    const auto clause = table.before == 'n'          ? std::string{"NOTHING"}
                        : table.index_before.empty() ? std::string{"DEFAULT"}
                                                     : "USING INDEX " + pg::quote_identifier(table.index_before);
    constexpr std::string_view guard =
        "IF EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname ~ '^tslive_[0-9a-f]{8}_identity$') THEN RAISE "
        "EXCEPTION 'a publication of ts-live is still there, and without a replica identity UPDATE and DELETE would "
        "fail'; END IF; ";
    // An index has another name on each chunk, which TimescaleDB knows.
    return detail::identity_sql(table.id, clause, table.index.empty() ? "c.relreplident = 'f'" : "c.relreplident = 'i'",
                                guard, table.hypertable() && table.index_before.empty());
}

/// Gives the table its identity, journalled before. Waits for locks visibly, a short time each. Not in a transaction.
/// @throws Stopped
inline void give_identity(const MissingIdentity& table, state::Store& store, pg::Connection& source, Waiter& waiter) {
    constexpr std::chrono::seconds rest{1};
    store.journal(state::Side::source, fmt::format("replica identity of {}", table.name), restore_identity_sql(table));
    const auto sql = detail::identity_sql(
        table.id, table.index.empty() ? "FULL" : "USING INDEX " + pg::quote_identifier(table.index),
        table.index.empty() ? "c.relreplident <> 'f'" : "c.relreplident <> 'i'", {}, table.hypertable());
    for (;;) {
        try {
            source.exec(sql);
            return;
        } catch (const pg::ServerError& error) {
            if (error.state() != pg::sqlstate::lock_not_available && error.state() != pg::sqlstate::deadlock_detected)
                throw;
        }
        detail::log_lock_holders(source, table);
        if (!waiter.sleep(rest)) throw Stopped{};
    }
}

/// All of them, until none is left: a chunk may have been made meanwhile.
/// @throws Error  (operator_action) when some cannot be given one
inline void give_identities(const PublishedTables& published, state::Store& store, pg::Connection& source,
                            Waiter& waiter) {
    constexpr int most_rounds = 5;
    for (int round = 0;; ++round) {
        const auto missing = missing_identities(source, published);
        if (missing.empty()) return;
        if (round == most_rounds)
            throw Error(Recovery::operator_action,
                        fmt::format("{} has no usable replica identity, and cannot be given one", missing.front().name),
                        "Does it have a generated column? Give it a primary key or a replica identity on the source");
        for (const auto& table : missing) {
            log::info("{} is given REPLICA IDENTITY {} on the source, until ts-clean", table.name,
                      table.index.empty() ? "FULL" : "USING INDEX");
            give_identity(table, store, source, waiter);
        }
    }
}

}  // namespace tslive::timescale
