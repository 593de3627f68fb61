#pragma once

#include <charconv>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace tslive::timescale {

/// A release of TimescaleDB, and what it can do, by name, so that no code elsewhere compares version numbers. A value type.
/// Source: the extension's CHANGELOG.md and `sql/` at the releases' tags.
class Release {
public:
    constexpr Release(int major, int minor, int patch) noexcept : major_(major), minor_(minor), patch_(patch) {}

    /// @param text  as pg_extension.extversion has it: `2.19.3`, `2.20.0-dev`
    /// @returns     nothing when it does not begin with three numbers
    [[nodiscard]] static std::optional<Release> parse(std::string_view text) {
        int numbers[3] = {};
        for (int i = 0; i < 3; ++i) {
            if (i > 0) {
                if (!text.starts_with('.')) return std::nullopt;
                text.remove_prefix(1);
            }
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), numbers[i]);
            if (error != std::errc{}) return std::nullopt;
            text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        }
        return Release{numbers[0], numbers[1], numbers[2]};
    }

    /// The releases whose catalog ts-live knows: 2.10 to 2.28.
    [[nodiscard]] constexpr bool known() const noexcept { return from(2, 10) && !from(2, 29); }

    /// Logical messages around what compress, decompress and recompress write, if `enable_compression_wal_markers` is on (the default).
    [[nodiscard]] constexpr bool compression_markers() const noexcept { return from(2, 16); }
    /// The same around what DML decompresses only, if `enable_decompression_logrep_markers` is on (it is not, by default).
    [[nodiscard]] constexpr bool decompression_markers() const noexcept { return from(2, 12) && !from(2, 16); }
    /// UPDATE and DELETE on compressed chunks
    [[nodiscard]] constexpr bool dml_on_compressed() const noexcept { return from(2, 11); }
    /// `enable_delete_after_compression`: compressing deletes the rows instead of emptying the chunk's file
    [[nodiscard]] constexpr bool delete_after_compression() const noexcept { return from(2, 16); }
    /// DELETE of whole segments leaves nothing in the WAL that names rows, unless `enable_compressed_direct_batch_delete` is off
    [[nodiscard]] constexpr bool direct_batch_delete() const noexcept { return from(2, 17); }
    /// What it writes for a column that is NULL in all rows of a batch it also takes as input
    [[nodiscard]] constexpr bool reads_null_compression() const noexcept { return *this >= Release{2, 20, 1}; }
    /// `enable_direct_compress_copy`, later `_insert`: rows go into compressed chunks without a trace that names them
    [[nodiscard]] constexpr bool direct_compress() const noexcept { return from(2, 21); }
    /// ALTER TABLE … REPLICA IDENTITY on a hypertable reaches its chunks
    [[nodiscard]] constexpr bool replica_identity_of_hypertables() const noexcept { return from(2, 12); }
    /// create_hypertable() and continuous aggregates are refused for a table that is published, FOR ALL TABLES too
    [[nodiscard]] constexpr bool refuses_published_hypertables() const noexcept { return from(2, 20); }
    /// What a change makes stale in continuous aggregates is noted by the executor; before, by a trigger
    [[nodiscard]] constexpr bool invalidation_by_executor() const noexcept { return from(2, 23); }
    /// `enable_chunk_auto_publication`: a new chunk joins the publications of its hypertable
    [[nodiscard]] constexpr bool chunk_auto_publication() const noexcept { return from(2, 25); }
    /// Foreign keys of plain tables may refer to hypertables, if the key that they refer to has all partitioning columns
    [[nodiscard]] constexpr bool foreign_keys_to_hypertables() const noexcept { return from(2, 16); }
    /// Statement triggers with transition tables on hypertables; row triggers with them are never possible
    [[nodiscard]] constexpr bool transition_tables() const noexcept { return from(2, 18); }
    /// Hypertables over uuid (version 7)
    [[nodiscard]] constexpr bool uuid_partitioning() const noexcept { return from(2, 22); }
    /// ALTER TABLE … ENABLE and DISABLE TRIGGER on a hypertable
    [[nodiscard]] constexpr bool switches_triggers() const noexcept { return from(2, 27); }
    /// `by_range` and `by_hash`
    [[nodiscard]] constexpr bool dimension_builders() const noexcept { return from(2, 13); }
    /// A table `chunk_constraint` says which slices a chunk has; later `dimension_slice.chunk_id`
    [[nodiscard]] constexpr bool chunk_constraints() const noexcept { return !from(2, 28); }

    /// `chunk.dropped`: the row of a chunk that was dropped stays while a continuous aggregate has seen it
    [[nodiscard]] constexpr bool marks_dropped_chunks() const noexcept { return !from(2, 26); }

    /// A table `compression_settings`; before, `hypertable_compression`
    [[nodiscard]] constexpr bool compression_settings() const noexcept { return from(2, 14); }
    /// `compression_settings.index`, and an option to ask for them
    [[nodiscard]] constexpr bool sparse_indexes() const noexcept { return from(2, 22); }
    /// `enable_chunk_skipping`, and a table `chunk_column_stats`
    [[nodiscard]] constexpr bool chunk_skipping() const noexcept { return from(2, 16); }
    /// A job may be given a name
    [[nodiscard]] constexpr bool named_jobs() const noexcept { return from(2, 20); }
    /// `alter_job` takes the refresh policy of a continuous aggregate that is made of another one; else it counts it as a second one
    [[nodiscard]] constexpr bool alters_refresh_of_hierarchies() const noexcept { return !from(2, 20) || from(2, 25); }
    /// A table of watermarks of continuous aggregates; before, they were found in the rows
    [[nodiscard]] constexpr bool stores_watermarks() const noexcept { return from(2, 11); }
    /// A table of the ranges that a refresh has taken over but not written yet
    [[nodiscard]] constexpr bool materialization_ranges() const noexcept { return from(2, 22); }

    /// The schema of TimescaleDB's own functions.
    [[nodiscard]] constexpr std::string_view functions() const noexcept {
        return from(2, 12) ? "_timescaledb_functions" : "_timescaledb_internal";
    }
    /// The table of jobs: schema and name.
    [[nodiscard]] constexpr std::string_view jobs() const noexcept {
        return from(2, 25) ? "_timescaledb_catalog.bgw_job" : "_timescaledb_config.bgw_job";
    }

    [[nodiscard]] std::string text() const { return fmt::format("{}.{}.{}", major_, minor_, patch_); }
    friend constexpr auto operator<=>(const Release&, const Release&) = default;

private:
    [[nodiscard]] constexpr bool from(int major, int minor) const noexcept {
        return major_ != major ? major_ > major : minor_ >= minor;
    }

    int major_, minor_, patch_;
};

}  // namespace tslive::timescale
