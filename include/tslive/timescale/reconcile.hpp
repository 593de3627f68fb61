#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/catalog/name.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/chunk_ranges.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::timescale {

struct RangesReport {
    std::vector<std::string> dropped;  ///< chunks of the target whose range the source has dropped
    std::int64_t deleted_rows = 0;     ///< of chunks whose range the source has dropped in part
    std::vector<std::string> unclear;  ///< such chunks, of a hypertable whose ranges we cannot put into a condition
    /// Chunks of the source that hold rows, and for whose range the target has none. After a drain that is so only when somebody
    /// still writes there.
    std::vector<std::string> only_on_source;
};

struct ReconcileOptions {
    Release source, target;
    /// Hypertables that have another name on the target.
    std::map<catalog::QualifiedName, catalog::QualifiedName> names = {};
};

namespace detail {

/// Compares hypertable by hypertable. Each step is a transaction of its own and may be repeated.
class RangeReconciliation {
public:
    RangeReconciliation(pg::Connection& source, pg::Connection& target, const ReconcileOptions& options)
        : source_(source), target_(target), options_(options), release_(options.target) {}

    RangesReport run() {
        const auto there = ranges_of_source();
        const auto here = chunk_ranges(target_, release_);
        const std::vector<ChunkRange> none;
        for (const auto& name : names_on_both()) {
            const auto on_source = there.find(name), on_target = here.find(name);
            const auto& wanted = on_source == there.end() ? none : on_source->second;
            const auto& found = on_target == here.end() ? none : on_target->second;
            const auto keys_there = keys(wanted), keys_here = keys(found);
            for (const auto& chunk : found)
                if (!keys_there.contains(chunk.key())) bring_in_line(name, chunk, wanted);
            for (const auto& chunk : wanted)
                if (!keys_here.contains(chunk.key()) &&
                    std::ranges::none_of(found, [&](const ChunkRange& one) { return one.overlaps(chunk); }))
                    expect_empty(name, chunk);
        }
        return std::move(report_);
    }

private:
    /// By the names that the target has, and with its functions.
    [[nodiscard]] std::map<catalog::QualifiedName, std::vector<ChunkRange>> ranges_of_source() {
        std::map<catalog::QualifiedName, std::vector<ChunkRange>> renamed;
        for (auto& [name, chunks] : chunk_ranges(source_, options_.source)) {
            for (auto& chunk : chunks)
                for (auto& slice : chunk.slices) {
                    const auto dot = slice.partitioning.find('.');
                    const auto schema = slice.partitioning.substr(0, dot);
                    if (schema == "_timescaledb_internal" || schema == "_timescaledb_functions")
                        slice.partitioning = fmt::format("{}{}", release_.functions(), slice.partitioning.substr(dot));
                }
            renamed.emplace(name_on_target(name), std::move(chunks));
        }
        return renamed;
    }
    [[nodiscard]] const catalog::QualifiedName& name_on_target(const catalog::QualifiedName& name) const {
        const auto found = options_.names.find(name);
        return found == options_.names.end() ? name : found->second;
    }

    /// Nearly all chunks have a twin on the other side; looking for it one by one would take the square of their number.
    [[nodiscard]] static std::set<std::string> keys(const std::vector<ChunkRange>& chunks) {
        std::set<std::string> all;
        for (const auto& chunk : chunks) all.insert(chunk.key());
        return all;
    }

    /// Those that one side alone has are no matter of ranges.
    [[nodiscard]] std::vector<catalog::QualifiedName> names_on_both() {
        const auto names = [](pg::Connection& connection) {
            const auto rows = connection.exec(
                "SELECT schema_name, table_name FROM _timescaledb_catalog.hypertable WHERE compression_state <> 2");
            std::vector<catalog::QualifiedName> found;
            for (int row = 0; row < rows.rows(); ++row) found.push_back({rows.text(row, 0), rows.text(row, 1)});
            std::ranges::sort(found);
            return found;
        };
        std::vector<catalog::QualifiedName> there;
        for (const auto& name : names(source_)) {
            // One that was made after the snapshot may have the number, and so the name, of another one on the target.
            const bool internal = name.schema == "_timescaledb_internal";
            if (internal && !options_.names.empty() && !options_.names.contains(name)) continue;
            there.push_back(name_on_target(name));
        }
        std::ranges::sort(there);
        const auto here = names(target_);
        std::vector<catalog::QualifiedName> both;
        std::ranges::set_intersection(there, here, std::back_inserter(both));
        return both;
    }

    void bring_in_line(const catalog::QualifiedName& hypertable, const ChunkRange& chunk,
                       const std::vector<ChunkRange>& wanted) {
        std::vector<const ChunkRange*> overlapping;
        for (const auto& one : wanted) {
            if (chunk.within(one)) return;
            if (chunk.overlaps(one)) overlapping.push_back(&one);
        }
        if (overlapping.empty()) return drop(hypertable, chunk);
        trim(hypertable, chunk, overlapping);
    }

    /// In the role in which event triggers act: one of TimescaleDB's own keeps its catalog right.
    void drop(const catalog::QualifiedName& hypertable, const ChunkRange& chunk) {
        target_.exec(fmt::format("SELECT {}.drop_chunk({}::pg_catalog.regclass)", release_.functions(),
                                 pg::quote_literal(chunk.chunk.quoted())));
        report_.dropped.push_back(fmt::format("{} of {}", chunk.chunk, hypertable));
    }

    /// The source's chunks have other borders by now, and not all of this one's range lies in them.
    void trim(const catalog::QualifiedName& hypertable, const ChunkRange& chunk,
              const std::vector<const ChunkRange*>& kept) {
        auto condition = condition_of(chunk, release_);
        for (const auto* one : kept)
            if (const auto inside = condition_of(*one, release_); inside && condition)
                *condition += fmt::format(" AND NOT ({})", *inside);
            else condition.reset();
        if (!condition) {
            report_.unclear.push_back(fmt::format("{} of {}", chunk.chunk, hypertable));
            return;
        }
        pg::Transaction transaction(target_);
        target_.exec("SET LOCAL session_replication_role = replica");  // no trigger of the user's
        target_.exec(
            "SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings "
            "WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'");
        const auto gone = target_.exec(fmt::format("DELETE FROM {} WHERE {}", hypertable.quoted(), *condition));
        transaction.commit();
        report_.deleted_rows += gone.command_rows().value_or(0);
    }

    void expect_empty(const catalog::QualifiedName& hypertable, const ChunkRange& chunk) {
        const auto rows = source_.exec(fmt::format("SELECT EXISTS (SELECT FROM {})", chunk.chunk.quoted()));
        if (rows.boolean(0, 0)) report_.only_on_source.push_back(fmt::format("{} of {}", chunk.chunk, hypertable));
    }

    pg::Connection& source_;
    pg::Connection& target_;
    const ReconcileOptions& options_;
    Release release_;  // of the target
    RangesReport report_;
};

}  // namespace detail

/// Takes from the target what the source has dropped with its chunks: no stream carries that (CASES H22).
///
/// A range goes only where the source has no chunk for it; where a chunk of the source's reaches into it, exactly the rows outside of
/// that one go. Hypertables are matched by name. May be repeated.
/// @pre what the source has committed is applied
[[nodiscard]] inline RangesReport reconcile_ranges(pg::Connection& source, pg::Connection& target,
                                                   const ReconcileOptions& options) {
    return detail::RangeReconciliation(source, target, options).run();
}
/// Both of the same release.
[[nodiscard]] inline RangesReport reconcile_ranges(pg::Connection& source, pg::Connection& target,
                                                   const Release& release) {
    return reconcile_ranges(source, target, ReconcileOptions{.source = release, .target = release, .names = {}});
}

}  // namespace tslive::timescale
