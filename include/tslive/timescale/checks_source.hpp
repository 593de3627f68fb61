#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/timescale/checks_support.hpp"
#include "tslive/timescale/source_identities.hpp"
#include "tslive/timescale/source_jobs.hpp"
#include "tslive/timescale/source_settings.hpp"

/// Checks of a source that has TimescaleDB: can everything in it follow, and will the stream have all of it.
namespace tslive::timescale {

using checks::Verdict;

[[nodiscard]] inline Verdict judge_release(const Release& release, const catalog::Capabilities& server) {
    constexpr int least_server = 13;
    if (!release.known())
        return checks::fatal(
            fmt::format("the source has TimescaleDB {}, and this release knows 2.10 to 2.28", release.text()),
            "ALTER EXTENSION timescaledb UPDATE on the source, or use a release of ts-live that knows "
            "this one");
    if (server.major() < least_server)
        return checks::fatal(fmt::format("TimescaleDB is migrated from PostgreSQL {} on, and the source has version {}",
                                         least_server, server.text()),
                             "Update the source first");
    return checks::passed(fmt::format("the source has TimescaleDB {}", release.text()));
}

/// How hypertables are compressed on the source, as far as it matters when what that writes is not marked.
struct CompressionInUse {
    std::vector<catalog::QualifiedName> hypertables;  ///< that have compression enabled
    std::vector<catalog::QualifiedName> keyless;      ///< of these, those without any unique key
    bool marks_decompression = false;                 ///< enable_decompression_logrep_markers, where there is one
};

[[nodiscard]] inline CompressionInUse read_compression(pg::Connection& source) {
    const auto rows = source.exec(
        "SELECT h.schema_name, h.table_name, EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid "
        "  AND i.indisunique AND i.indpred IS NULL) FROM _timescaledb_catalog.hypertable h "
        "JOIN pg_catalog.pg_namespace n ON n.nspname = h.schema_name "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name "
        "WHERE h.compression_state = 1 ORDER BY 1, 2");
    CompressionInUse found;
    for (int row = 0; row < rows.rows(); ++row) {
        found.hypertables.push_back({rows.text(row, 0), rows.text(row, 1)});
        if (!rows.boolean(row, 2)) found.keyless.push_back(found.hypertables.back());
    }
    return found;
}

/// CASES H3. Before 2.16 nothing marks what compressing and decompressing writes, so that
/// - recompressing a chunk that took new rows (2.12 and later) deletes them, and we would delete them on the target, where they are still
///   uncompressed: silently, key or no key. Policies do that, so they stay off until the clean command; people must not do it.
/// - decompressing inserts rows that the target has. With a unique key the replay stops there and names it; without one they double
///   silently. DML on compressed chunks decompresses too (2.11 and later): that is marked if decompression is (2.12 to 2.15), so that only
///   decompress_chunk() by hand remains, which the operator is told of.
[[nodiscard]] inline Verdict judge_markers(const Release& release, bool markers_on,
                                           const CompressionInUse& compression) {
    if (release.compression_markers()) {
        if (markers_on) return checks::passed("what compression writes is marked in the WAL");
        return checks::fatal(
            "timescaledb.enable_compression_wal_markers is off: what compression writes could not be "
            "told from changes of rows",
            "ALTER SYSTEM SET timescaledb.enable_compression_wal_markers = on; SELECT "
            "pg_reload_conf();");
    }
    if (compression.hypertables.empty()) return checks::passed("no hypertable has compression enabled");
    if (!compression.keyless.empty() && !compression.marks_decompression)
        return checks::fatal(
            fmt::format("TimescaleDB {} does not mark what decompression writes, and {} hypertables with compression "
                        "have no unique key, so that their rows could double without being noticed: {}",
                        release.text(), compression.keyless.size(), checks::listed(compression.keyless)),
            fmt::format("ALTER EXTENSION timescaledb UPDATE to 2.16 or later, or add unique keys{}",
                        release.decompression_markers()
                            ? ", or ALTER SYSTEM SET timescaledb.enable_decompression_logrep_markers = on; SELECT "
                              "pg_reload_conf();"
                            : ""));
    return checks::warning(
        fmt::format("TimescaleDB {} does not mark what compression writes: until ts-clean nobody may run "
                    "compress_chunk(), decompress_chunk() or recompress_chunk() on {}{}; the jobs that do are switched "
                    "off for that time",
                    release.text(), checks::listed(compression.hypertables),
                    compression.marks_decompression ? "" : ", nor change rows of compressed chunks"),
        "ALTER EXTENSION timescaledb UPDATE to 2.16 or later on the source, where that is not so");
}

[[nodiscard]] inline Verdict judge_messages(const catalog::Capabilities& server, const CompressionInUse& compression) {
    if (server.logical_messages()) return checks::passed("markers are sent");
    if (compression.hypertables.empty()) return checks::passed("no hypertable has compression enabled");
    return checks::fatal(
        fmt::format("version {} of PostgreSQL does not send the marks of what compression writes, and {} hypertables "
                    "have compression enabled: {}",
                    server.text(), compression.hypertables.size(), checks::listed(compression.hypertables)),
        "Update the source to PostgreSQL 14 or later");
}

/// @param missing  of the published tables
[[nodiscard]] inline Verdict judge_identities(const Release& release, const std::vector<MissingIdentity>& missing) {
    std::vector<catalog::QualifiedName> hypertables, users, aggregates;
    for (const auto& table : missing) {
        if (table.hypertable()) hypertables.push_back(table.name);
        if (table.needs_consent()) users.push_back(table.name);
        if (table.kind == MissingIdentity::Kind::materialization) aggregates.push_back(table.name);
    }
    if (!release.replica_identity_of_hypertables() && !hypertables.empty())
        return checks::fatal(
            fmt::format("{} hypertables have no replica identity, and TimescaleDB {} cannot give them one, so that "
                        "UPDATE and DELETE, and the refresh of continuous aggregates, would fail on the source: {}",
                        hypertables.size(), release.text(), checks::listed(hypertables)),
            "ALTER EXTENSION timescaledb UPDATE to 2.12 or later");
    if (!users.empty())
        return checks::warning(
            fmt::format("{} hypertables, or tables in schemas of chunks, have no replica identity: {}", users.size(),
                        checks::listed(users)),
            "They are given REPLICA IDENTITY FULL for the time of the migration, if you agree; a primary key is "
            "better, "
            "for the source's WAL and for the target's speed");
    if (!aggregates.empty())
        return checks::note(
            fmt::format("{} continuous aggregates are given REPLICA IDENTITY FULL until ts-clean", aggregates.size()));
    return checks::passed("every hypertable has a replica identity");
}

/// @param found  `role app: enable_… = on`
[[nodiscard]] inline Verdict judge_direct_compress(const std::vector<std::string>& found) {
    if (found.empty()) return checks::passed("no row goes into compressed chunks directly");
    return checks::fatal(
        fmt::format("rows that go into compressed chunks directly are not in the stream: {}", fmt::join(found, ", ")),
        "Switch these settings off for the time of the migration (ALTER SYSTEM, ALTER DATABASE or ALTER ROLE … SET … = "
        "off), and let sessions that began before reconnect");
}

/// @param refused  what kind, and which
[[nodiscard]] inline Verdict judge_kinds(const std::vector<std::string>& refused) {
    if (refused.empty()) return checks::passed("all chunks are ordinary tables");
    return checks::fatal(
        fmt::format("the source has {}", fmt::join(refused, "; ")),
        "Bring tiered chunks back (untier_chunk), take foreign tables out, convert tables of the hypercore "
        "access method, or migrate these tables otherwise");
}

namespace detail {

inline Verdict check_markers(checks::detail::End& source, const Release& release) {
    const auto name = release.compression_markers() ? "timescaledb.enable_compression_wal_markers"
                                                    : "timescaledb.enable_decompression_logrep_markers";
    const bool on = same_switch(checks::detail::setting(source.connection, name, "off"), "on");
    auto compression = read_compression(source.connection);
    compression.marks_decompression = release.decompression_markers() && on;
    return judge_markers(release, on, compression);
}

inline Verdict check_direct_compress(checks::detail::End& source, const Release& release) {
    if (!release.direct_compress()) return checks::passed("this release does not compress rows directly");
    std::vector<std::string> found;
    for (const std::string_view name :
         {"timescaledb.enable_direct_compress_copy", "timescaledb.enable_direct_compress_insert",
          "timescaledb.enable_direct_compress_on_cagg_refresh"}) {
        if (same_switch(checks::detail::setting(source.connection, name, "off"), "on"))
            found.push_back(fmt::format("{} is on in a new session", name));
        for (const auto& override : setting_overrides(source.connection, name))
            if (same_switch(override.value, "on"))
                found.push_back(fmt::format("{} is on for {}", name, override.whom()));
    }
    return judge_direct_compress(found);
}

/// What ALTER ROLE and ALTER DATABASE say goes before what we set for the instance.
inline Verdict check_settings(checks::detail::End& source, const Release& release) {
    const auto database = source.connection.exec("SELECT pg_catalog.current_database()").text(0, 0);
    std::vector<std::string> found, remedies;
    for (const auto& needed : needed_settings(release))
        for (const auto& override : setting_overrides(source.connection, needed.name)) {
            if (same_switch(override.value, needed.value)) continue;
            found.push_back(
                fmt::format("{} = {} for {}: {}", needed.name, override.value, override.whom(), needed.otherwise));
            remedies.push_back(override.reset_sql(database, needed.name));
        }
    if (found.empty()) return checks::passed("no role or database has settings of its own that hide changes");
    return checks::fatal(fmt::format("{}", fmt::join(found, "; ")),
                         fmt::format("{}; then let sessions that began before reconnect", fmt::join(remedies, "; ")));
}

inline Verdict check_kinds(checks::detail::End& source) {
    auto& connection = source.connection;
    std::vector<std::string> refused;
    const auto add = [&](std::string_view what, const std::vector<catalog::QualifiedName>& which) {
        if (!which.empty()) refused.push_back(fmt::format("{}: {}", what, checks::listed(which)));
    };
    add("tiered chunks",
        names_of(connection, "SELECT schema_name, table_name FROM _timescaledb_catalog.chunk WHERE osm_chunk"));
    add("chunks that are foreign tables",
        names_of(connection,
                 fmt::format("WITH {} SELECT n.nspname, c.relname FROM hyper x JOIN pg_catalog.pg_inherits i "
                             "ON i.inhparent = x.root JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid "
                             "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f' "
                             "ORDER BY 1, 2",
                             hyper)));
    if (has_column(connection, "hypertable", "replication_factor"))
        add("distributed hypertables",
            names_of(connection,
                     "SELECT schema_name, table_name FROM _timescaledb_catalog.hypertable WHERE "
                     "replication_factor IS NOT NULL ORDER BY 1, 2"));
    add("tables of the hypercore access method",
        names_of(connection,
                 "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = "
                 "c.relam JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE a.amname = "
                 "'hypercore' ORDER BY 1, 2"));
    return judge_kinds(refused);
}

inline Verdict check_continuous_aggregates(checks::detail::End& source) {
    if (!has_column(source.connection, "continuous_agg", "finalized"))
        return checks::passed("continuous aggregates are finalized");
    const auto old = names_of(source.connection,
                              "SELECT user_view_schema, user_view_name FROM _timescaledb_catalog.continuous_agg WHERE "
                              "NOT finalized ORDER BY 1, 2");
    if (old.empty()) return checks::passed("continuous aggregates are finalized");
    return checks::fatal(
        fmt::format("{} continuous aggregates are of the old form that is not finalized: {}", old.size(),
                    checks::listed(old)),
        fmt::format("CALL cagg_migrate('{}') on the source, and the same for the others", old.front()));
}

inline Verdict check_identities(checks::detail::End& source, const Release& release) {
    PublishedTables published;
    if (may_publish_schemas(source)) published.schemas = chunk_tables(source.connection).schemas;
    else published.all = true;
    return judge_identities(release, missing_identities(source.connection, published));
}

/// CASES H1: a list of tables loses every chunk to come.
inline Verdict check_publication(checks::detail::End& source) {
    if (!may_publish(source, "FOR ALL TABLES"))
        return checks::fatal(
            "the role may not publish FOR ALL TABLES, and a list of tables would lose every chunk that "
            "is made during the migration",
            "Use a superuser on the source");
    if (may_publish_schemas(source)) return checks::passed("the role may publish schemas, with the chunks to come");
    if (!source.superuser) {
        const auto missing = missing_identities(source.connection, {.schemas = {}, .all = true});
        if (!missing.empty())
            return checks::fatal(
                fmt::format("the role may publish UPDATE and DELETE of all tables only, not of schemas, and {} tables "
                            "have no replica identity, among them {}",
                            missing.size(), missing.front().name),
                "Use a superuser on the source");
    }
    return checks::note(
        "UPDATE and DELETE of all tables are published, for schemas cannot be: every table is given a "
        "replica identity");
}

/// Whether a job runs, and whether a session works with settings of before, is to be seen in its entry.
inline Verdict check_sessions(checks::detail::End& source) {
    if (source.superuser ||
        source.connection.exec("SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')").boolean(0, 0))
        return checks::passed("the role may see what sessions and jobs do");
    return checks::fatal(fmt::format("role {} may not see what other sessions and jobs of the source do", source.role),
                         fmt::format("GRANT pg_read_all_stats TO {}", pg::quote_identifier(source.role)));
}

inline Verdict check_new_hypertables(const Release& release) {
    if (!release.refuses_published_hypertables())
        return checks::passed("hypertables may be made while tables are published");
    return checks::note(
        fmt::format(
            "TimescaleDB {} refuses to make hypertables and continuous aggregates on the source while its tables "
            "are published, that is until ts-clean",
            release.text()),
        "Make those that will be needed before");
}

inline Verdict check_jobs(checks::detail::End& source, const Installation& timescaledb) {
    const auto jobs = disturbing_jobs(source.connection, timescaledb);
    if (jobs.empty()) return checks::passed("no job changes chunks");
    std::vector<std::string> names;
    for (const auto& job : jobs) names.push_back(job.name);
    return checks::note(fmt::format("{} jobs are switched off on the source until the rows are read: {}", jobs.size(),
                                    checks::listed(names)));
}

}  // namespace detail
}  // namespace tslive::timescale
