#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tslive/core/bytes.hpp"
#include "tslive/core/clock.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::pg {

struct SystemIdentity {
    std::string system_identifier;
    std::uint32_t timeline = 0;
    Lsn flushed;
};
/// IDENTIFY_SYSTEM. @pre a replication connection
[[nodiscard]] SystemIdentity identify_system(Connection& replication);

enum class SlotLife { permanent, temporary };

struct CreatedSlot {
    std::string name;
    Lsn consistent_point;
    std::string snapshot;  ///< importable while the creating connection does nothing else and lives
};
/// The CREATE_REPLICATION_SLOT command for a logical pgoutput slot that exports its snapshot. It waits for every transaction that is
/// open on the source's cluster; send it with Connection::start to say so meanwhile.
[[nodiscard]] std::string create_slot_command(std::string_view name, SlotLife life);
[[nodiscard]] CreatedSlot read_created_slot(const Result& result);

/// What START_REPLICATION asks pgoutput for.
/// Source: PostgreSQL documentation, "Logical Streaming Replication Protocol".
struct StreamOptions {
    std::string slot;
    Lsn start;  ///< nothing that committed before it is sent
    int protocol_version = 1;
    std::vector<std::string> publications;
    bool streaming = false;  ///< transactions above the source's logical_decoding_work_mem come before they commit
    bool binary = false;     ///< values come as their types' send functions give them, where there is one
    bool messages = false;
};

struct WalData {
    Lsn start;
    ServerTime sent;
    Bytes message;  ///< one pgoutput message; valid until the next call of poll()
};
struct Keepalive {
    Lsn end;  ///< everything that committed before it has been sent
    ServerTime sent;
    bool reply_requested = false;
};
using StreamEvent = std::variant<WalData, Keepalive>;

/// A running START_REPLICATION. Only for the thread that owns the connection, which is used up by it.
/// Source: PostgreSQL documentation, "Streaming Replication Protocol".
class ReplicationStream {
public:
    /// @throws ServerError  when the slot is missing, in use (55006) or lost
    ReplicationStream(Connection& replication, const StreamOptions& options);

    /// What has arrived, without waiting.
    /// @throws Error        (reconnect) when the stream ended
    /// @throws DecodeError  on a message that the protocol does not have
    std::optional<StreamEvent> poll();

    /// Waits until something may have arrived. @returns false after `timeout`
    bool wait(std::chrono::milliseconds timeout) { return connection_->wait_input(false, timeout); }

    enum class Answer { none, keepalive };
    /// Tells the source how far we are, so that it may discard WAL before `durable`. Write, flush and apply are all the same: what a
    /// power cut here cannot take back (law 1).
    /// @param answer  keepalive: one is asked for at once. It tells how far a source is that has nothing to send
    void send_status(Lsn durable, Answer answer = Answer::none);

private:
    Connection* connection_;
    LibpqMemory<char> current_;
};

}  // namespace tslive::pg

#include "tslive/pg/impl/replication.ipp"
