#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/timescale/blueprint.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::timescale {
namespace detail {

/// Reads a Blueprint. One use.
class BlueprintReader {
    using Row = catalog::detail::Row;

public:
    BlueprintReader(pg::Connection& source, const Installation& installation)
        : source_(source), release_(installation.release) {}

    [[nodiscard]] Blueprint read() {
        read_hypertables();
        read_dimensions();
        if (release_.compression_settings()) read_compression();
        else read_old_compression();
        read_skipping();
        Blueprint print;
        print.aggregates = aggregates();
        for (auto& [id, hypertable] : hypertables_) print.hypertables.push_back(std::move(hypertable));
        print.jobs = jobs();
        return print;
    }

private:
    void read_hypertables() {
        const auto found = source_.exec(
            "SELECT h.id, h.schema_name, h.table_name, nullif(h.associated_schema_name, '_timescaledb_internal'), "
            "nullif(h.associated_table_prefix, '_hyper_' || h.id), h.compression_state = 1 "
            "FROM _timescaledb_catalog.hypertable h WHERE h.compression_state <> 2 AND h.id >= 1 ORDER BY h.id");
        for (int r = 0; r < found.rows(); ++r) {
            Row row(found, r);
            Hypertable one{.id = row.number<std::int32_t>(),
                           .name = {row.text(), row.text()},
                           .chunk_schema = row.optional_text(),
                           .chunk_prefix = row.optional_text(),
                           .dimensions = {},
                           .compression = {},
                           .skipping = {}};
            if (row.boolean()) one.compression.emplace();
            hypertables_.emplace(one.id, std::move(one));
        }
    }

    void read_dimensions() {
        const auto found = source_.exec(
            "SELECT d.hypertable_id, d.column_name, pg_catalog.format_type(d.column_type, NULL), d.interval_length, "
            "d.num_slices, d.partitioning_func_schema, d.partitioning_func, d.integer_now_func_schema, "
            "d.integer_now_func, d.compress_interval_length FROM _timescaledb_catalog.dimension d "
            "ORDER BY d.hypertable_id, d.id");
        for (int r = 0; r < found.rows(); ++r) {
            Row row(found, r);
            const auto one = hypertables_.find(row.number<std::int32_t>());
            if (one == hypertables_.end()) continue;
            one->second.dimensions.push_back({.column = row.text(),
                                              .type = row.text(),
                                              .interval = number(found, r, 3),
                                              .partitions = number<int>(found, r, 4),
                                              .function = name(found, r, 5),
                                              .integer_now = name(found, r, 7),
                                              .compressed_interval = number(found, r, 9)});
        }
    }

    void read_old_compression() {
        const auto found = source_.exec(
            "SELECT k.hypertable_id, k.attname, k.segmentby_column_index, NOT k.orderby_asc, k.orderby_nullsfirst "
            "FROM _timescaledb_catalog.hypertable_compression k "
            "WHERE k.segmentby_column_index IS NOT NULL OR k.orderby_column_index IS NOT NULL "
            "ORDER BY k.hypertable_id, k.segmentby_column_index, k.orderby_column_index");
        for (auto& [id, one] : hypertables_)
            if (one.compression)
                one.compression = Compression{.segment_by = {{}}, .order_by = {{}}, .sparse_indexes = {}};
        for (int r = 0; r < found.rows(); ++r) {
            const auto one = hypertables_.find(found.number<std::int32_t>(r, 0));
            if (one == hypertables_.end() || !one->second.compression) continue;
            auto& into = *one->second.compression;
            if (!found.is_null(r, 2)) into.segment_by->push_back(found.text(r, 1));
            else into.order_by->push_back({found.text(r, 1), found.boolean(r, 3), found.boolean(r, 4)});
        }
    }

    void read_compression() {
        const auto found = source_.exec(
            "SELECT h.id, s.segmentby IS NULL, s.orderby IS NULL, k.kind, k.column_name, k.descending, k.nulls_first "
            "FROM _timescaledb_catalog.hypertable h "
            "JOIN _timescaledb_catalog.compression_settings s "
            "  ON s.relid = pg_catalog.format('%I.%I', h.schema_name, h.table_name)::pg_catalog.regclass "
            "LEFT JOIN LATERAL ("
            "  SELECT 's' AS kind, x.column_name, NULL::bool AS descending, NULL::bool AS nulls_first, x.n "
            "  FROM pg_catalog.unnest(s.segmentby) WITH ORDINALITY x(column_name, n) "
            "  UNION ALL SELECT 'o', x.* FROM ROWS FROM (pg_catalog.unnest(s.orderby), "
            "    pg_catalog.unnest(s.orderby_desc), pg_catalog.unnest(s.orderby_nullsfirst)) "
            "    WITH ORDINALITY x(column_name, descending, nulls_first, n)) k ON true "
            "WHERE h.compression_state = 1 ORDER BY h.id, k.kind, k.n");
        for (int r = 0; r < found.rows(); ++r) {
            const auto one = hypertables_.find(found.number<std::int32_t>(r, 0));
            if (one == hypertables_.end()) continue;
            auto& into = *one->second.compression;
            const bool no_segment = found.boolean(r, 1), no_order = found.boolean(r, 2);
            // With an order, what there is was decided when compression was set.
            if (!into.segment_by && !(no_segment && no_order)) into.segment_by.emplace();
            if (!into.order_by && !no_order) into.order_by.emplace();
            if (found.is_null(r, 3)) continue;
            if (found.at(r, 3) == "s") into.segment_by->push_back(found.text(r, 4));
            else into.order_by->push_back({found.text(r, 4), found.boolean(r, 5), found.boolean(r, 6)});
        }
        if (release_.sparse_indexes()) read_sparse_indexes();
    }

    void read_sparse_indexes() {
        const auto found = source_.exec(
            "SELECT h.id, pg_catalog.string_agg(pg_catalog.format('%s(%s)', i.value ->> 'type', "
            "  CASE pg_catalog.jsonb_typeof(i.value -> 'column') WHEN 'array' THEN "
            "    (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(c.value), ',' ORDER BY c.ordinality) FROM "
            "     pg_catalog.jsonb_array_elements_text(i.value -> 'column') WITH ORDINALITY c) "
            "  ELSE pg_catalog.quote_ident(i.value ->> 'column') END), ',' ORDER BY i.ordinality) "
            "FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.compression_settings s "
            "  ON s.relid = pg_catalog.format('%I.%I', h.schema_name, h.table_name)::pg_catalog.regclass "
            "CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(s.index) WITH ORDINALITY i "
            "WHERE h.compression_state = 1 AND i.value ->> 'source' = 'config' GROUP BY h.id");
        for (int r = 0; r < found.rows(); ++r)
            if (const auto one = hypertables_.find(found.number<std::int32_t>(r, 0)); one != hypertables_.end())
                one->second.compression->sparse_indexes = found.text(r, 1);
    }

    void read_skipping() {
        if (!release_.chunk_skipping()) return;
        const auto found = source_.exec(
            "SELECT hypertable_id, column_name FROM _timescaledb_catalog.chunk_column_stats "
            "WHERE coalesce(chunk_id, 0) = 0 ORDER BY id");
        for (int r = 0; r < found.rows(); ++r)
            if (const auto one = hypertables_.find(found.number<std::int32_t>(r, 0)); one != hypertables_.end())
                one->second.skipping.push_back(found.text(r, 1));
    }

    /// Their materializations are taken out of the hypertables. A number is never given twice, so that of a parent is smaller.
    [[nodiscard]] std::vector<ContinuousAggregate> aggregates() {
        const auto found = source_.exec(
            "SELECT a.mat_hypertable_id, a.user_view_schema, a.user_view_name, "
            "pg_catalog.pg_get_userbyid(v.relowner), r.schema_name, r.table_name, pg_catalog.pg_get_viewdef(d.oid), "
            "a.materialized_only FROM _timescaledb_catalog.continuous_agg a "
            "JOIN _timescaledb_catalog.hypertable r ON r.id = a.raw_hypertable_id "
            "JOIN pg_catalog.pg_class v ON v.oid = "
            "  pg_catalog.format('%I.%I', a.user_view_schema, a.user_view_name)::pg_catalog.regclass "
            "JOIN pg_catalog.pg_class d ON d.oid = "
            "  pg_catalog.format('%I.%I', a.direct_view_schema, a.direct_view_name)::pg_catalog.regclass "
            "ORDER BY a.mat_hypertable_id");
        std::vector<ContinuousAggregate> list;
        for (int r = 0; r < found.rows(); ++r) {
            Row row(found, r);
            auto table = hypertables_.extract(row.number<std::int32_t>());
            list.push_back({.view = {row.text(), row.text()},
                            .owner = row.text(),
                            .materialization = std::move(table.mapped()),
                            .source = {row.text(), row.text()},
                            .query = row.text(),
                            .materialized_only = row.boolean(),
                            .columns = {},
                            .indexes = {}});
            auto& query = list.back().query;
            while (query.ends_with(';') || query.ends_with('\n')) query.pop_back();
            describe(list.back());
        }
        return list;
    }

    void describe(ContinuousAggregate& aggregate) {
        aggregate.columns = table_columns(source_, aggregate.materialization.name);
        aggregate.indexes = table_indexes(source_, aggregate.materialization.name);
    }

    [[nodiscard]] std::vector<ScheduledJob> jobs() {
        const auto found = source_.exec(fmt::format(
            "SELECT j.id, j.application_name, j.proc_schema, j.proc_name, j.proc_schema IN "
            "  ('_timescaledb_internal', '_timescaledb_functions'), pg_catalog.pg_get_userbyid(j.owner), "
            "j.schedule_interval, j.max_runtime, j.retry_period, j.max_retries, j.scheduled, j.fixed_schedule, "
            "j.initial_start, j.timezone, j.config, j.check_schema, j.check_name, j.hypertable_id, "
            "(SELECT s.next_start FROM _timescaledb_internal.bgw_job_stat s WHERE s.job_id = j.id AND "
            " pg_catalog.isfinite(s.next_start) AND pg_catalog.isfinite(s.last_finish)) "
            "FROM {} j WHERE j.id >= 1000 ORDER BY j.id",
            release_.jobs()));
        std::vector<ScheduledJob> list;
        for (int r = 0; r < found.rows(); ++r) {
            Row row(found, r);
            list.push_back({.id = row.number<std::int32_t>(),
                            .application_name = row.text(),
                            .procedure = {row.text(), row.text()},
                            .of_timescaledb = row.boolean(),
                            .owner = row.text(),
                            .schedule_interval = row.text(),
                            .max_runtime = row.text(),
                            .retry_period = row.text(),
                            .max_retries = row.number<int>(),
                            .scheduled = row.boolean(),
                            .fixed_schedule = row.boolean(),
                            .initial_start = row.optional_text(),
                            .time_zone = row.optional_text(),
                            .config = row.optional_text(),
                            .settings = {},
                            .check = name(found, r, 15),
                            .next_start = found.optional(r, 18),
                            .hypertable = number<std::int32_t>(found, r, 17)});
        }
        const auto settings = source_.exec(fmt::format(
            "SELECT j.id, s.key, s.value FROM {} j CROSS JOIN LATERAL pg_catalog.jsonb_each_text(j.config) s "
            "WHERE j.id >= 1000 AND pg_catalog.jsonb_typeof(j.config) = 'object' AND s.value IS NOT NULL",
            release_.jobs()));
        for (int r = 0; r < settings.rows(); ++r) {
            const auto job = std::ranges::find(list, settings.number<std::int32_t>(r, 0), &ScheduledJob::id);
            job->settings.emplace(settings.text(r, 1), settings.text(r, 2));
        }
        return list;
    }

    template <typename Integer = std::int64_t>
    [[nodiscard]] static std::optional<Integer> number(const pg::Result& found, int row, int column) {
        if (found.is_null(row, column)) return std::nullopt;
        return found.number<Integer>(row, column);
    }
    [[nodiscard]] static std::optional<catalog::QualifiedName> name(const pg::Result& found, int row, int column) {
        if (found.is_null(row, column + 1)) return std::nullopt;
        return catalog::QualifiedName{found.text(row, column), found.text(row, column + 1)};
    }

public:
    /// Name and type of each.
    [[nodiscard]] static std::vector<std::string> table_columns(pg::Connection& connection,
                                                                const catalog::QualifiedName& table) {
        const auto found = connection.exec(
            "SELECT pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)) "
            "FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 "
            "AND NOT a.attisdropped ORDER BY a.attnum",
            pg::Params{}.text(table.quoted()));
        std::vector<std::string> columns;
        for (int r = 0; r < found.rows(); ++r) columns.push_back(found.text(r, 0));
        return columns;
    }
    [[nodiscard]] static std::vector<MaterializationIndex> table_indexes(pg::Connection& connection,
                                                                         const catalog::QualifiedName& table) {
        const auto found = connection.exec(
            "SELECT x.relname, i.indisunique, pg_catalog.substr(pg_catalog.pg_get_indexdef(x.oid), "
            "1 + pg_catalog.length(pg_catalog.format('CREATE %sINDEX %I ON %I.%I ', "
            "  CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, n.nspname, c.relname))) "
            "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid "
            "JOIN pg_catalog.pg_class c ON c.oid = i.indrelid "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisvalid ORDER BY x.relname",
            pg::Params{}.text(table.quoted()));
        std::vector<MaterializationIndex> indexes;
        for (int r = 0; r < found.rows(); ++r)
            indexes.push_back({found.text(r, 0), found.boolean(r, 1), found.text(r, 2)});
        return indexes;
    }

private:
    pg::Connection& source_;
    Release release_;
    std::map<std::int32_t, Hypertable> hypertables_;
};

}  // namespace detail

/// What TimescaleDB has in the database, as the session's snapshot shows it.
/// @pre the session's search_path is empty
[[nodiscard]] inline Blueprint read_blueprint(pg::Connection& source, const Installation& installation) {
    return detail::BlueprintReader(source, installation).read();
}

}  // namespace tslive::timescale
