#pragma once

#include <algorithm>
#include <limits>

namespace tslive::pg {

namespace detail {
inline void expect_status(const Result& result, ExecStatusType wanted, std::string_view sql) {
    if (result.status() != wanted)
        throw Error(Recovery::operator_action, fmt::format("'{}' did not start a COPY: the server answered {}", sql,
                                                           PQresStatus(result.status())));
}
[[nodiscard]] inline std::int64_t copied_rows(const Result& result) {
    if (const auto rows = result.command_rows()) return *rows;
    throw Error(Recovery::operator_action,
                fmt::format("COPY ended with '{}', which counts no rows", result.command_tag()));
}
}  // namespace detail

inline CopyOut::CopyOut(Connection& connection, std::string_view sql) : connection_(&connection) {
    detail::expect_status(connection.exec(sql), PGRES_COPY_OUT, sql);
}

inline bool CopyOut::read(ByteBuffer& out, std::size_t enough_bytes) {
    while (out.size() < enough_bytes) {
        char* raw = nullptr;
        const int length = PQgetCopyData(connection_->native(), &raw, 1);
        const LibpqMemory<char> row{raw};
        if (length > 0) {
            append(out, as_bytes({row.get(), static_cast<std::size_t>(length)}));
            continue;
        }
        if (length == -1) return false;
        if (length == -2) {
            if (PQstatus(connection_->native()) == CONNECTION_BAD) throw detail::connection_lost(connection_->native());
            throw Error(Recovery::operator_action,
                        fmt::format("COPY: {}", detail::trimmed(PQerrorMessage(connection_->native()))));
        }
        if (!out.empty()) return true;
        connection_->wait_input(false);
    }
    return true;
}

inline std::int64_t CopyOut::finish() { return detail::copied_rows(connection_->finish_statement()); }

inline CopyIn::CopyIn(Connection& connection, std::string_view sql) : connection_(&connection) {
    detail::expect_status(connection.exec(sql), PGRES_COPY_IN, sql);
}

inline CopyIn::~CopyIn() {
    if (!open_ || connection_->waiter().token().stop_requested()) return;
    try {
        abort("the sender stopped before the end of the data");
    } catch (const std::exception&) {  // the server aborts the COPY when the connection goes
        return;
    }
}

inline void CopyIn::write(Bytes data) {
    constexpr std::size_t most_bytes = 1U << 20;  // one CopyData message; keeps libpq's buffer small
    while (!data.empty()) {
        const auto piece = data.first(std::min(data.size(), most_bytes));
        const int sent = PQputCopyData(connection_->native(), reinterpret_cast<const char*>(piece.data()),
                                       static_cast<int>(piece.size()));
        if (sent < 0) throw detail::connection_lost(connection_->native());
        connection_->flush();
        if (sent == 1) data = data.subspan(piece.size());
    }
}

inline std::int64_t CopyIn::finish() {
    open_ = false;
    int sent = 0;
    while ((sent = PQputCopyEnd(connection_->native(), nullptr)) == 0) connection_->flush();
    if (sent < 0) throw detail::connection_lost(connection_->native());
    connection_->flush();
    return detail::copied_rows(connection_->finish_statement());
}

inline void CopyIn::abort(std::string_view reason) {
    open_ = false;
    int sent = 0;
    while ((sent = PQputCopyEnd(connection_->native(), std::string{reason}.c_str())) == 0) connection_->flush();
    if (sent < 0) return;
    connection_->flush();
    while (connection_->next_result()) continue;
}

}  // namespace tslive::pg
