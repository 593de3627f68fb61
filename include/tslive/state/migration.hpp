#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/core/lsn.hpp"

namespace tslive::state {

enum class Side { source, target };

[[nodiscard]] constexpr std::string_view name(Side side) noexcept { return side == Side::source ? "source" : "target"; }

/// One database of one cluster, however it is reached. A database that was dropped and made again is another one, and
/// so is a restored copy (a physical copy, however, has the same identity).
struct DatabaseIdentity {
    std::string system_identifier;  ///< pg_control_system().system_identifier
    std::string database_name;
    std::uint32_t database_oid = 0;

    /// The name is for people: a database keeps its identity when it is renamed.
    friend bool operator==(const DatabaseIdentity& a, const DatabaseIdentity& b) {
        return a.system_identifier == b.system_identifier && a.database_oid == b.database_oid;
    }
    /// `database 'app' (oid 16384) of cluster 7301234567890123456`
    [[nodiscard]] std::string describe() const {
        return fmt::format("database '{}' (oid {}) of cluster {}", database_name, database_oid, system_identifier);
    }
};

/// What a state directory is about. Never changes once it is written.
struct Migration {
    std::string id;  ///< 8 hexadecimal digits, part of every name that is made on a server
    DatabaseIdentity source;
    DatabaseIdentity target;
    std::string slot;
    Lsn consistent_point;    ///< of the slot and of the first snapshot
    std::string created_at;  ///< for people
};

/// A change to a server that is to be undone in the end.
struct UndoEntry {
    std::int64_t id = 0;
    Side side = Side::source;
    std::string what;      ///< for people: what was changed
    std::string undo_sql;  ///< what to run; harmless to repeat
};

/// A table whose rows are in the target as the snapshot at `consistent_point` showed them.
struct CopiedTable {
    std::string table;  ///< quoted, `schema.name`
    std::uint32_t source_oid = 0;
    Lsn consistent_point;  ///< transactions that commit before it are in the rows already
    std::int64_t rows = 0;
};

}  // namespace tslive::state
