#pragma once

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "tslive/core/error.hpp"

namespace tslive::apply {

inline std::string_view WaveBuilder::key_of(Arena& arena, Row row) const {
    const auto part_of_key = [&](const KeyColumn& part) {
        const auto& column = table_->columns[part.column];
        const auto& value = row[column.source_index];
        if (value.kind != ValueKind::text && value.kind != ValueKind::binary)
            throw Error(
                Recovery::operator_action,
                fmt::format("{}: a change arrived without a value for its key column {}", table_->name, column.name),
                "Compare the table's REPLICA IDENTITY on the source with its unique keys on the target");
        return value.data;
    };
    if (table_->key.size() == 1) return as_text(part_of_key(table_->key[0]));
    std::size_t bytes = 0;
    for (const auto& part : table_->key) bytes += sizeof(std::uint32_t) + part_of_key(part).size();
    const auto joined = arena.array<std::byte>(bytes);
    std::size_t at = 0;
    for (const auto& part : table_->key) {
        const auto data = part_of_key(part);
        store_le(joined.data() + at, static_cast<std::uint32_t>(data.size()));
        at += sizeof(std::uint32_t);
        if (!data.empty()) std::memcpy(joined.data() + at, data.data(), data.size());
        at += data.size();
    }
    return as_text(joined);
}

inline bool WaveBuilder::key_changes(const TargetTable& table, Row identity, Row row) {
    return std::ranges::any_of(table.key, [&](const KeyColumn& part) {
        const auto at = table.columns[part.column].source_index;
        return row[at].kind != ValueKind::unchanged_toast && !std::ranges::equal(identity[at].data, row[at].data);
    });
}

inline Change* WaveBuilder::find(Arena& arena, std::string_view key) {
    for (; indexed_ < changes_.size(); ++indexed_) {
        const auto& change = changes_[indexed_];
        const auto row = change.identity.empty() ? change.row : change.identity;
        by_key_.insert_or_assign(key_of(arena, row), indexed_);
    }
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : &changes_[found->second];
}

inline void WaveBuilder::add(Arena& arena, Change change) {
    const bool same = change.identity.data() == change.row.data();
    change.row = copy_row(arena, change.row);
    change.identity = same ? change.row : copy_row(arena, change.identity);
    binary_ = binary_ || is_binary(change.row) || is_binary(change.identity);
    changes_.push_back(change);
}

inline Row WaveBuilder::merged(Arena& arena, Row older, Row newer) {
    const auto copy = arena.array<Value>(newer.size());
    for (std::size_t i = 0; i < newer.size(); ++i)
        copy[i] =
            newer[i].kind == ValueKind::unchanged_toast ? older[i] : Value{newer[i].kind, arena.copy(newer[i].data)};
    return copy;
}

inline bool WaveBuilder::is_another_row(const Change& known, Row identity) const {
    if (!table_->whole_rows || known.row.empty()) return false;
    return std::ranges::any_of(table_->columns, [&](const TargetColumn& column) {
        const auto& left = known.row[column.source_index];
        const auto& found = identity[column.source_index];
        return left.kind != ValueKind::unchanged_toast &&
               (left.kind != found.kind || !std::ranges::equal(left.data, found.data));
    });
}

inline WaveBuilder::Outcome WaveBuilder::insert(Arena& arena, Row row) {
    if (table_->match == Match::by_key && !by_key_.empty()) {
        if (auto* known = find(arena, key_of(arena, row)); known != nullptr) {
            if (known->kind == ChangeKind::remove) known->kind = ChangeKind::replace;
            else if (known->kind == ChangeKind::nothing) known->kind = ChangeKind::insert;
            else return Outcome::flush_first;
            known->row = copy_row(arena, row);
            return Outcome::taken;
        }
    }
    add(arena, {.kind = ChangeKind::insert, .identity = {}, .row = row});
    return Outcome::taken;
}

inline WaveBuilder::Outcome WaveBuilder::update(Arena& arena, Row identity, Row row) {
    const auto where = identity.empty() ? row : identity;
    auto* known = find(arena, key_of(arena, where));
    if (known == nullptr) {
        add(arena, {.kind = ChangeKind::update, .identity = where, .row = row});
        return Outcome::taken;
    }
    if (known->kind == ChangeKind::remove || known->kind == ChangeKind::nothing || is_another_row(*known, where))
        return Outcome::flush_first;
    known->row = merged(arena, known->row, row);
    return Outcome::taken;
}

inline WaveBuilder::Outcome WaveBuilder::remove(Arena& arena, Row identity) {
    auto* known = find(arena, key_of(arena, identity));
    if (known == nullptr) {
        add(arena, {.kind = ChangeKind::remove, .identity = identity, .row = {}});
        return Outcome::taken;
    }
    if (is_another_row(*known, identity)) return Outcome::flush_first;
    switch (known->kind) {
        case ChangeKind::insert: known->kind = ChangeKind::nothing; break;
        case ChangeKind::update:
        case ChangeKind::replace: known->kind = ChangeKind::remove; break;
        default: return Outcome::flush_first;
    }
    // An insert's place stays in the index under its key; the row stays readable there for key_of.
    if (known->kind == ChangeKind::remove) known->row = {};
    return Outcome::taken;
}

}  // namespace tslive::apply
