#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tslive/pg/connection.hpp"

namespace tslive::pg {

/// Statements that are sent without waiting for their answers, so that a round trip is paid per `finish` and not per statement.
///
/// COPY cannot run inside: `leave` first. One owner thread; the connection is ours while we are entered.
/// Source: PostgreSQL documentation, "Pipeline Mode".
class Pipeline {
public:
    /// A statement that the server refused; those sent after it were not executed.
    struct Failure {
        std::size_t index;  ///< in the order of sending, from 0 after the last finish()
        ServerError error;
    };

    explicit Pipeline(Connection& connection) : connection_(&connection) {}

    void prepare(std::string_view name, std::string_view sql);
    void send(std::string_view sql, const Params& params);
    void send_prepared(std::string_view name, const Params& params);
    [[nodiscard]] std::size_t sent() const noexcept { return sent_; }

    /// Asks for all answers and reads them in order.
    /// @param on_result  called as on_result(index, const Result&) for each statement that succeeded
    /// @returns the first failure, after everything has been read; an explicit transaction is then aborted but still open
    template <typename OnResult>
    std::optional<Failure> finish(OnResult&& on_result);

    /// @pre nothing was sent since the last finish()
    void leave();

private:
    void enter();
    void check_sent(int sent, std::size_t bytes);
    /// Lets libpq block until a large statement is on its way. Otherwise it moves what is left to the front of its buffer after every
    /// partial send, which for a value of 500 MB takes minutes. It reads meanwhile what the server says; a stop request waits that long.
    [[nodiscard]] bool begin_large(std::size_t bytes);
    void end_large(bool large);

    static constexpr std::size_t most_unsent_bytes = 256U << 10;  // libpq moves its whole buffer at each partial send
    static constexpr std::size_t large_bytes = 4U << 20;

    Connection* connection_;
    std::size_t sent_ = 0;
    std::size_t unsent_bytes_ = 0;
    bool entered_ = false;
};

}  // namespace tslive::pg

#include "tslive/pg/impl/pipeline.ipp"
