#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
};

/// What statements need to know of a table. An empty name: it has no such column.
struct Table {
    std::string name;
    Changes changes = Changes::all;
    std::vector<KeyColumn> key = {};
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
    bool unlogged = false;
    bool has_children = false;   ///< by inheritance
    std::int64_t numbers = 100;  ///< of the rows that statements usually mean

    [[nodiscard]] std::string key_list() const {
        std::string out;
        for (const auto& column : key) out += (out.empty() ? "" : ", ") + column.name;
        return out;
    }
};

struct Schema {
    std::vector<std::string> sql;  ///< what makes it, in order
    std::vector<Table> tables;
    std::vector<std::string> sequences;
    bool binary = false;  ///< no column is of a type whose changes have to travel as text
};

}  // namespace tslive::random_workload
