#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tslive/apply/arena.hpp"
#include "tslive/apply/target_table.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pgoutput/messages.hpp"

namespace tslive::apply {

using pgoutput::Row;
using pgoutput::Value;
using pgoutput::ValueKind;

[[nodiscard]] inline Row copy_row(Arena& arena, Row row) {
    const auto copy = arena.array<Value>(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) copy[i] = {row[i].kind, arena.copy(row[i].data)};
    return copy;
}

/// Whether a row's values are in binary form. One without any value goes with either.
[[nodiscard]] inline bool is_binary(Row row) {
    return std::ranges::any_of(row, [](const Value& value) { return value.kind == ValueKind::binary; });
}

enum class ChangeKind : std::uint8_t {
    insert,
    update,  ///< the key stays
    remove,
    replace,     ///< remove, then insert under the same key
    update_key,  ///< the key changes
    nothing,     ///< folded away: inserted and removed in one batch
};

/// What happens to one row. Rows have the source's width and order.
struct Change {
    ChangeKind kind = ChangeKind::nothing;
    Row identity;  ///< where the row is found: its key columns, or all of them (by_content); empty for an insert
    Row row;       ///< what it becomes; empty for a remove
};

/// Changes of one table that may be executed as sets: no two of them touch the same key.
struct Wave {
    const TargetTable* table = nullptr;
    std::span<const Change> changes;
    bool binary = false;  ///< the values are in binary form
};

/// The source transaction that is being applied, for messages.
struct TransactionName {
    Xid xid;
    Lsn commit_lsn;
};

}  // namespace tslive::apply
