#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/frontier.hpp"
#include "tslive/spool/reader.hpp"
#include "tslive/spool/record.hpp"

/// Transactions that the source streams while they run (pgoutput's `streaming` option). The parts of several come in
/// turns, and nobody knows yet which will commit. So each has a spool of its own in a folder next to the segments:
///
///     streamed/open-<xid>/         is being received; void when the session with the source ends
///     streamed/<end>-<copy>/       has committed, and is durable: a `streamed` record of the main spool refers to it
///
/// The main spool thereby is in commit order, and the rows of a large transaction are written once.
namespace tslive::spool {

/// Where the messages of a committed transaction are. The payload of a `streamed` record.
struct StreamedTransaction {
    Lsn end;                 ///< of its commit
    std::uint32_t copy = 0;  ///< the source sends a transaction again after a lost connection: which of them
    std::uint64_t last_segment = 0;
    std::uint64_t last_offset = 0;          ///< where its messages end, in bytes of that segment
    std::vector<Xid> void_subtransactions;  ///< rolled back after they were sent: their messages are to be left out
    ByteBuffer commit;                      ///< Stream Commit, as received

    [[nodiscard]] std::string folder() const { return fmt::format("{:016x}-{:08x}", end.value, copy); }
};

[[nodiscard]] inline std::filesystem::path streamed_folder(const std::filesystem::path& spool) {
    return spool / "streamed";
}

[[nodiscard]] inline ByteBuffer encode(const StreamedTransaction& transaction) {
    ByteBuffer out(32 + sizeof(std::uint32_t) * transaction.void_subtransactions.size());
    store_le(&out[0], transaction.end.value);
    store_le(&out[8], transaction.copy);
    store_le(&out[12], transaction.last_segment);
    store_le(&out[20], transaction.last_offset);
    store_le(&out[28], static_cast<std::uint32_t>(transaction.void_subtransactions.size()));
    std::size_t at = 32;
    for (const auto xid : transaction.void_subtransactions) {
        store_le(&out[at], xid.value);
        at += sizeof(std::uint32_t);
    }
    append(out, transaction.commit);
    return out;
}

/// @throws StateError  when the bytes are no such record
[[nodiscard]] inline StreamedTransaction decode_streamed(Bytes payload, const std::filesystem::path& spool) {
    const auto refuse = [&] {
        return StateError(
            spool.string(),
            fmt::format("a record of {} bytes about a streamed transaction cannot be read", payload.size()),
            std::string(detail::damage_remedy));
    };
    if (payload.size() < 32) throw refuse();
    StreamedTransaction transaction;
    transaction.end = {load_le<std::uint64_t>(&payload[0])};
    transaction.copy = load_le<std::uint32_t>(&payload[8]);
    transaction.last_segment = load_le<std::uint64_t>(&payload[12]);
    transaction.last_offset = load_le<std::uint64_t>(&payload[20]);
    const std::size_t count = load_le<std::uint32_t>(&payload[28]);
    if ((payload.size() - 32) / sizeof(std::uint32_t) < count) throw refuse();
    transaction.void_subtransactions.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
        transaction.void_subtransactions.push_back({load_le<std::uint32_t>(&payload[32 + sizeof(std::uint32_t) * i])});
    append(transaction.commit, payload.subspan(32 + sizeof(std::uint32_t) * count));
    return transaction;
}

/// Reads the messages of a committed transaction, void ones included.
/// @throws StateError  when its folder is not there, or not whole
[[nodiscard]] inline Reader open_streamed(const std::filesystem::path& spool, const StreamId& stream,
                                          const StreamedTransaction& transaction) {
    const auto folder = streamed_folder(spool) / transaction.folder();
    if (!std::filesystem::exists(folder))
        throw StateError(folder.string(), "the messages of a streamed transaction are missing",
                         std::string(detail::damage_remedy));
    auto whole = std::make_shared<Frontier>();
    whole->publish({transaction.last_segment, transaction.last_offset, {}});
    return {folder, stream, std::move(whole), Lsn{}};
}

}  // namespace tslive::spool
