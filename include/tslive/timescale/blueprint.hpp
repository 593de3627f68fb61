#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tslive/catalog/name.hpp"

namespace tslive::timescale {

/// A column by which rows are put into chunks.
struct Dimension {
    std::string column;
    std::string type;  ///< for SQL text
    /// Of one that is cut into intervals: in the catalog's units, microseconds for times, else the column's own.
    std::optional<std::int64_t> interval;
    std::optional<int> partitions;  ///< of one that is hashed
    std::optional<catalog::QualifiedName> function;
    std::optional<catalog::QualifiedName> integer_now;
    std::optional<std::int64_t> compressed_interval;  ///< up to which compression joins chunks
};

struct CompressionOrder {
    std::string column;
    bool descending = false, nulls_first = false;
};

/// How chunks are compressed. What is not set is left to TimescaleDB.
struct Compression {
    std::optional<std::vector<std::string>> segment_by;  ///< empty: none, by the user's will
    std::optional<std::vector<CompressionOrder>> order_by;
    std::string sparse_indexes;  ///< `bloom("a"),minmax("b")`: those that the user asked for
};

struct Hypertable {
    std::int32_t id = 0;
    catalog::QualifiedName name;
    /// Of its chunks, where they are not TimescaleDB's own choice.
    std::optional<std::string> chunk_schema, chunk_prefix;
    std::vector<Dimension> dimensions;  ///< the primary one first
    std::optional<Compression> compression;
    std::vector<std::string> skipping;  ///< columns by whose ranges chunks are passed over
};

/// An index of a materialization.
struct MaterializationIndex {
    std::string name;
    bool unique = false;
    std::string definition;  ///< what follows the table in CREATE INDEX: `USING btree (bucket)`
};

struct ContinuousAggregate {
    catalog::QualifiedName view;
    std::string owner;
    Hypertable materialization;
    catalog::QualifiedName source;  ///< the hypertable whose changes make it stale: it may be a materialization
    std::string query;              ///< every name qualified
    bool materialized_only = false;
    std::vector<std::string> columns;  ///< of the materialization: name and type
    std::vector<MaterializationIndex> indexes;
};

/// A policy or a job of the user's.
struct ScheduledJob {
    std::int32_t id = 0;
    std::string application_name;
    catalog::QualifiedName procedure;
    bool of_timescaledb = false;  ///< the procedure is the extension's: a policy
    std::string owner;
    std::string schedule_interval, max_runtime, retry_period;  ///< intervals
    int max_retries = 0;
    bool scheduled = false, fixed_schedule = false;
    std::optional<std::string> initial_start, time_zone;
    std::optional<std::string> config;  ///< JSON
    std::map<std::string, std::string, std::less<>>
        settings;  ///< the same, its values as text, without those that are null
    std::optional<catalog::QualifiedName> check;
    std::optional<std::string> next_start;   ///< unless it has never run
    std::optional<std::int32_t> hypertable;  ///< whose policy it is: a hypertable or a materialization
};

/// What TimescaleDB has in a database, in its own words and not in those of one release's catalog (CASES H14). A value type.
struct Blueprint {
    std::vector<Hypertable> hypertables;          ///< the user's
    std::vector<ContinuousAggregate> aggregates;  ///< each after those that it is made of
    std::vector<ScheduledJob> jobs;

    [[nodiscard]] const Hypertable* hypertable(std::int32_t id) const {
        const auto found = std::ranges::find(hypertables, id, &Hypertable::id);
        return found == hypertables.end() ? nullptr : &*found;
    }
    /// The one with this materialization.
    [[nodiscard]] const ContinuousAggregate* aggregate(std::int32_t id) const {
        const auto found =
            std::ranges::find_if(aggregates, [id](const auto& one) { return one.materialization.id == id; });
        return found == aggregates.end() ? nullptr : &*found;
    }
};

}  // namespace tslive::timescale
