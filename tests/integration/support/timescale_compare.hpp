#pragma once

#include <cstddef>
#include <filesystem>
#include <future>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "integration/harness/compare.hpp"
#include "integration/harness/database.hpp"

/// Two databases with TimescaleDB, compared by what a user sees of them: chunks made after the snapshot have other names on the
/// target than on the source, so the generic comparison, table by table, is of no use.
namespace tslive::harness {

enum class CompareChunks {
    no,
    ranges,            ///< which ranges each hypertable has chunks for
    ranges_and_state,  ///< and which of them are compressed
};

struct TimescaleCompareOptions {
    bool schema = true;     ///< pg_dump -s, without what TimescaleDB makes itself: its schemas, chunks
    bool sequences = true;  ///< the user's own; false while the switch-over has not been
    CompareChunks chunks = CompareChunks::ranges;
    bool jobs = true;           ///< with their ids, schedules and owners; without what they have done
    bool job_switches = true;   ///< which of them are scheduled
    bool cagg_catalogs = true;  ///< watermarks, thresholds and invalidations, row by row
    /// Hypertables, dimensions, settings of compression, continuous aggregates. False, with `schema`, `jobs` and so on, compares
    /// a plain database with one of hypertables: rows and sequences.
    bool information = true;
    /// False: the numbers that TimescaleDB gives, which stand in names and definitions, may differ, and its triggers.
    bool same_numbers = true;
    std::set<std::string> skip_tables = {};   ///< `"public"."t"`
    std::set<std::string> skip_objects = {};  ///< as reported: `job 1003`
};

namespace detail {

/// One side of the comparison.
class TimescaleContents {
public:
    TimescaleContents(const Database& database, const TimescaleCompareOptions& options)
        : database_(database), options_(options), connection_(pg::Connection::open(database.conninfo(), "compare")) {
        const auto found = connection_.exec(
            "SELECT n.nspname, EXISTS (SELECT FROM pg_proc p JOIN pg_namespace f ON f.oid = p.pronamespace "
            "WHERE f.nspname = '_timescaledb_functions' AND p.proname = 'show_chunk') "
            "FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'");
        present_ = !found.empty();
        functions_ = present_ && found.boolean(0, 1) ? "_timescaledb_functions" : "_timescaledb_internal";
    }

    [[nodiscard]] Contents read(const std::filesystem::path& bin_dir) {
        rows();
        if (options_.sequences)
            for (auto& [name, content] : sequence_contents(connection_))
                if (!name.starts_with("sequence \"_timescaledb")) contents_[name] = content;
        if (options_.schema) schema(bin_dir);
        if (present_) {
            if (options_.information) information();
            if (options_.chunks != CompareChunks::no) chunks();
            if (options_.jobs) jobs();
            if (options_.cagg_catalogs) cagg_catalogs();
        }
        if (!options_.same_numbers) forget_numbers();
        for (const auto& name : options_.skip_objects) contents_.erase(name);
        return std::move(contents_);
    }

private:
    /// Relations, as oid, that TimescaleDB makes: chunks in whatever schema.
    static constexpr std::string_view chunks_sql =
        "SELECT i.inhrelid FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent "
        "JOIN pg_namespace pn ON pn.oid = p.relnamespace JOIN _timescaledb_catalog.hypertable h "
        "ON h.schema_name = pn.nspname AND h.table_name = p.relname";

    void rows() {
        const auto of_timescale =
            present_ ? fmt::format("AND n.nspname !~ '^_timescaledb_' AND c.oid NOT IN ({}) ", chunks_sql) : "";
        const auto tables = connection_.exec(fmt::format(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND c.relpersistence <> 't' AND {} {} AND NOT EXISTS "
            "(SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')",
            of_users, of_timescale));
        std::set<std::string> roots;
        if (present_) {
            const auto found = connection_.exec(
                "SELECT h.schema_name, h.table_name, coalesce(a.user_view_schema, ''), coalesce(a.user_view_name, '') "
                "FROM _timescaledb_catalog.hypertable h LEFT JOIN _timescaledb_catalog.continuous_agg a "
                "ON a.mat_hypertable_id = h.id WHERE h.compression_state <> 2 AND h.id > 0");
            for (int row = 0; row < found.rows(); ++row) {
                const auto name = pg::qualified(found.at(row, 0), found.at(row, 1));
                roots.insert(name);
                if (found.at(row, 2).empty()) continue;
                const auto view = pg::qualified(found.at(row, 2), found.at(row, 3));
                sum("materialization of " + view, name, "");
                sum("continuous aggregate " + view, view, "");
            }
        }
        for (int row = 0; row < tables.rows(); ++row) {
            const auto name = pg::qualified(tables.at(row, 0), tables.at(row, 1));
            sum("table " + name, name, roots.contains(name) ? "" : "ONLY ");
        }
    }
    void sum(const std::string& object, const std::string& name, std::string_view only) {
        if (options_.skip_tables.contains(name)) return;
        const auto sums = connection_.exec(
            fmt::format("SELECT count(*), coalesce(sum(hashtextextended(\"ts-live: the row\"::text, 1)::numeric), 0), "
                        "coalesce(sum(hashtextextended(\"ts-live: the row\"::text, 2)::numeric), 0) FROM {}{} AS "
                        "\"ts-live: the row\"",
                        only, name));
        contents_[object] = fmt::format("{} rows, checksum {}/{}", sums.at(0, 0), sums.at(0, 1), sums.at(0, 2));
    }

    void forget_numbers() {
        static const std::regex numbers(R"((_materialized_hypertable_|cagg_watermark\()\d+)");
        std::erase_if(contents_, [](const auto& object) {
            return object.first.find("EXTENSION timescaledb") != std::string::npos ||
                   object.first.find("ts_insert_blocker") != std::string::npos ||
                   object.first.find("ts_cagg_invalidation_trigger") != std::string::npos;
        });
        for (auto& [name, content] : contents_) content = std::regex_replace(content, numbers, "$1");
    }

    void schema(const std::filesystem::path& bin_dir) {
        std::vector<std::string> arguments = {(bin_dir / "pg_dump").string(),
                                              "--schema-only",
                                              "--no-publications",
                                              "--no-subscriptions",
                                              "--exclude-schema=tslive_*",
                                              "--exclude-schema=_timescaledb_*"};
        if (present_) {
            const auto found = connection_.exec(
                fmt::format("SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                            "WHERE n.nspname !~ '^_timescaledb_' AND c.oid IN ({})",
                            chunks_sql));
            for (int row = 0; row < found.rows(); ++row)
                arguments.push_back("--exclude-table=" + pg::qualified(found.at(row, 0), found.at(row, 1)));
        }
        const auto info = database_.conninfo();
        arguments.push_back("--dbname=" + info.without_secrets().to_string());
        contents_.merge(statements_by_object(run_tool_or_fail({.arguments = arguments, .environment = {}})));
    }

    /// A view's rows, one object each, in JSON, so that a column more or less in another version changes no code here.
    void json(std::string_view kind, std::string_view name, std::string_view without, std::string_view from) {
        const auto found = connection_.exec(fmt::format(
            "SELECT {}, (to_jsonb(x) - '{{{}}}'::text[])::text FROM {} AS x ORDER BY 1, 2", name, without, from));
        for (int row = 0; row < found.rows(); ++row)
            contents_[fmt::format("{} {}", kind, found.at(row, 0))] += found.text(row, 1) + '\n';
    }
    void information() {
        json("hypertable", "format('%I.%I', hypertable_schema, hypertable_name)", "num_chunks",
             "timescaledb_information.hypertables");
        json("dimensions of", "format('%I.%I', hypertable_schema, hypertable_name)", "",
             "timescaledb_information.dimensions");
        json("compression of", "format('%I.%I', hypertable_schema, hypertable_name)", "",
             "timescaledb_information.compression_settings");
        json("definition of", "format('%I.%I', view_schema, view_name)", "",
             "timescaledb_information.continuous_aggregates");
        // Prefix and schema of chunks to come, and what stands in no view.
        json("catalog of hypertable", "format('%I.%I', schema_name, table_name)", "status",
             "_timescaledb_catalog.hypertable");
    }
    void chunks() {
        const auto found = connection_.exec(fmt::format(
            // A step of its own: the function refuses chunks of compressed rows.
            "WITH chunks AS MATERIALIZED (SELECT i.inhrelid, coalesce((SELECT format('continuous aggregate %I.%I', "
            "a.user_view_schema, a.user_view_name) FROM _timescaledb_catalog.continuous_agg a WHERE "
            "a.mat_hypertable_id = h.id), format('%I.%I', pn.nspname, p.relname)) AS root "
            "FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace "
            "JOIN _timescaledb_catalog.hypertable h ON h.schema_name = pn.nspname AND h.table_name = p.relname "
            "WHERE h.compression_state <> 2) "
            "SELECT root, s.slices::text, EXISTS (SELECT FROM _timescaledb_catalog.chunk c WHERE c.id = s.chunk_id AND "
            "c.status & 1 = 1) FROM chunks CROSS JOIN LATERAL {}.show_chunk(inhrelid) s",
            functions_));
        for (int row = 0; row < found.rows(); ++row)
            contents_[fmt::format("chunk of {} for {}", found.at(row, 0), found.at(row, 1))] =
                options_.chunks == CompareChunks::ranges ? "there"
                : found.boolean(row, 2)                  ? "compressed"
                                                         : "not compressed";
    }
    void jobs() {
        json("job", "job_id::text", options_.job_switches ? "next_start" : "next_start,scheduled",
             "timescaledb_information.jobs");
    }
    void cagg_catalogs() {
        const auto found = connection_.exec(
            "SELECT relname FROM pg_class WHERE relnamespace = '_timescaledb_catalog'::regnamespace AND relkind = 'r' "
            "AND "
            "relname IN ('continuous_aggs_invalidation_threshold', 'continuous_aggs_watermark', "
            "'continuous_aggs_hypertable_invalidation_log', 'continuous_aggs_materialization_invalidation_log', "
            "'continuous_aggs_materialization_ranges', 'continuous_aggs_bucket_function', 'continuous_agg')");
        for (int row = 0; row < found.rows(); ++row)
            json("catalog", fmt::format("'{}'", found.at(row, 0)), "",
                 pg::qualified("_timescaledb_catalog", found.at(row, 0)));
    }

    const Database& database_;
    const TimescaleCompareOptions& options_;
    pg::Connection connection_;
    bool present_ = false;
    std::string functions_;
    Contents contents_;
};

}  // namespace detail

/// Compares what users see in two databases, of which either may have TimescaleDB: the rows of hypertables through their roots, of
/// continuous aggregates and of all other tables, the user's schema, and what TimescaleDB says about its own objects.
/// Nothing may write meanwhile.
[[nodiscard]] inline Diff compare_timescaledb(const Database& source, const Database& target,
                                              const TimescaleCompareOptions& options = {},
                                              const std::filesystem::path& bin_dir = default_bin_dir()) {
    auto other =
        std::async(std::launch::async, [&] { return detail::TimescaleContents(target, options).read(bin_dir); });
    const auto on_source = detail::TimescaleContents(source, options).read(bin_dir);
    return difference(on_source, other.get());
}

[[nodiscard]] inline testing::AssertionResult timescaledb_is_equal(const Database& source, const Database& target,
                                                                   const TimescaleCompareOptions& options = {}) {
    const auto diff = compare_timescaledb(source, target, options);
    if (diff.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "the databases differ:\n" << diff.report();
}

}  // namespace tslive::harness
