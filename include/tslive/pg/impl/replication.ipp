#pragma once

#include <algorithm>
#include <array>

#include "tslive/pg/quote.hpp"

namespace tslive::pg {

inline SystemIdentity identify_system(Connection& replication) {
    const auto row = replication.exec("IDENTIFY_SYSTEM");
    if (row.rows() != 1)
        throw Error(Recovery::operator_action, "IDENTIFY_SYSTEM gave no row: is this a PostgreSQL server?");
    return {row.text(0, 0), row.number<std::uint32_t>(0, 1), row.lsn(0, 2)};
}

inline std::string create_slot_command(std::string_view name, SlotLife life) {
    return fmt::format("CREATE_REPLICATION_SLOT {} {}LOGICAL pgoutput EXPORT_SNAPSHOT", quote_identifier(name),
                       life == SlotLife::temporary ? "TEMPORARY " : "");
}

inline CreatedSlot read_created_slot(const Result& result) {
    if (result.rows() != 1 || result.columns() < 3)
        throw Error(Recovery::operator_action, "CREATE_REPLICATION_SLOT gave no row: is this a PostgreSQL server?");
    return {result.text(0, 0), result.lsn(0, 1), result.text(0, 2)};
}

inline ReplicationStream::ReplicationStream(Connection& replication, const StreamOptions& options)
    : connection_(&replication) {
    std::string publications;
    for (const auto& publication : options.publications)
        publications += fmt::format("{}{}", publications.empty() ? "" : ",", quote_identifier(publication));
    const auto command =
        fmt::format("START_REPLICATION SLOT {} LOGICAL {} (proto_version '{}', publication_names {}{}{}{})",
                    quote_identifier(options.slot), options.start, options.protocol_version,
                    quote_literal(publications), options.streaming ? ", streaming 'on'" : "",
                    options.binary ? ", binary 'true'" : "", options.messages ? ", messages 'true'" : "");
    const auto result = replication.exec(command);
    if (result.status() != PGRES_COPY_BOTH)
        throw Error(Recovery::operator_action,
                    fmt::format("START_REPLICATION was answered with {}", PQresStatus(result.status())));
}

namespace detail {

/// Why the server cannot go on decoding, and where: its context names the position.
[[nodiscard]] inline ServerError decoding_stopped(const ServerError& error) {
    auto context = error.report().context;
    std::ranges::replace(context, '\n', ' ');
    const auto doing = fmt::format("the source cannot send further changes{}{}{}", context.empty() ? "" : " (", context,
                                   context.empty() ? "" : ")");
    const auto kind = error.state().code_class();
    if (kind != "XX" && kind != "53" && kind != "54") return error.with_context(doing);
    return error.with_context(doing,
                              "If it is memory that cannot be allocated: a row is longer than the 1 GB that PostgreSQL "
                              "can send as one change, and "
                              "the slot cannot pass it (pg_waldump shows the table at that position). Make such rows "
                              "shorter on the source, then "
                              "remove this migration with ts-clean and begin a new one. Else see the source's log");
}

}  // namespace detail

inline std::optional<StreamEvent> ReplicationStream::poll() {
    char* raw = nullptr;
    const int length = PQgetCopyData(connection_->native(), &raw, 1);
    current_.reset(raw);
    if (length == 0) return std::nullopt;
    if (length == -1) {  // CopyDone: the server is shutting down, or says in an error why it stopped
        try {
            connection_->finish_statement();
        } catch (const ServerError& error) {
            if (error.recovery() == Recovery::reconnect) throw;
            throw detail::decoding_stopped(error);
        }
        throw Error(Recovery::reconnect, "the source ended the replication stream");
    }
    if (length < 0) {
        if (PQstatus(connection_->native()) == CONNECTION_BAD)
            throw detail::connection_lost(connection_->native(), "replication stream");
        throw Error(Recovery::reconnect,
                    fmt::format("replication stream: {}", detail::trimmed(PQerrorMessage(connection_->native()))));
    }

    const Bytes bytes = as_bytes({current_.get(), static_cast<std::size_t>(length)});
    const char type = *current_;
    const auto time_at = [&](std::size_t at) {
        return ServerTime{static_cast<std::int64_t>(load_be<std::uint64_t>(bytes.data() + at))};
    };
    if (type == 'w') {
        constexpr std::size_t header_bytes = 1 + 8 + 8 + 8;
        if (bytes.size() < header_bytes) throw DecodeError("XLogData is too short", bytes.size(), type);
        return WalData{.start = {load_be<std::uint64_t>(bytes.data() + 1)},
                       .sent = time_at(17),
                       .message = bytes.subspan(header_bytes)};
    }
    if (type == 'k') {
        constexpr std::size_t keepalive_bytes = 1 + 8 + 8 + 1;
        if (bytes.size() != keepalive_bytes)
            throw DecodeError("primary keepalive has a wrong length", bytes.size(), type);
        return Keepalive{.end = {load_be<std::uint64_t>(bytes.data() + 1)},
                         .sent = time_at(9),
                         .reply_requested = bytes[17] != std::byte{0}};
    }
    throw DecodeError(fmt::format("unknown message '{}' in the replication stream", type), 0, type);
}

inline void ReplicationStream::send_status(Lsn durable, Answer answer) {
    std::array<std::byte, 1 + 8 + 8 + 8 + 8 + 1> message{};
    message[0] = std::byte{'r'};
    store_be(message.data() + 1, durable.value);
    store_be(message.data() + 9, durable.value);
    store_be(message.data() + 17, durable.value);
    const auto now = ServerTime::from(std::chrono::system_clock::now());
    store_be(message.data() + 25, static_cast<std::uint64_t>(now.microseconds));
    message[33] = std::byte{answer == Answer::keepalive};
    const int sent = PQputCopyData(connection_->native(), reinterpret_cast<const char*>(message.data()),
                                   static_cast<int>(message.size()));
    if (sent < 0) throw detail::connection_lost(connection_->native(), "replication stream");
    connection_->flush();
}

}  // namespace tslive::pg
