// Bodies of decode.hpp.

namespace tslive::pgoutput {

template <Visitor V>
void Decoder::decode(Bytes message, V& visitor) {
    Reader in(message);
    const auto deliver = [&](const auto& decoded, auto... xid) {
        in.expect_end();
        visitor.on(decoded, xid...);
    };
    switch (const MessageType type = detail::read_message_type(in)) {
        case MessageType::insert: {
            const auto xid = streamed(in);
            return deliver(read_insert(in), xid);
        }
        case MessageType::update: {
            const auto xid = streamed(in);
            return deliver(read_update(in), xid);
        }
        case MessageType::delete_row: {
            const auto xid = streamed(in);
            return deliver(read_delete(in), xid);
        }
        case MessageType::truncate: {
            const auto xid = streamed(in);
            return deliver(read_truncate(in), xid);
        }
        case MessageType::logical_message: {
            const auto xid = streamed(in);
            return deliver(detail::read_logical_message(in), xid);
        }
        case MessageType::relation: {
            const auto xid = streamed(in);
            return deliver(read_relation(in), xid);
        }
        case MessageType::type: {
            const auto xid = streamed(in);
            return deliver(detail::read_type(in), xid);
        }
        case MessageType::origin: return deliver(detail::read_origin(in));
        case MessageType::begin: expect_outside(in); return deliver(detail::read_begin(in));
        case MessageType::commit: expect_outside(in); return deliver(detail::read_commit(in));
        case MessageType::stream_start: {
            expect_streaming(in);
            expect_outside(in);
            const auto start = detail::read_stream_start(in);
            in.expect_end();
            inside_block_ = true;
            return visitor.on(start);
        }
        case MessageType::stream_stop:
            if (!inside_block_) in.fail_before(1, "no streamed block is open");
            in.expect_end();
            inside_block_ = false;
            return visitor.on(StreamStop{});
        case MessageType::stream_commit:
            expect_streaming(in);
            expect_outside(in);
            return deliver(detail::read_stream_commit(in));
        case MessageType::stream_abort:
            expect_streaming(in);
            expect_outside(in);
            return deliver(detail::read_stream_abort(in, protocol_));
    }
}

inline Insert Decoder::read_insert(Reader& in) {
    return {.relation = {in.u32()}, .new_row = detail::read_new_row(in, new_values_)};
}

inline Update Decoder::read_update(Reader& in) {
    Update update{.relation = {in.u32()}, .old_kind = OldRow::none, .old_row = {}, .new_row = {}};
    char marker = in.character();
    if (marker == 'K' || marker == 'O') {
        update.old_kind = OldRow{marker};
        update.old_row = detail::read_row(in, old_values_);
        marker = in.character();
    }
    if (marker != 'N') [[unlikely]]
        detail::reject_row_marker(in, marker);
    update.new_row = detail::read_row(in, new_values_);
    return update;
}

inline Delete Decoder::read_delete(Reader& in) {
    const RelationId relation{in.u32()};
    const char marker = in.character();
    if (marker != 'K' && marker != 'O') [[unlikely]]
        detail::reject_row_marker(in, marker);
    return {.relation = relation, .old_kind = OldRow{marker}, .old_row = detail::read_row(in, old_values_)};
}

inline Truncate Decoder::read_truncate(Reader& in) {
    const std::size_t count = in.u32();
    if (count == 0) in.fail_before(sizeof(std::uint32_t), "no relation");
    const auto flags = detail::read_flags(in, 3);
    in.require(count * sizeof(std::uint32_t));
    const auto relations = relations_.first(count);
    for (RelationId& relation : relations) relation = {in.u32()};
    return {.cascade = (flags & 1) != 0, .restart_identity = (flags & 2) != 0, .relations = relations};
}

inline Relation Decoder::read_relation(Reader& in) {
    Relation relation;
    relation.id = {in.u32()};
    relation.schema = detail::read_schema(in);
    relation.name = in.text();
    const char identity = in.character();
    relation.replica_identity = ReplicaIdentity{identity};
    if (identity != 'd' && identity != 'n' && identity != 'f' && identity != 'i')
        in.fail_before(1, fmt::format("unknown replica identity 0x{:02x}", static_cast<unsigned char>(identity)));
    const std::size_t count = in.u16();
    in.require(count * 10);  // a column has flags, the end of its name, a type and a modifier
    const auto columns = columns_.first(count);
    for (RelationColumn& column : columns) {
        column = {
            .key = detail::read_flags(in, 1) == 1, .name = in.text(), .type = {in.u32()}, .type_modifier = in.i32()};
    }
    relation.columns = columns;
    return relation;
}

}  // namespace tslive::pgoutput
