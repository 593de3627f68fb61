#pragma once

#include <optional>

#include "support/pgoutput_wire.hpp"
#include "tslive/pgoutput/decode.hpp"

namespace tslive::test {

/// Visitor that writes each message back as the server would: decoding loses nothing when the bytes come out as they
/// went in.
class Encoder {
public:
    explicit Encoder(pgoutput::Protocol protocol) : protocol_(protocol) {}

    [[nodiscard]] Bytes message() const { return wire_; }

    void on(const pgoutput::Begin& m) {
        wire_ = Wire('B').u64(m.final_lsn.value).u64(unsigned_of(m.commit_time)).u32(m.xid.value);
    }
    void on(const pgoutput::Commit& m) {
        wire_ = Wire('C').u8(m.flags).u64(m.commit_lsn.value).u64(m.end_lsn.value).u64(unsigned_of(m.commit_time));
    }
    void on(const pgoutput::Origin& m) { wire_ = Wire('O').u64(m.commit_lsn.value).text(m.name); }
    void on(const pgoutput::Relation& m, std::optional<Xid> xid) {
        start('R', xid)
            .u32(m.id.value)
            .text(schema(m.schema))
            .text(m.name)
            .character(static_cast<char>(m.replica_identity));
        wire_.u16(static_cast<std::uint16_t>(m.columns.size()));
        for (const auto& c : m.columns) wire_.column(c.key ? 1 : 0, c.name, c.type.value, c.type_modifier);
    }
    void on(const pgoutput::Type& m, std::optional<Xid> xid) {
        start('Y', xid).u32(m.id.value).text(schema(m.schema)).text(m.name);
    }
    void on(const pgoutput::Insert& m, std::optional<Xid> xid) {
        start('I', xid).u32(m.relation.value);
        row('N', m.new_row);
    }
    void on(const pgoutput::Update& m, std::optional<Xid> xid) {
        start('U', xid).u32(m.relation.value);
        if (m.old_kind != pgoutput::OldRow::none) row(static_cast<char>(m.old_kind), m.old_row);
        row('N', m.new_row);
    }
    void on(const pgoutput::Delete& m, std::optional<Xid> xid) {
        start('D', xid).u32(m.relation.value);
        row(static_cast<char>(m.old_kind), m.old_row);
    }
    void on(const pgoutput::Truncate& m, std::optional<Xid> xid) {
        start('T', xid).u32(static_cast<std::uint32_t>(m.relations.size()));
        wire_.u8(static_cast<std::uint8_t>((m.cascade ? 1 : 0) | (m.restart_identity ? 2 : 0)));
        for (const auto& relation : m.relations) wire_.u32(relation.value);
    }
    void on(const pgoutput::LogicalMessage& m, std::optional<Xid> xid) {
        start('M', xid).u8(m.transactional ? 1 : 0).u64(m.lsn.value).text(m.prefix).counted(as_text(m.content));
    }
    void on(const pgoutput::StreamStart& m) { wire_ = Wire('S').u32(m.xid.value).u8(m.first_segment ? 1 : 0); }
    void on(const pgoutput::StreamStop&) { wire_ = Wire('E'); }
    void on(const pgoutput::StreamCommit& m) {
        wire_ = Wire('c').u32(m.xid.value).u8(m.flags).u64(m.commit_lsn.value).u64(m.end_lsn.value);
        wire_.u64(unsigned_of(m.commit_time));
    }
    void on(const pgoutput::StreamAbort& m) {
        wire_ = Wire('A').u32(m.xid.value).u32(m.subxid.value);
        if (protocol_.streaming == pgoutput::Streaming::parallel)
            wire_.u64(m.abort_lsn.value).u64(unsigned_of(m.abort_time));
    }

private:
    static std::uint64_t unsigned_of(ServerTime time) { return static_cast<std::uint64_t>(time.microseconds); }
    static std::string_view schema(std::string_view name) { return name == "pg_catalog" ? std::string_view() : name; }

    Wire& start(char type, std::optional<Xid> xid) {
        wire_ = Wire(type);
        if (xid) wire_.u32(xid->value);
        return wire_;
    }
    void row(char marker, pgoutput::Row values) {
        wire_.character(marker).u16(static_cast<std::uint16_t>(values.size()));
        for (const auto& value : values) {
            wire_.character(static_cast<char>(value.kind));
            if (value.kind == pgoutput::ValueKind::text || value.kind == pgoutput::ValueKind::binary)
                wire_.counted(as_text(value.data));
        }
    }

    pgoutput::Protocol protocol_;
    Wire wire_;
};
static_assert(pgoutput::Visitor<Encoder>);

}  // namespace tslive::test
