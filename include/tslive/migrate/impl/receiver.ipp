#pragma once

#include <algorithm>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "tslive/catalog/binary_types.hpp"
#include "tslive/catalog/databases.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/size.hpp"
#include "tslive/migrate/rolled_back.hpp"
#include "tslive/pgoutput/peek.hpp"
#include "tslive/snapshot/slot.hpp"

namespace tslive::migrate {

/// One START_REPLICATION and what came since.
struct Receiver::Session {
    explicit Session(pg::ReplicationStream running) : stream(std::move(running)) {}

    pg::ReplicationStream stream;
    bool status_asked = false;
    bool given_up = false;  ///< a relation came that may not travel in binary form
    std::size_t unsynced_bytes = 0;
    Lsn quiet_until;  ///< of keepalives: nothing that commits before it is still to come
    Lsn noted;        ///< how much of that is in the spool
    Lsn confirmed;
    std::chrono::steady_clock::time_point synced_at = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point status_at = synced_at;
    std::chrono::steady_clock::time_point space_at{};  ///< when the disk was last looked at
};

namespace detail {
inline constexpr std::string_view receiver_purpose = "receiver";
/// How long data may gather before an fsync while more of it comes. The source waits meanwhile as soon as the socket is full.
inline constexpr std::chrono::milliseconds gather_time{50};
/// The same, once no more comes.
inline constexpr std::chrono::milliseconds settle_time{2};
/// While data comes, a pause lets it gather in the socket: the source then sends in large pieces, with less CPU. Short, because a
/// Unix socket holds some hundred small messages, and the source stops decoding when it is full.
inline constexpr std::chrono::microseconds gulp_pause{500};
inline constexpr std::chrono::milliseconds quiet_time{100};
inline constexpr std::chrono::milliseconds idle_time{1'000};
inline constexpr std::chrono::seconds status_interval{10};
inline constexpr std::chrono::milliseconds space_interval{500};
inline constexpr std::size_t most_unsynced_bytes = 8U << 20;
}  // namespace detail

inline Receiver::Receiver(ReceiverOptions options)
    : options_(std::move(options)),
      writer_(spool::Writer<>::open(options_.spool, options_.stream, options_.spool_options)),
      streamed_(options_.spool, options_.stream, options_.spool_options),
      intake_(writer_, streamed_, options_.protocol,
              [this](std::span<const Xid> subtransactions, Lsn end) { return ask_rolled_back(subtransactions, end); }) {
    if (writer_.durable_boundary().valid()) return;
    writer_.append(spool::RecordKind::session, options_.consistent_point, {});
    writer_.boundary(options_.consistent_point);
    writer_.sync();
}

inline void Receiver::run(std::stop_token stop) {
    stop_ = stop;
    Waiter waiter(stop);
    pg::Backoff backoff(options_.retry);
    for (;;) {
        try {
            progressed_ = false;
            run_session(waiter);
        } catch (const Stopped&) {
            return;
        } catch (const Error& error) {
            if (!pg::transient(error)) throw;
            if (progressed_) backoff.succeeded();
            backoff.failed("receiving changes from the source", error, waiter);
        }
    }
}

inline void Receiver::check_slot(const std::stop_token& stop) {
    auto source = pg::Connection::open(options_.source, "receiver check", stop);
    const auto slot = snapshot::slot_state(source, options_.slot);
    constexpr auto start_over = "The changes since then cannot be had any more. Run ts-clean and begin a new migration";
    if (!slot)
        throw Error(Recovery::operator_action,
                    fmt::format("replication slot {} does not exist on the source any more", options_.slot),
                    start_over);
    if (slot->wal_status == "lost")
        throw Error(
            Recovery::operator_action,
            fmt::format("replication slot {} is lost: the source removed WAL that it needed (max_slot_wal_keep_size)",
                        options_.slot),
            start_over);
    if (slot->confirmed_flush > writer_.durable_boundary())
        throw Error(
            Recovery::operator_action,
            fmt::format(
                "replication slot {} has confirmed {}, but the spool ends at {}: changes between them are missing",
                options_.slot, slot->confirmed_flush, writer_.durable_boundary()),
            "Was the directory restored from a copy, or the slot read by somebody else? Run ts-clean and begin a new "
            "migration");
    if (!slot->active) return;
    const auto ours =
        source.exec("SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND application_name = $2",
                    pg::Params{}.number(slot->active_pid).text(fmt::format("ts-live {}", detail::receiver_purpose)));
    if (ours.empty())
        throw Error(Recovery::reconnect, fmt::format("replication slot {} is in use by process {} of the source",
                                                     options_.slot, slot->active_pid));
    // A session of an earlier run whose end the server has not noticed; the directory's lock says that nobody else is us.
    log::info("Ending an earlier session of ours on the source (process {})", slot->active_pid);
    source.exec("SELECT pg_catalog.pg_terminate_backend($1)", pg::Params{}.number(slot->active_pid));
    throw Error(Recovery::reconnect, "an earlier session of ours still held the slot");
}

inline void Receiver::expect_the_source(std::string_view system_identifier) const {
    if (system_identifier == options_.system_identifier) return;
    throw Error(Recovery::operator_action,
                fmt::format("the source is cluster {} now; the migration began with cluster {}", system_identifier,
                            options_.system_identifier),
                "Check where the source's address leads: a load balancer, a restored copy?");
}

inline std::vector<Xid> Receiver::ask_rolled_back(std::span<const Xid> subtransactions, Lsn end) const {
    auto source = pg::Connection::open(options_.source, "receiver check", stop_);
    expect_the_source(catalog::system_identifier(source));
    return rolled_back(source, subtransactions, end);
}

inline void Receiver::run_session(Waiter& waiter) {
    check_slot(waiter.token());
    auto connection = pg::Connection::open(options_.source, detail::receiver_purpose, waiter.token(),
                                           pg::ConnectionKind::replication);
    expect_the_source(pg::identify_system(connection).system_identifier);

    const auto start = writer_.durable_boundary();
    intake_.session_begins(start);
    Session session{
        pg::ReplicationStream(connection, {.slot = options_.slot,
                                           .start = start,
                                           .protocol_version = options_.protocol.version,
                                           .publications = options_.publications,
                                           .streaming = options_.protocol.streaming != pgoutput::Streaming::off,
                                           .binary = options_.binary,
                                           .messages = options_.messages})};
    session.noted = start;
    log::debug("receiving changes from {}", start);
    for (;;) {
        wait_for_space(session, waiter);
        bool arrived = false;
        do {
            while (const auto event = session.stream.poll()) {
                arrived = true;
                take(session, *event);
                if (session.given_up) return;
            }
            if (session.unsynced_bytes >= detail::most_unsynced_bytes) sync(session);
        } while (std::chrono::steady_clock::now() - session.synced_at < detail::gather_time &&
                 session.stream.wait(std::chrono::milliseconds{0}));
        const auto now = std::chrono::steady_clock::now();
        const bool quiet_due = session.quiet_until > session.noted && now - session.synced_at >= detail::quiet_time;
        const bool due = session.unsynced_bytes > 0 &&
                         now - session.synced_at >= (arrived ? detail::gather_time : detail::settle_time);
        if (session.status_asked || quiet_due || due) sync(session);
        if (now - session.status_at >= detail::status_interval) {
            session.stream.send_status(session.confirmed);
            session.status_at = now;
        }
        if (arrived) {
            waiter.throw_if_stopped();
            std::this_thread::sleep_for(detail::gulp_pause);
        } else {
            const auto patience = session.unsynced_bytes > 0            ? detail::settle_time
                                  : session.quiet_until > session.noted ? detail::quiet_time
                                                                        : detail::idle_time;
            if (!session.stream.wait(patience) && patience == detail::idle_time) {
                // By itself an idle source says how far it is twice in wal_sender_timeout, and never without one.
                session.stream.send_status(session.confirmed, pg::ReplicationStream::Answer::keepalive);
                session.status_at = std::chrono::steady_clock::now();
            }
        }
    }
}

inline void Receiver::take(Session& session, const pg::StreamEvent& event) {
    if (const auto* data = std::get_if<pg::WalData>(&event)) {
        if (options_.binary && forbids_binary(data->message)) {
            // Nothing of the relation is here yet. What is incomplete is void with the session, and comes again as text.
            options_.binary = false;
            session.given_up = true;
            return;
        }
        session.unsynced_bytes += intake_.take(data->start, data->message);
        return;
    }
    const auto& keepalive = std::get<pg::Keepalive>(event);
    if (!intake_.transaction_open()) session.quiet_until = std::max(session.quiet_until, keepalive.end);
    session.status_asked |= keepalive.reply_requested;
}

/// Nothing is read meanwhile, and the source hears that we are alive.
inline void Receiver::wait_for_space(Session& session, Waiter& waiter) {
    const auto now = std::chrono::steady_clock::now();
    if (now - session.space_at < detail::space_interval) return;
    session.space_at = now;
    const auto free = options_.free_bytes(options_.spool);
    if (free >= options_.least_free_bytes) return;
    sync(session);
    log::warning(
        "{} are free on the disk of {}: no more changes are taken from the source until there are {}. It keeps "
        "them, and its own disk fills meanwhile. Free space here",
        format_size(static_cast<double>(free)), options_.spool.string(),
        format_size(static_cast<double>(options_.least_free_bytes)));
    while (options_.free_bytes(options_.spool) < options_.least_free_bytes) {
        if (!waiter.sleep(detail::space_interval)) waiter.throw_if_stopped();
        if (std::chrono::steady_clock::now() - session.status_at < detail::status_interval) continue;
        session.stream.send_status(session.confirmed);
        session.status_at = std::chrono::steady_clock::now();
    }
    log::info("There is space again: changes are taken from the source");
}

inline bool Receiver::forbids_binary(Bytes message) const {
    if (pgoutput::peek(message) != pgoutput::MessageType::relation) return false;
    bool forbids = false;
    pgoutput::read_column_types(message, intake_.inside_block(), [&](std::string_view column, TypeId type) {
        if (forbids || catalog::binary_copy_safe(type)) return;
        forbids = true;
        log::info(
            "Changes come as text from here on: the type of column {} of relation {} has no binary form that "
            "every server reads alike (type {})",
            column, pgoutput::described_relation(message, intake_.inside_block()), type);
    });
    return forbids;
}

inline void Receiver::sync(Session& session) {
    if (!intake_.transaction_open() && session.quiet_until > session.noted) {
        writer_.append(spool::RecordKind::progress, session.quiet_until, {});
        writer_.boundary(session.quiet_until);
        session.noted = session.quiet_until;
    }
    session.confirmed = writer_.sync();
    session.unsynced_bytes = 0;
    session.status_asked = false;
    session.synced_at = session.status_at = std::chrono::steady_clock::now();
    session.stream.send_status(session.confirmed);
    progressed_ = true;
}

}  // namespace tslive::migrate
