#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "integration/random_workload/types.hpp"

namespace tslive::random_workload {

/// A column of a key. Names in a Table are quoted, ready for SQL.
struct KeyColumn {
    std::string name;
    std::string type;
    std::string by_number;   ///< its value in the row of a number
    bool counts = false;     ///< an integer that statements may add to
    std::string equal = {};  ///< an expression of the column that is equal to it, and yet another value
};

struct Column {
    std::string name;
    ValueType type;
    bool nullable;
};

/// What may be done to a table so that all of it is replicated.
enum class Changes {
    all,           ///< rows are found by a key
    by_content,    ///< REPLICA IDENTITY FULL and no key: kept small
    inserts_only,  ///< no usable identity: INSERT and TRUNCATE
    none,          ///< left alone by the sessions
};

/// What a hypertable has more than a table. Names are quoted.
struct Hypertable {
    std::string time = {};            ///< what it is cut into chunks by …
    std::string time_type = {};       ///< … its type …
    std::string time_by_number = {};  ///< … and its value in the row of a number
    std::string a_little = {};        ///< what may be added to `time`, mostly within a chunk
    std::string segment = {};         ///< has few values, that of a row …
    std::string segment_by_number = {};
    std::int64_t rows_per_chunk = 10;
    bool compressible = false;
    /// Continuous aggregates, and those on them: each after what it reads from.
    struct Aggregate {
        std::string name;
        bool compressible = false;
    };
    std::vector<Aggregate> aggregates = {};

    /// `time` in the row of this number.
    [[nodiscard]] std::string time_of(std::int64_t number) const {
        return fmt::format("({})::{}", with_number(time_by_number, fmt::format("({}::bigint)", number)), time_type);
    }
};

/// What statements need to know of a table. An empty name: it has no such column.
struct Table {
    std::string name;
    Changes changes = Changes::all;
    std::vector<KeyColumn> key = {};
    std::vector<KeyColumn> always = {};  ///< no key, but every new row gets them
    enum class KeyDefault { none, by_default, always } key_default = KeyDefault::none;
    bool conflict_target = false;  ///< ON CONFLICT (key) is possible
    std::string number = {};       ///< an int, the row's number modulo 50
    std::string large = {};        ///< a value that goes to TOAST …
    std::string large_type = {};   ///< … of this type
    std::string place = {};        ///< a unique int, NULL in some rows
    bool place_is_deferrable = false;
    std::string code = {};             ///< a unique text beside the key, by which rows are identified
    std::string during = {};           ///< an int4range that must not overlap with another row's
    std::string region = {};           ///< what it is partitioned by, if by list
    std::string reference = {};        ///< a foreign key …
    std::string reference_value = {};  ///< … and its value in the row of a number
    std::vector<Column> columns = {};
    std::vector<std::string> partitions = {};
    std::optional<Hypertable> hypertable = {};
    bool unlogged = false;
    bool has_children = false;   ///< by inheritance
    std::int64_t numbers = 100;  ///< of the rows that statements usually mean

    [[nodiscard]] std::string key_list() const {
        std::string out;
        for (const auto& column : key) out += (out.empty() ? "" : ", ") + column.name;
        return out;
    }
    /// Whether a row is not found by `ctid`: several tables have the same, and compressed rows have none.
    [[nodiscard]] bool has_parts() const { return !partitions.empty() || has_children || hypertable; }
};

struct Schema {
    std::vector<std::string> sql;  ///< what makes it, in order
    std::vector<Table> tables;
    std::vector<std::string> sequences;
    bool has_hypertables = false, has_aggregates = false;
    bool binary = false;  ///< no column is of a type whose changes have to travel as text
};

}  // namespace tslive::random_workload
