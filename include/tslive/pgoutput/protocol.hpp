#pragma once

#include <fmt/format.h>

#include "tslive/core/error.hpp"

namespace tslive::pgoutput {

/// The `streaming` option of START_REPLICATION.
enum class Streaming {
    off,
    on,  ///< transactions above logical_decoding_work_mem arrive before they commit (protocol version 2, PostgreSQL 14)
    parallel,  ///< as on, and Stream Abort tells its position and time (protocol version 4, PostgreSQL 16)
};

/// What was agreed in START_REPLICATION and decides how messages look. Store it with messages that are decoded later.
struct Protocol {
    int version = 1;  ///< `proto_version`: 1 (PostgreSQL 10), 2 (14), 3 (15), 4 (16)
    Streaming streaming = Streaming::off;

    friend constexpr bool operator==(const Protocol&, const Protocol&) = default;

    /// @throws DecodeError for a version that we do not know, or one that lacks this kind of streaming
    void check() const {
        if (version < 1 || version > 4)
            throw DecodeError(fmt::format("pgoutput protocol version {} is not known", version), 0);
        const int least = streaming == Streaming::parallel ? 4 : streaming == Streaming::on ? 2 : 1;
        if (version < least)
            throw DecodeError(fmt::format("pgoutput protocol version {} has no such streaming, {} has", version, least),
                              0);
    }
};

/// Decodes what any session sent that did not ask for parallel streaming: the messages of versions 1 to 4 look the same
/// then, each adds some to those before.
inline constexpr Protocol every_version{.version = 4, .streaming = Streaming::on};

}  // namespace tslive::pgoutput
