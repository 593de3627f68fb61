#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "tslive/core/stop.hpp"
#include "tslive/pg/conninfo.hpp"
#include "tslive/pg/error.hpp"
#include "tslive/pg/native.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/result.hpp"

namespace tslive::pg {

enum class ConnectionKind {
    ordinary,
    replication,  ///< a walsender on this database: replication commands, and SQL by the simple protocol
};

/// One session on a server. Move-only, one owning thread.
///
/// Every wait ends when the stop token asks for it: a running statement is then cancelled at the server and Stopped is thrown,
/// after which only the destructor may be called. Otherwise failures are ServerError (the server said no) or Error(reconnect).
class Connection {
public:
    /// Connects and sends session_settings(); a replication session gets no wal_sender_timeout.
    ///
    /// @param purpose  what the session is for; pg_stat_activity shows it as application_name `ts-live <purpose>`
    /// @throws Error   reconnect when the server cannot be reached, operator_action when it refuses us (unknown database, password)
    [[nodiscard]] static Connection open(const ConnInfo& info, std::string_view purpose, std::stop_token stop = {},
                                         ConnectionKind kind = ConnectionKind::ordinary);

    /// Simple protocol, so it may hold several statements; the last result is returned.
    Result exec(std::string_view sql);
    /// One statement with parameters.
    Result exec(std::string_view sql, const Params& params);
    /// The same, for a statement that comes again and again, such as a look into the catalog for each table: the server
    /// parses it once, and need not plan it each time, which costs more than to run it.
    /// @pre nobody has sent DEALLOCATE ALL or DISCARD ALL on this session
    Result exec_again(std::string_view sql, const Params& params);
    void prepare(std::string_view name, std::string_view sql);
    Result exec_prepared(std::string_view name, const Params& params);

    /// Starts a statement whose answer is awaited with `poll_result`, for callers that do something meanwhile.
    void start(std::string_view sql);
    /// @returns nothing when there is no answer within `timeout`; else the statement's last result
    std::optional<Result> poll_result(std::chrono::milliseconds timeout);

    [[nodiscard]] int server_version() const { return PQserverVersion(conn_.get()); }
    [[nodiscard]] int backend_pid() const { return PQbackendPID(conn_.get()); }
    [[nodiscard]] bool in_transaction() const {
        const auto state = PQtransactionStatus(conn_.get());
        return state == PQTRANS_INTRANS || state == PQTRANS_INERROR || state == PQTRANS_ACTIVE;
    }
    /// A value the server reports by itself, such as `server_encoding`.
    [[nodiscard]] std::string parameter(const char* name) const {
        const char* text = PQparameterStatus(conn_.get(), name);
        return text == nullptr ? "" : text;
    }
    /// What libpq used in the end, service files, environment and password file included.
    [[nodiscard]] ConnInfo effective_info() const;

    /// Whether the server has said something unasked since the last statement, such as that it ends the session.
    [[nodiscard]] bool has_news() {
        return waiter_->wait(PQsocket(conn_.get()), POLLIN, std::chrono::milliseconds{0}) == Waiter::Outcome::ready;
    }

    /// Sends a cancel request for what is running. Best effort, does not throw.
    void cancel() noexcept;

    /// @name For the other classes of this module
    /// @{
    [[nodiscard]] PGconn* native() const noexcept { return conn_.get(); }
    [[nodiscard]] Waiter& waiter() noexcept { return *waiter_; }
    /// Waits until libpq has something to read (or to write, when `writing`), and lets it read.
    /// @returns false after `timeout`
    bool wait_input(bool writing, std::optional<std::chrono::milliseconds> timeout = {});
    /// Sends everything buffered, reading meanwhile so that neither side blocks the other.
    void flush();
    /// The next result of the running statement, or none at its end. Errors are results here.
    ResultHandle next_result();
    /// Reads all results; throws the first error, returns the last result (a COPY result ends the reading).
    Result finish_statement();
    /// @}

private:
    Connection(ConnectionHandle conn, std::unique_ptr<Waiter> waiter)
        : conn_(std::move(conn)), waiter_(std::move(waiter)) {}
    void check_sent(int sent);
    static ConnectionHandle connect(const ConnInfo& info, Waiter& waiter);

    ConnectionHandle conn_;
    std::map<std::string, std::string, std::less<>> again_;  // SQL text to its name as a prepared statement
    std::unique_ptr<Waiter> waiter_;                         // on the heap: its stop callback must not move
};

/// A transaction on a connection; rolled back unless `commit` succeeded. One owner thread, shorter-lived than the connection.
class Transaction {
public:
    explicit Transaction(Connection& connection, std::string_view begin = "BEGIN") : connection_(&connection) {
        connection_->exec(begin);
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();

    /// @throws Error  unknown_outcome when the connection went before the answer came; operator_action when the server rolled back
    void commit();
    /// Ends it now, and waits for the answer.
    void rollback();

private:
    Connection* connection_;
};

}  // namespace tslive::pg

#include "tslive/pg/impl/connection.ipp"
