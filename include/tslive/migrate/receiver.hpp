#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/migrate/intake.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/replication.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/pgoutput/protocol.hpp"
#include "tslive/spool/streamed_writer.hpp"
#include "tslive/spool/writer.hpp"

namespace tslive::migrate {

struct ReceiverOptions {
    pg::ConnInfo source;
    std::string system_identifier;  ///< of the source: a server that is another one behind the same address is refused
    std::string slot;
    std::vector<std::string> publications;
    Lsn consistent_point;
    pgoutput::Protocol protocol;  ///< `parallel` streaming is not asked for: it is of use to who applies at once
    bool messages = true;
    /// Ask for values in binary form. Is given up, for the whole session, at the first relation with a column whose type
    /// is not among those of catalog::binary_copy_safe.
    bool binary = false;
    std::filesystem::path spool;
    spool::StreamId stream;
    spool::Options spool_options;
    /// Where less is free on the spool's disk, nothing is taken from the source, which keeps it, until there is more. Room for
    /// what is in memory, for state.db and for the logs.
    std::uint64_t least_free_bytes = std::uint64_t{256} << 20;
    std::function<std::uint64_t(const std::filesystem::path&)> free_bytes = spool::free_bytes;
    pg::RetryBudget retry;
};

/// Takes changes out of the slot and into the spool, from the first second of a migration to its end.
///
/// States of a session: check the slot -> START_REPLICATION at the spool's durable boundary -> (gather -> fsync -> confirm)* .
/// A lost connection begins a new session there, so the source sends again what was not durable, and nothing else. Only what is fsynced
/// is confirmed (law 1); a keepalive moves the position only while no transaction is open.
/// run() belongs to one thread; the other functions may be called from any.
class Receiver {
public:
    /// Opens the spool. @throws StateError when it is damaged or another migration's
    explicit Receiver(ReceiverOptions options);

    /// Until stopped. @throws Error (operator_action) when the slot is gone or has passed what we have, or the disk is full
    void run(std::stop_token stop);

    [[nodiscard]] std::shared_ptr<spool::Frontier> frontier() const { return writer_.frontier(); }
    /// Everything that commits before it is in the spool, and durable.
    [[nodiscard]] Lsn received() const { return writer_.published().boundary; }
    [[nodiscard]] std::uint64_t spool_bytes() const { return writer_.bytes_on_disk() + streamed_.bytes_on_disk(); }
    void retire_before(Lsn flushed) {
        writer_.retire_before(flushed);
        streamed_.retire_before(flushed);
    }

private:
    struct Session;

    /// @returns when a new session is to begin at once, with other options; else it ends by Stopped or an error
    void run_session(Waiter& waiter);
    void check_slot(const std::stop_token& stop);
    void expect_the_source(std::string_view system_identifier) const;
    [[nodiscard]] std::vector<Xid> ask_rolled_back(std::span<const Xid> subtransactions, Lsn end) const;
    void take(Session& session, const pg::StreamEvent& event);
    [[nodiscard]] bool forbids_binary(Bytes message) const;
    void wait_for_space(Session& session, Waiter& waiter);
    void sync(Session& session);

    ReceiverOptions options_;
    spool::Writer<> writer_;
    spool::StreamedWriter<> streamed_;
    Intake<> intake_;
    std::stop_token stop_;  ///< of the run
    bool progressed_ = false;
};

}  // namespace tslive::migrate

#include "tslive/migrate/impl/receiver.ipp"
