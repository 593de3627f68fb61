#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/pgoutput_wire.hpp"
#include "tslive/apply/batcher.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pgoutput/decode.hpp"

namespace tslive::test {

/// A table of the columns `id`, `v`, `large`, found by `id`, or by all of them.
inline apply::TargetTable table_of(std::uint32_t id, std::string_view name, apply::Match match = apply::Match::by_key) {
    apply::TargetTable table;
    table.source = {id};
    table.name = {"public", std::string(name)};
    table.match = match;
    table.whole_rows = match == apply::Match::by_content;
    for (const std::string column : {"id", "v", "large"})
        table.columns.push_back({.source_index = table.columns.size(),
                                 .name = column,
                                 .type_name = "text",
                                 .identity = column == "id" || match == apply::Match::by_content});
    if (match == apply::Match::by_key) table.key.push_back({0, "OPERATOR(\"pg_catalog\".=)"});
    return table;
}

/// Values of a row: "-" is NULL, "~" is TOAST that did not change.
using Values = std::vector<std::string_view>;

inline Wire& write_row(Wire& wire, char marker, const Values& values) {
    wire.character(marker).u16(static_cast<std::uint16_t>(values.size()));
    for (const auto value : values) {
        if (value == "-") wire.null();
        else if (value == "~") wire.unchanged();
        else wire.text_value(value);
    }
    return wire;
}

inline std::string shown(apply::Row row) {
    std::string out;
    for (const auto& value : row) {
        out += out.empty() ? "" : " ";
        if (value.kind == apply::ValueKind::null) out += "-";
        else if (value.kind == apply::ValueKind::unchanged_toast) out += "~";
        else out += as_text(value.data);
    }
    return out;
}

inline std::string shown(const apply::Change& change) {
    using apply::ChangeKind;
    switch (change.kind) {
        case ChangeKind::insert: return fmt::format("insert({})", shown(change.row));
        case ChangeKind::update:
            return fmt::format(
                "update({} to {})",
                change.identity[0].kind == apply::ValueKind::null ? "-" : as_text(change.identity[0].data),
                shown(change.row));
        case ChangeKind::remove: return fmt::format("remove({})", as_text(change.identity[0].data));
        case ChangeKind::replace:
            return fmt::format("replace({} by {})", as_text(change.identity[0].data), shown(change.row));
        case ChangeKind::update_key:
            return fmt::format("update_key({} to {})", as_text(change.identity[0].data), shown(change.row));
        case ChangeKind::nothing: return "nothing";
    }
    return "?";
}

inline std::string shown(const apply::Wave& wave) {
    std::string out;
    for (const auto& change : wave.changes) out += (out.empty() ? "" : ", ") + shown(change);
    return out;
}

/// An ApplyTarget that writes down what it is told, and fails at the call that it is told to fail at.
class Recorder {
public:
    std::vector<apply::TargetTable> tables;  ///< by the source's relation id; a relation that is not here is left out
    std::vector<std::string> calls;
    int fail_at = -1;  ///< the call with this number throws, counted from 0

    const apply::TargetTable* table(const pgoutput::CachedRelation& relation, const apply::TransactionName&) {
        call(fmt::format("table {}", relation.name));
        for (const auto& table : tables)
            if (table.source == relation.id) return &table;
        return nullptr;
    }
    void apply(const apply::Wave& wave, const apply::TransactionName&) {
        call(fmt::format("{}: {}", wave.table->name.name, shown(wave)));
    }
    void apply_single(const apply::TargetTable& table, const apply::Change& change, const apply::TransactionName&) {
        call(fmt::format("{}: single {}", table.name.name, shown(change)));
    }
    void truncate(std::span<const apply::TargetTable* const> truncated, apply::TruncateList list, bool restart_identity,
                  const apply::TransactionName&) {
        std::string names = list == apply::TruncateList::part ? " only" : "";
        for (const auto* table : truncated) names += " " + table->name.name;
        call(fmt::format("truncate{}{}", names, restart_identity ? " restart" : ""));
    }
    void commit(Lsn end_lsn, ServerTime) { call(fmt::format("commit {}", end_lsn.value)); }
    void rollback() { calls.emplace_back("rollback"); }

private:
    void call(std::string text) {
        const bool fails = static_cast<int>(calls.size()) == fail_at;
        calls.push_back(std::move(text));
        if (fails) throw Error(Recovery::reconnect, "the target fails on command");
    }
};
static_assert(apply::ApplyTarget<Recorder>);

/// A source that speaks pgoutput: each call is one message to the batcher.
template <typename Batcher>
class Source {
public:
    explicit Source(Batcher& batcher) : batcher_(&batcher) {}

    /// Tells a relation with the columns id, v, large (and `more`).
    Source& relation(std::uint32_t id, std::string_view name, const Values& more = {}, char identity = 'd') {
        auto wire = Wire('R').u32(id).text("public").text(name).character(identity).u16(
            static_cast<std::uint16_t>(3 + more.size()));
        wire.column(1, "id", 23).column(identity == 'f', "v", 25).column(identity == 'f', "large", 25);
        for (const auto column : more) wire.column(0, column, 25);
        return send(wire);
    }
    Source& begin(std::uint64_t commit_lsn) {
        commit_lsn_ = commit_lsn;
        return send(Wire('B').u64(commit_lsn).u64(0).u32(static_cast<std::uint32_t>(commit_lsn)));
    }
    /// Ends at the transaction's commit LSN + 5.
    Source& commit() { return send(Wire('C').u8(0).u64(commit_lsn_).u64(commit_lsn_ + 5).u64(7'000'000)); }
    Source& insert(std::uint32_t id, const Values& row) { return send(write_row(Wire('I').u32(id), 'N', row)); }
    Source& update(std::uint32_t id, const Values& row) { return send(write_row(Wire('U').u32(id), 'N', row)); }
    Source& update(std::uint32_t id, char old_kind, const Values& old, const Values& row) {
        return send(write_row(write_row(Wire('U').u32(id), old_kind, old), 'N', row));
    }
    Source& remove(std::uint32_t id, const Values& old, char old_kind = 'K') {
        return send(write_row(Wire('D').u32(id), old_kind, old));
    }
    Source& truncate(const std::vector<std::uint32_t>& ids, std::uint8_t flags = 0) {
        auto wire = Wire('T').u32(static_cast<std::uint32_t>(ids.size())).u8(flags);
        for (const auto id : ids) wire.u32(id);
        return send(wire);
    }
    Source& message(std::string_view prefix) { return send(Wire('M').u8(1).u64(42).text(prefix).counted("content")); }

    Source& send(Bytes wire) {
        // The bytes are gone when the call is over, as the spool's are.
        ByteBuffer copy(wire.begin(), wire.end());
        decoder_.decode(copy, *batcher_);
        std::fill(copy.begin(), copy.end(), std::byte{'!'});
        return *this;
    }

private:
    Batcher* batcher_;
    pgoutput::Decoder decoder_{pgoutput::Protocol{}};
    std::uint64_t commit_lsn_ = 0;
};

}  // namespace tslive::test
