#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/timescale/hypertable_plan.hpp"
#include "tslive/timescale/installation.hpp"

/// Chunks that are there before the rows are.
///
/// A transaction that makes a chunk keeps a lock on the hypertable to its end, and every other one that needs a new chunk waits for
/// it: several COPYs into one hypertable would run one after the other. So the chunks that a large table needs are made first, each
/// in a transaction of its own, as far as the source's statistics tell which. It is about speed only: chunks that are missed are made
/// by the COPY, ones too many stay empty, and whatever the target refuses ends the attempt and nothing else.
namespace tslive::timescale {

/// Where a dimension is cut, in TimescaleDB's units: from `start` on every `length`.
struct TimeGrid {
    std::int64_t start = 0, length = 0;

    /// The slice that a moment is in.
    [[nodiscard]] std::int64_t slice(std::int64_t moment) const {
        const auto distance = moment - start;
        const auto steps = distance >= 0 ? distance / length : -((-distance + length - 1) / length);
        return start + steps * length;
    }
};

/// The slices that cover the moments, and those between two of them that are so close that rows are probably all the way between.
/// @param moments  ascending
/// @returns the slices' starts, ascending; at most `most`
[[nodiscard]] inline std::vector<std::int64_t> slices_for(const TimeGrid& grid,
                                                          const std::vector<std::int64_t>& moments,
                                                          std::size_t most = 2000) {
    constexpr std::int64_t close = 20;  // slices; statistics have about a hundred moments
    std::set<std::int64_t> starts;
    std::optional<std::int64_t> before;
    for (const auto moment : moments) {
        const auto slice = grid.slice(moment);
        if (before && (slice - *before) / grid.length <= close)
            for (auto between = *before; between < slice; between += grid.length) starts.insert(between);
        starts.insert(slice);
        before = slice;
    }
    std::vector<std::int64_t> found(starts.begin(), starts.end());
    if (found.size() > most) found.resize(most);
    return found;
}

namespace detail {

/// Learns how a hypertable is cut, and makes chunks of it. One use.
class ChunkMaker {
public:
    ChunkMaker(pg::Connection& source, pg::Connection& target, const Installation& timescaledb,
               catalog::QualifiedName table, std::string_view helper_schema)
        : source_(source), target_(target), timescaledb_(timescaledb), table_(std::move(table)), schema_(helper_schema),
          helper_(pg::qualified(schema_, "chunk_grid")) {}

    /// @returns how many were made
    std::size_t run() {
        if (!read_dimensions()) return 0;
        const auto moments = read_moments();
        if (moments.size() < 2) return 0;
        const auto grid = learn_grid(moments);
        if (!grid) return 0;
        std::size_t made = 0;
        for (const auto start : slices_for(*grid, moments, 2000 / spaces_.size()))
            for (const auto& space : spaces_) {
                const auto slices = fmt::format("{{{}: [{}, {}]{}}}", json(time_), start, start + grid->length, space);
                const auto result = target_.exec(
                    fmt::format("SELECT created FROM {}.create_chunk($1::pg_catalog.regclass, $2::pg_catalog.jsonb)",
                                timescaledb_.release.functions()),
                    pg::Params{}.text(table_.quoted()).text(slices));
                made += result.boolean(0, 0) ? 1 : 0;
            }
        return made;
    }

private:
    struct Dimension {
        std::string column;
        int partitions = 0;
    };

    bool read_dimensions() {
        const auto found = target_.exec(
            "SELECT d.column_name, d.column_type::pg_catalog.regtype, d.interval_length, coalesce(d.num_slices, 0) "
            "FROM _timescaledb_catalog.dimension d JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id "
            "WHERE h.schema_name = $1 AND h.table_name = $2 ORDER BY d.id",
            pg::Params{}.text(table_.schema).text(table_.name));
        for (int r = 0; r < found.rows(); ++r) {
            catalog::detail::Row row(found, r);
            auto column = row.text();
            auto type = row.text();
            if (r > 0) {
                static_cast<void>(row.optional_text());
                space_.push_back({std::move(column), row.number<int>()});
                continue;
            }
            const auto kind = type == "uuid" ? std::nullopt : time_kind(type, timescaledb_.release);
            if (!kind) return false;
            time_ = std::move(column);
            type_ = std::move(type);
            kind_ = *kind;
            length_ = row.number<std::int64_t>();
        }
        return std::ranges::all_of(space_, [](const Dimension& dimension) { return dimension.partitions > 0; });
    }

    /// A moment as TimescaleDB counts it: microseconds since 1970, or the integer itself.
    [[nodiscard]] std::string internal(std::string_view value) const {
        if (kind_ == TimeKind::integer) return fmt::format("{}::pg_catalog.int8", value);
        return fmt::format("round(extract(epoch FROM {}) * 1000000)::pg_catalog.int8", value);
    }

    /// From the source's statistics: about a hundred that cut the rows into equal shares, and the most frequent ones.
    [[nodiscard]] std::vector<std::int64_t> read_moments() {
        const auto finite = kind_ == TimeKind::integer ? "" : " WHERE isfinite(v)";
        const auto found = source_.exec(
            fmt::format("SELECT DISTINCT {0} FROM pg_catalog.pg_stats s CROSS JOIN LATERAL (SELECT unnest("
                        "s.histogram_bounds::pg_catalog.text::{1}[]) UNION ALL SELECT unnest("
                        "s.most_common_vals::pg_catalog.text::{1}[])) AS value (v) {2}{3} "
                        "s.schemaname = $1 AND s.tablename = $2 AND s.attname = $3 AND NOT s.inherited ORDER BY 1",
                        internal("v"), type_, finite, *finite == '\0' ? "WHERE" : " AND"),
            pg::Params{}.text(table_.schema).text(table_.name).text(time_));
        return found.rows() > 1 ? moments_of(found) : sample_moments();
    }
    /// Of a table without statistics: from some hundred of its blocks.
    [[nodiscard]] std::vector<std::int64_t> sample_moments() {
        const auto blocks = source_.exec("SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass) / 8192",
                                         pg::Params{}.text(table_.quoted()));
        const auto percent =
            std::min(100.0, 30'000.0 / std::max(1.0, static_cast<double>(blocks.number<std::int64_t>(0, 0))));
        return moments_of(source_.exec(fmt::format(
            "SELECT DISTINCT {0} FROM ONLY {1} TABLESAMPLE SYSTEM ({2}) WHERE {3} IS NOT NULL{4} ORDER BY 1",
            internal(pg::quote_identifier(time_)), table_.quoted(), percent, pg::quote_identifier(time_),
            kind_ == TimeKind::integer ? "" : fmt::format(" AND isfinite({})", pg::quote_identifier(time_)))));
    }
    [[nodiscard]] static std::vector<std::int64_t> moments_of(const pg::Result& found) {
        std::vector<std::int64_t> moments;
        for (int r = 0; r < found.rows(); ++r) moments.push_back(found.number<std::int64_t>(r, 0));
        return moments;
    }

    /// Makes a hypertable that is cut in the same way, lets it take three moments, looks, and takes it all back.
    /// @returns nothing when its slices do not lie on one grid, which a release to come may have
    std::optional<TimeGrid> learn_grid(const std::vector<std::int64_t>& moments) {
        pg::Transaction transaction(target_);
        std::string columns, values, dimensions;
        for (std::size_t i = 0; i < space_.size(); ++i) {
            columns += fmt::format(", s{} pg_catalog.int4", i);
            values += ", g";
        }
        target_.exec(fmt::format("CREATE TABLE {} (t {} NOT NULL{})", helper_, type_, columns));
        const auto name = pg::quote_literal(helper_);
        target_.exec(
            fmt::format("SELECT {}({}::pg_catalog.regclass, 't', chunk_time_interval => {}::pg_catalog.int8, "
                        "create_default_indexes => false)",
                        timescaledb_.function("create_hypertable"), name, length_));
        int most = 1;
        for (std::size_t i = 0; i < space_.size(); ++i) {
            target_.exec(fmt::format("SELECT {}({}::pg_catalog.regclass, 's{}', number_partitions => {})",
                                     timescaledb_.function("add_dimension"), name, i, space_[i].partitions));
            most = std::max(most, 64 * space_[i].partitions);
        }
        const std::vector<std::int64_t> tried{moments.front(), moments[moments.size() / 2], moments.back()};
        const auto value =
            kind_ == TimeKind::integer
                ? fmt::format("m::{}", type_)
                : fmt::format("(pg_catalog.to_timestamp(0) + m * '1 microsecond'::pg_catalog.interval)::{}", type_);
        target_.exec(
            fmt::format("INSERT INTO {} SELECT {}{} FROM unnest('{{{}}}'::pg_catalog.int8[]) AS given (m) "
                        "CROSS JOIN generate_series(1, {}) AS g",
                        helper_, value, values, fmt::join(tried, ","), most));
        const auto slices = target_.exec(
            "SELECT d.column_name, s.range_start, s.range_end FROM _timescaledb_catalog.dimension d "
            "JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id "
            "JOIN _timescaledb_catalog.dimension_slice s ON s.dimension_id = d.id "
            "WHERE h.schema_name = $1 AND h.table_name = 'chunk_grid' "
            "GROUP BY d.id, d.column_name, s.range_start, s.range_end ORDER BY d.id, s.range_start",
            pg::Params{}.text(schema_));
        std::optional<TimeGrid> grid;
        std::vector<std::vector<std::string>> of_space(space_.size());
        for (int r = 0; r < slices.rows(); ++r) {
            catalog::detail::Row row(slices, r);
            const auto column = row.text();
            const auto start = row.number<std::int64_t>(), end = row.number<std::int64_t>();
            if (column == "t") {
                if (!grid) grid = TimeGrid{start, end - start};
                else if (end - start != grid->length || grid->slice(start) != start) return std::nullopt;
                continue;
            }
            const auto index = static_cast<std::size_t>(std::stoi(column.substr(1)));
            of_space.at(index).push_back(fmt::format(", {}: [{}, {}]", json(space_[index].column), start, end));
        }
        transaction.rollback();
        for (std::size_t i = 0; i < space_.size(); ++i) {
            if (static_cast<int>(of_space[i].size()) != space_[i].partitions) return std::nullopt;
            std::vector<std::string> combined;
            for (const auto& first : spaces_)
                for (const auto& second : of_space[i]) combined.push_back(first + second);
            spaces_ = std::move(combined);
        }
        return grid;
    }

    [[nodiscard]] static std::string json(std::string_view name) {
        std::string out{'"'};
        for (const char c : name) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        return out += '"';
    }

    pg::Connection& source_;
    pg::Connection& target_;
    const Installation& timescaledb_;
    catalog::QualifiedName table_;
    std::string schema_;
    std::string helper_;
    std::string time_, type_;
    TimeKind kind_ = TimeKind::interval;
    std::int64_t length_ = 0;
    std::vector<Dimension> space_;
    std::vector<std::string> spaces_{""};  ///< each combination of the other dimensions' slices, as JSON
};

}  // namespace detail

/// Makes chunks of one hypertable for the rows that the source's statistics tell of. Harmless to repeat.
/// @pre it has none but those of an earlier call
inline void premake_chunks(pg::Connection& source, pg::Connection& target, const Installation& timescaledb,
                           const catalog::QualifiedName& table, std::string_view helper_schema) {
    try {
        const auto made = detail::ChunkMaker(source, target, timescaledb, table, helper_schema).run();
        if (made > 0) log::info("{} chunks of {} made for the rows to come", made, table);
    } catch (const pg::ServerError& error) {
        if (pg::transient(error)) throw;
        log::info("No chunks of {} are made before its rows: {}", table, error.what());
    }
}

}  // namespace tslive::timescale
