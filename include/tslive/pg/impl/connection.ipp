#pragma once

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "tslive/pg/quote.hpp"
#include "tslive/pg/session.hpp"

namespace tslive::pg {

namespace detail {

/// A refusal that waiting does not mend: wrong password, no such database or role.
[[nodiscard]] inline bool refused_for_good(std::string_view message) {
    // libpq gives no SQLSTATE for a failed connection, so this one place has to read text. A sentence missed here costs a few retries.
    for (const std::string_view sentence :
         {"password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry",
          "permission denied", "could not translate host name", "is not permitted to log in", "invalid port number",
          "invalid integer value", "root certificate file"})
        if (message.find(sentence) != std::string_view::npos) return true;
    return false;
}

[[nodiscard]] inline std::string connect_remedy(std::string_view message) {
    if (message.find("password") != std::string_view::npos)
        return "Check user and password of the connection string, or the password file (~/.pgpass)";
    if (message.find("database") != std::string_view::npos && message.find("does not exist") != std::string_view::npos)
        return "Check the database name, or create the database first";
    if (message.find("translate host name") != std::string_view::npos)
        return "Check the host name of the connection string";
    return "Check that the server runs, that host and port are right, and that it accepts connections from here";
}

}  // namespace detail

inline ConnectionHandle Connection::connect(const ConnInfo& info, Waiter& waiter) {
    std::vector<const char*> keys, values;
    for (const auto& [key, value] : info.values()) {
        keys.push_back(key.c_str());
        values.push_back(value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);

    ConnectionHandle conn{PQconnectStartParams(keys.data(), values.data(), 0)};
    if (!conn) throw Error(Recovery::operator_action, "out of memory while connecting");
    const auto timeout =
        std::chrono::seconds{std::max(2, std::atoi(info.value("connect_timeout").value_or("30").c_str()))};
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    auto polling = PGRES_POLLING_WRITING;
    while (PQstatus(conn.get()) != CONNECTION_BAD && polling != PGRES_POLLING_OK && polling != PGRES_POLLING_FAILED) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        const auto events = static_cast<short>(polling == PGRES_POLLING_READING ? POLLIN : POLLOUT);
        const auto outcome = waiter.wait(PQsocket(conn.get()), events, std::max(left, std::chrono::milliseconds{0}));
        if (outcome == Waiter::Outcome::stopped) throw Stopped{};
        if (outcome == Waiter::Outcome::timeout)
            throw Error(Recovery::reconnect,
                        fmt::format("no answer from {} within {} s", info.describe(), timeout.count()),
                        detail::connect_remedy({}));
        if (outcome == Waiter::Outcome::ready) polling = PQconnectPoll(conn.get());
    }
    if (PQstatus(conn.get()) != CONNECTION_OK) {
        const auto message = detail::trimmed(PQerrorMessage(conn.get()));
        throw Error(detail::refused_for_good(message) ? Recovery::operator_action : Recovery::reconnect,
                    fmt::format("cannot connect to {}: {}", info.describe(), message), detail::connect_remedy(message));
    }
    return conn;
}

inline Connection Connection::open(const ConnInfo& info, std::string_view purpose, std::stop_token stop,
                                   ConnectionKind kind) {
    auto wanted = info.with("application_name", fmt::format("ts-live {}", purpose))
                      .with_default("keepalives_idle", "30")
                      .with_default("keepalives_interval", "10")
                      .with_default("keepalives_count", "6");
    if (kind == ConnectionKind::replication) wanted = wanted.with("replication", "database");
    auto waiter = std::make_unique<Waiter>(std::move(stop));
    auto handle = connect(wanted, *waiter);
    Connection connection{std::move(handle), std::move(waiter)};
    PQsetnonblocking(connection.native(), 1);
    PQsetNoticeProcessor(
        connection.native(), [](void*, const char*) {}, nullptr);

    connection.exec(session_settings(connection.server_version()));
    // One encoding for all sessions, so that text passes from server to server unchanged; bytes of a SQL_ASCII database have none.
    const auto encoding = connection.parameter("server_encoding") == "SQL_ASCII" ? "SQL_ASCII" : "UTF8";
    connection.exec(fmt::format("SET client_encoding = {}", quote_literal(encoding)));
    if (kind == ConnectionKind::replication) {
        // No time-out while a large transaction is decoded without a word; a peer that is gone is noticed by TCP instead.
        connection.exec("SET wal_sender_timeout = 0");
        connection.exec("SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6");
    }
    return connection;
}

inline bool Connection::wait_input(bool writing, std::optional<std::chrono::milliseconds> timeout) {
    const auto events = static_cast<short>(writing ? POLLIN | POLLOUT : POLLIN);
    const auto outcome = waiter_->wait(PQsocket(conn_.get()), events, timeout);
    if (outcome == Waiter::Outcome::stopped) {
        cancel();
        throw Stopped{};
    }
    if (outcome != Waiter::Outcome::ready) return outcome == Waiter::Outcome::woken;
    if (PQconsumeInput(conn_.get()) == 0) throw detail::connection_lost(conn_.get());
    return true;
}

inline void Connection::flush() {
    for (;;) {
        const int left = PQflush(conn_.get());
        if (left == 0) return;
        if (left < 0) throw detail::connection_lost(conn_.get());
        wait_input(true);
    }
}

inline void Connection::check_sent(int sent) {
    if (sent == 1) return flush();
    if (PQstatus(conn_.get()) == CONNECTION_BAD) throw detail::connection_lost(conn_.get());
    throw Error(Recovery::operator_action, fmt::format("libpq: {}", detail::trimmed(PQerrorMessage(conn_.get()))));
}

inline ResultHandle Connection::next_result() {
    while (PQisBusy(conn_.get()) == 1) wait_input(false);
    return ResultHandle{PQgetResult(conn_.get())};
}

inline Result Connection::finish_statement() {
    ResultHandle last, failed;
    for (;;) {
        auto result = next_result();
        if (!result) break;
        const auto status = PQresultStatus(result.get());
        if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
            if (!failed) failed = std::move(result);
            if (PQstatus(conn_.get()) == CONNECTION_BAD) break;
            continue;
        }
        last = std::move(result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) break;
    }
    if (failed) detail::throw_result_error(conn_.get(), failed.get());
    if (!last) throw detail::connection_lost(conn_.get());
    return Result{std::move(last)};
}

inline void Connection::start(std::string_view sql) { check_sent(PQsendQuery(conn_.get(), std::string{sql}.c_str())); }

inline std::optional<Result> Connection::poll_result(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (PQisBusy(conn_.get()) == 1) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0 || !wait_input(false, left)) return std::nullopt;
    }
    return finish_statement();
}

inline Result Connection::exec(std::string_view sql) {
    start(sql);
    return finish_statement();
}

inline Result Connection::exec(std::string_view sql, const Params& params) {
    check_sent(PQsendQueryParams(conn_.get(), std::string{sql}.c_str(), params.count(), nullptr, params.values(),
                                 params.lengths(), params.formats(), 0));
    return finish_statement();
}

inline Result Connection::exec_again(std::string_view sql, const Params& params) {
    auto known = again_.find(sql);
    if (known == again_.end()) {
        auto name = fmt::format("again{}", again_.size());
        prepare(name, sql);
        known = again_.emplace(sql, std::move(name)).first;
    }
    return exec_prepared(known->second, params);
}

inline void Connection::prepare(std::string_view name, std::string_view sql) {
    check_sent(PQsendPrepare(conn_.get(), std::string{name}.c_str(), std::string{sql}.c_str(), 0, nullptr));
    finish_statement();
}

inline Result Connection::exec_prepared(std::string_view name, const Params& params) {
    check_sent(PQsendQueryPrepared(conn_.get(), std::string{name}.c_str(), params.count(), params.values(),
                                   params.lengths(), params.formats(), 0));
    return finish_statement();
}

inline ConnInfo Connection::effective_info() const {
    ConnInfo info;
    const ConnOptionsHandle options{PQconninfo(conn_.get())};
    if (!options) throw Error(Recovery::operator_action, "out of memory");
    for (const auto* option = options.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr && *option->val != '\0') info = info.with(option->keyword, option->val);
    if (const char* password = PQpass(conn_.get()); password != nullptr && *password != '\0')
        info = info.with("password", password);
    return info;
}

inline void Connection::cancel() noexcept {
    const CancelHandle handle{PQgetCancel(conn_.get())};
    char message[256];
    if (handle) PQcancel(handle.get(), message, sizeof message);
}

inline Transaction::~Transaction() {
    if (connection_ == nullptr || !connection_->in_transaction() || connection_->waiter().token().stop_requested())
        return;
    try {
        connection_->exec("ROLLBACK");
    } catch (const std::exception&) {  // the server rolls back when the connection goes
        return;
    }
}

inline void Transaction::commit() {
    try {
        const auto result = connection_->exec("COMMIT");
        if (result.command_tag() != "COMMIT")
            throw Error(
                Recovery::operator_action,
                fmt::format("the server answered {} to COMMIT: the transaction had failed", result.command_tag()));
    } catch (const Error& error) {
        if (error.recovery() != Recovery::reconnect) throw;
        throw Error(Recovery::unknown_outcome, fmt::format("COMMIT without an answer: {}", error.what()));
    }
    connection_ = nullptr;
}

inline void Transaction::rollback() {
    auto* connection = std::exchange(connection_, nullptr);
    connection->exec("ROLLBACK");
}

}  // namespace tslive::pg
