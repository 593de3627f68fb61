#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"

namespace tslive::copy {

/// Where a part's rows come from. `read` appends to `out` and says false at the end of the data; `finish` may be called
/// after that, and returns the number of rows only when the sender has confirmed that it sent them all. One thread owns
/// a source.
///
/// Production: pg::CopyOut. Tests: a list of blocks that breaks where it is told to.
template <typename S>
concept CopySource = requires(S& source, ByteBuffer& out, std::size_t enough_bytes) {
    { source.read(out, enough_bytes) } -> std::same_as<bool>;
    { source.finish() } -> std::same_as<std::int64_t>;
};

/// Where they go. Nothing is kept before `finish` returns, which tells how many rows arrived; `abort` gives the COPY
/// up. One thread owns a sink. Production: pg::CopyIn.
template <typename T>
concept CopySink = requires(T& sink, Bytes data, std::string_view reason) {
    { sink.write(data) } -> std::same_as<void>;
    { sink.finish() } -> std::same_as<std::int64_t>;
    { sink.abort(reason) } -> std::same_as<void>;
};

inline constexpr std::size_t relay_block_bytes = 256 * 1024;

namespace detail {

/// Tells the sink that there will be no more. What went wrong is already on its way up, so a second failure adds
/// nothing.
template <CopySink Sink>
void give_up(Sink& sink, std::string_view reason) noexcept {
    try {
        sink.abort(reason);
    } catch (const std::exception&) {
        return;
    }
}

}  // namespace detail

/// Forwards one COPY from source to sink in blocks.
///
/// The sink is told that the data is complete only after the source's CommandComplete: a source that dies in the middle
/// can never look like a shorter table (CASES F2). Both ends must then report the same number of rows (law 4).
///
/// @param what      the part, for the error
/// @param on_bytes  called with the size of each block after the sink has taken it
/// @returns         rows
/// @throws Error    operator_action when the counts differ: the caller's transaction must not commit; else what either
///                  end threw, after the sink was aborted
template <CopySource Source, CopySink Sink, std::invocable<std::size_t> OnBytes>
std::int64_t relay(Source& source, Sink& sink, std::string_view what, OnBytes&& on_bytes,
                   std::size_t block_bytes = relay_block_bytes) {
    ByteBuffer block;
    block.reserve(block_bytes + block_bytes / 4);
    std::int64_t sent = 0;
    try {
        for (bool more = true; more;) {
            block.clear();
            more = source.read(block, block_bytes);
            if (block.empty()) continue;
            sink.write(block);
            on_bytes(block.size());
        }
        sent = source.finish();
    } catch (...) {
        detail::give_up(sink, "the source did not send all rows");
        throw;
    }
    const std::int64_t received = sink.finish();
    if (sent != received)
        throw Error(Recovery::operator_action,
                    fmt::format("copy of {}: the source sent {} rows, the target took {}; nothing of it is kept", what,
                                sent, received),
                    "A trigger or rule on the target that fires for replication, or a fault in a server, changes what "
                    "is stored: "
                    "compare the table's definition on both sides, then run again with --resume");
    return sent;
}

}  // namespace tslive::copy
