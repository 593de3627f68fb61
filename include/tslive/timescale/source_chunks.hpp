#pragma once

#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/chunk.hpp"
#include "tslive/timescale/chunk_twins.hpp"

namespace tslive::timescale {

/// A row of the source's catalog as the stream brings it: values in text form by the names of their columns, NULL left out.
using CatalogRow = std::map<std::string, std::string, std::less<>>;

/// The chunks of the source at the position up to which changes are applied (docs/decisions/0013-timescaledb.md).
///
/// What is committed on the target is read from the mirror in our helper schema there; what the batch that is being applied has
/// brought stands here until it is. One thread, with a session of the target of its own.
class SourceChunks {
public:
    /// @param helper_schema  ours, with the mirror
    SourceChunks(pg::Connection session, std::string_view helper_schema, Release source)
        : session_(std::move(session)), schema_(pg::quote_identifier(helper_schema)), release_(source) {
        materializations_ = read_materializations(session_, helper_schema);
        session_.exec("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off");
    }

    /// The tables of the source's catalog that the mirror has.
    [[nodiscard]] static bool mirrored(std::string_view table) {
        return table == "hypertable" || table == "chunk" || table == "dimension_slice" || table == "chunk_constraint";
    }
    /// The mirror's name of one of them.
    [[nodiscard]] static std::string mirror_of(std::string_view table) { return fmt::format("source_{}", table); }

    [[nodiscard]] std::optional<SourceChunk> find(const catalog::QualifiedName& name) {
        for (const auto& [id, row] : chunks_)
            if (row && text(*row, "schema_name") == name.schema && text(*row, "table_name") == name.name)
                return described(id, *row);
        const auto found = session_.exec_again(
            fmt::format("SELECT id FROM {}.source_chunk WHERE schema_name = $1 AND table_name = $2", schema_),
            pg::Params{}.text(name.schema).text(name.name));
        return found.empty() ? std::nullopt : find(found.number<std::int32_t>(0, 0));
    }
    [[nodiscard]] std::optional<SourceChunk> find(std::int32_t id) {
        if (const auto seen = chunks_.find(id); seen != chunks_.end())
            return seen->second ? std::optional{described(id, *seen->second)} : std::nullopt;
        const auto found = session_.exec_again(
            fmt::format("SELECT schema_name, table_name, hypertable_id, status FROM {}.source_chunk WHERE id = $1",
                        schema_),
            pg::Params{}.number(id));
        if (found.empty()) return std::nullopt;
        return described(id, {{"schema_name", found.text(0, 0)},
                              {"table_name", found.text(0, 1)},
                              {"hypertable_id", found.text(0, 2)},
                              {"status", found.text(0, 3)}});
    }
    /// The chunk whose compressed rows are in the chunk `id`.
    [[nodiscard]] std::optional<SourceChunk> owner_of(std::int32_t id) {
        const auto wanted = fmt::format("{}", id);
        for (const auto& [owner, row] : chunks_)
            if (row && text(*row, "compressed_chunk_id") == wanted) return described(owner, *row);
        const auto found =
            session_.exec_again(fmt::format("SELECT id FROM {}.source_chunk WHERE compressed_chunk_id = $1", schema_),
                                pg::Params{}.number(id));
        return found.empty() ? std::nullopt : find(found.number<std::int32_t>(0, 0));
    }
    /// Whether a hypertable of this name has compressed rows of another one; nothing when there is no such hypertable.
    [[nodiscard]] std::optional<Holds> hypertable(const catalog::QualifiedName& name) {
        for (const auto& [id, row] : hypertables_)
            if (text(row, "schema_name") == name.schema && text(row, "table_name") == name.name) return holds(row);
        const auto found = session_.exec_again(
            fmt::format("SELECT compression_state FROM {}.source_hypertable WHERE schema_name = $1 AND table_name = $2",
                        schema_),
            pg::Params{}.text(name.schema).text(name.name));
        if (found.empty()) return std::nullopt;
        return holds({{"compression_state", found.text(0, 0)}});
    }

    /// Whether a chunk of the hypertable has a chunk for compressed rows.
    [[nodiscard]] bool has_compressed_rows(const catalog::QualifiedName& hypertable) {
        for (const auto& [id, row] : chunks_)
            if (row && !text(*row, "compressed_chunk_id").empty() && described(id, *row).hypertable == hypertable)
                return true;
        return session_
            .exec_again(
                fmt::format("SELECT EXISTS (SELECT FROM {0}.source_chunk c JOIN {0}.source_hypertable h ON h.id = "
                            "c.hypertable_id WHERE h.schema_name = $1 AND h.table_name = $2 AND "
                            "c.compressed_chunk_id IS NOT NULL)",
                            schema_),
                pg::Params{}.text(hypertable.schema).text(hypertable.name))
            .boolean(0, 0);
    }

    /// @param table  of `_timescaledb_catalog`, one that is mirrored
    void changed(std::string_view table, CatalogRow row) {
        if (table == "chunk_constraint") {
            if (row.contains("dimension_slice_id"))
                slices_of_[number(row, "chunk_id")].insert(number(row, "dimension_slice_id"));
            return;
        }
        const auto id = number(row, "id");
        if (table == "hypertable") hypertables_.insert_or_assign(id, std::move(row));
        else if (table == "chunk") chunks_.insert_or_assign(id, std::move(row));
        else if (table == "dimension_slice") {
            if (!release_.chunk_constraints()) slices_of_[number(row, "chunk_id")].insert(id);
            slices_.insert_or_assign(id, std::move(row));
        }
    }
    /// @param identity  with at least its key
    void removed(std::string_view table, const CatalogRow& identity) {
        if (table == "chunk") chunks_.insert_or_assign(number(identity, "id"), std::nullopt);
    }
    /// The chunk into which one that is removed was merged, if it was: one that has other ranges since then.
    /// @pre no chunk was made since the removal
    [[nodiscard]] std::optional<SourceChunk> merged_into(const SourceChunk& removed) {
        for (const auto& [id, slices] : slices_of_) {
            if (id == removed.id) continue;
            auto chunk = find(id);
            if (chunk && !was_dropped(id) && chunk->hypertable == removed.hypertable &&
                covers(chunk->ranges, removed.ranges))
                return chunk;
        }
        return std::nullopt;
    }

    /// Removes the target's rows in the chunk's ranges: for what is not in a chunk of its own there.
    /// @param target  its functions are called
    /// @throws Error  (operator_action) for a dimension that is computed by a function of the user's
    [[nodiscard]] std::string delete_sql(const SourceChunk& chunk, Release target) {
        std::string sql;
        for (const auto& range : chunk.ranges) {
            const auto found = session_.exec_again(
                fmt::format(
                    "SELECT column_type::pg_catalog.text, num_slices IS NOT NULL, coalesce(partitioning_func, '') "
                    "FROM {}.source_dimension WHERE id = $1",
                    schema_),
                pg::Params{}.number(range.dimension));
            if (found.empty()) return {};
            const auto column = pg::quote_identifier(range.column);
            const bool hashed = found.boolean(0, 1);
            const auto function = found.text(0, 2);
            if (!function.empty() && !(hashed && function == "get_partition_hash"))
                throw Error(
                    Recovery::operator_action,
                    fmt::format("a chunk of {} was dropped on the source, whose rows are told by the function {} "
                                "of column {}",
                                chunk.hypertable, function, column),
                    "Begin the migration anew, and do not drop chunks of that hypertable meanwhile");
            const auto value = hashed ? fmt::format("{}.get_partition_hash({})", target.functions(), column) : column;
            for (const auto& [bound, comparison] : {std::pair{range.start, ">="}, std::pair{range.end, "<"}}) {
                if (bound == std::numeric_limits<std::int64_t>::min() ||
                    bound == std::numeric_limits<std::int64_t>::max())
                    continue;
                sql += fmt::format("{}{} OPERATOR(pg_catalog.{}) {}", sql.empty() ? "" : " AND ", value, comparison,
                                   hashed ? fmt::format("{}", bound) : literal(bound, found.at(0, 0), target));
            }
        }
        return fmt::format("DELETE FROM {} WHERE {}", chunk.hypertable.quoted(), sql.empty() ? "true" : sql);
    }
    /// What was brought is on the target, or never will be.
    void forget() {
        hypertables_.clear();
        chunks_.clear();
        slices_.clear();
        slices_of_.clear();
    }

    [[nodiscard]] pg::Connection& session() noexcept { return session_; }

    [[nodiscard]] static std::string_view text(const CatalogRow& row, std::string_view column) {
        const auto found = row.find(column);
        return found == row.end() ? std::string_view{} : std::string_view{found->second};
    }
    /// @throws Error  (operator_action) when the catalog has another shape than we know
    template <typename Integer = std::int32_t>
    [[nodiscard]] static Integer number(const CatalogRow& row, std::string_view column) {
        Integer value = 0;
        const auto digits = text(row, column);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size())
            throw Error(Recovery::operator_action,
                        fmt::format("a row of TimescaleDB's catalog came without a number in its column {}", column),
                        "Its release is not one that ts-live knows; report it");
        return value;
    }

private:
    /// A bound in the catalog's units as a value of the column's type.
    [[nodiscard]] static std::string literal(std::int64_t bound, std::string_view type, Release target) {
        const auto made_by = [&](std::string_view function) {
            return fmt::format("{}.{}({})", target.functions(), function, bound);
        };
        if (type == "timestamp with time zone") return made_by("to_timestamp");
        if (type == "timestamp without time zone") return made_by("to_timestamp_without_timezone");
        if (type == "date") return made_by("to_date");
        return fmt::format("{}", bound);
    }

    [[nodiscard]] bool was_dropped(std::int32_t id) const {
        const auto seen = chunks_.find(id);
        return seen != chunks_.end() && seen->second && text(*seen->second, "dropped") == "t";
    }
    static constexpr std::int32_t partial = 8;  // a bit of chunk.status
    [[nodiscard]] static Holds holds(const CatalogRow& hypertable) {
        return text(hypertable, "compression_state") == "2" ? Holds::compressed : Holds::rows;
    }

    [[nodiscard]] SourceChunk described(std::int32_t id, const CatalogRow& row) {
        SourceChunk chunk{.id = id,
                          .name = {std::string{text(row, "schema_name")}, std::string{text(row, "table_name")}},
                          .hypertable = {},
                          .holds = Holds::rows,
                          .partly_compressed = (number(row, "status") & partial) != 0,
                          .ranges = ranges_of(id)};
        const auto hypertable = number(row, "hypertable_id");
        if (const auto seen = hypertables_.find(hypertable); seen != hypertables_.end()) {
            chunk.hypertable = {std::string{text(seen->second, "schema_name")},
                                std::string{text(seen->second, "table_name")}};
            chunk.holds = holds(seen->second);
            if (chunk.holds == Holds::rows) chunk.hypertable = name_on_target(chunk.hypertable);
            return chunk;
        }
        const auto found = session_.exec_again(
            fmt::format("SELECT schema_name, table_name, compression_state FROM {}.source_hypertable WHERE id = $1",
                        schema_),
            pg::Params{}.number(hypertable));
        if (found.empty())
            throw Error(
                Recovery::operator_action,
                fmt::format("{} is a chunk of a hypertable that is not known, number {}", chunk.name, hypertable),
                "Begin the migration anew: ts-clean, then a new snapshot");
        chunk.hypertable = {found.text(0, 0), found.text(0, 1)};
        chunk.holds = holds({{"compression_state", found.text(0, 2)}});
        if (chunk.holds == Holds::rows) chunk.hypertable = name_on_target(chunk.hypertable);
        return chunk;
    }

    /// On a target of another release, the tables of continuous aggregates have other numbers, and so other names. One that was made
    /// after the snapshot may have the name of another one there.
    [[nodiscard]] catalog::QualifiedName name_on_target(const catalog::QualifiedName& hypertable) const {
        if (!materializations_) return hypertable;
        if (const auto found = materializations_->find(hypertable); found != materializations_->end())
            return found->second;
        if (hypertable.schema == "_timescaledb_internal" && hypertable.name.starts_with("_materialized_hypertable_"))
            throw Error(Recovery::operator_action,
                        fmt::format("a change arrived of a continuous aggregate that was made on the source after the "
                                    "snapshot, in {}",
                                    hypertable),
                        "A continuous aggregate cannot be added to a migration that runs: begin anew with ts-clean and "
                        "a new snapshot");
        return hypertable;
    }

    /// One a dimension: the newest, where a chunk was dropped and made again under its number.
    [[nodiscard]] Ranges ranges_of(std::int32_t chunk) {
        std::map<std::int32_t, Range> by_dimension;
        const auto found = session_.exec_again(
            fmt::format(
                "SELECT d.id, d.column_name, s.range_start, s.range_end FROM {0}.source_dimension_slice s "
                "JOIN {0}.source_dimension d ON d.id = s.dimension_id WHERE {1} ORDER BY s.id",
                schema_,
                release_.chunk_constraints()
                    ? fmt::format("s.id IN (SELECT k.dimension_slice_id FROM {}.source_chunk_constraint k WHERE "
                                  "k.chunk_id = $1)",
                                  schema_)
                    : "s.chunk_id = $1"),
            pg::Params{}.number(chunk));
        for (int row = 0; row < found.rows(); ++row)
            by_dimension.insert_or_assign(
                found.number<std::int32_t>(row, 0),
                Range{found.text(row, 1), found.number<std::int64_t>(row, 2), found.number<std::int64_t>(row, 3),
                      found.number<std::int32_t>(row, 0)});
        if (const auto seen = slices_of_.find(chunk); seen != slices_of_.end())
            for (const auto slice : seen->second) add_slice(by_dimension, slice);
        Ranges ranges;
        for (auto& [dimension, range] : by_dimension) ranges.push_back(std::move(range));
        return ranges;
    }

    /// One that the batch has brought for the chunk; itself, it may have been there before, for another chunk.
    void add_slice(std::map<std::int32_t, Range>& by_dimension, std::int32_t slice) {
        std::int32_t dimension = 0;
        std::int64_t start = 0, end = 0;
        if (const auto seen = slices_.find(slice); seen != slices_.end()) {
            dimension = number(seen->second, "dimension_id");
            start = number<std::int64_t>(seen->second, "range_start");
            end = number<std::int64_t>(seen->second, "range_end");
        } else {
            const auto found = session_.exec_again(
                fmt::format("SELECT dimension_id, range_start, range_end FROM {}.source_dimension_slice WHERE id = $1",
                            schema_),
                pg::Params{}.number(slice));
            if (found.empty()) return;
            dimension = found.number<std::int32_t>(0, 0);
            start = found.number<std::int64_t>(0, 1);
            end = found.number<std::int64_t>(0, 2);
        }
        const auto column =
            session_.exec_again(fmt::format("SELECT column_name FROM {}.source_dimension WHERE id = $1", schema_),
                                pg::Params{}.number(dimension));
        if (!column.empty()) by_dimension.insert_or_assign(dimension, Range{column.text(0, 0), start, end, dimension});
    }
    pg::Connection session_;
    std::string schema_;
    Release release_;
    std::optional<Materializations> materializations_;  // none: they have the same names
    // What the batch has brought, by number. A chunk without a row was removed.
    std::map<std::int32_t, CatalogRow> hypertables_, slices_;
    std::map<std::int32_t, std::optional<CatalogRow>> chunks_;
    std::map<std::int32_t, std::set<std::int32_t>> slices_of_;
};

}  // namespace tslive::timescale
