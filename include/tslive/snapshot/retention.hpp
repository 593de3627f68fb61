#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/core/size.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::snapshot {

/// What the source keeps for a slot.
struct Retention {
    std::uint64_t bytes = 0;  ///< of WAL, from the slot's restart position on
    std::optional<std::uint64_t>
        safe_bytes;  ///< that may still be written before it gives the slot up; none: it never does
};

/// @returns nothing when there is no slot of that name, or nothing is kept for it
/// Source: PostgreSQL documentation, "pg_replication_slots".
[[nodiscard]] inline std::optional<Retention> retention(pg::Connection& source, std::string_view slot) {
    const bool limited = catalog::Capabilities{source.server_version()}.slot_wal_limit();
    const auto row = source.exec(
        fmt::format("SELECT greatest(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn), "
                    "0)::pg_catalog.int8, {} FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND restart_lsn "
                    "IS NOT NULL",
                    limited ? "CASE WHEN safe_wal_size IS NOT NULL THEN greatest(safe_wal_size, 0) END"
                            : "NULL::pg_catalog.int8"),
        pg::Params{}.text(slot));
    if (row.empty()) return std::nullopt;
    Retention found{.bytes = row.number<std::uint64_t>(0, 0), .safe_bytes = std::nullopt};
    if (!row.is_null(0, 1)) found.safe_bytes = row.number<std::uint64_t>(0, 1);
    return found;
}

/// Decides when to say that the source keeps a lot of WAL, and that it will not keep it for long (CASES A5): each time it has
/// doubled, not each time somebody looks. One thread.
class RetentionWarnings {
public:
    static constexpr std::uint64_t first_bytes = std::uint64_t{8} << 30;
    static constexpr std::uint64_t least_safe_bytes = std::uint64_t{1} << 30;

    explicit RetentionWarnings(std::string slot) : slot_(std::move(slot)) {}

    [[nodiscard]] std::vector<std::string> take(const Retention& now) {
        std::vector<std::string> warnings;
        if (now.bytes >= next_bytes_) {
            while (next_bytes_ <= now.bytes) next_bytes_ *= 2;
            warnings.push_back(fmt::format(
                "The source keeps {} of WAL for replication slot {}. Look at the space on its disk, and at what keeps "
                "changes from being received",
                size(now.bytes), slot_));
        } else if (now.bytes < first_bytes / 2) {
            next_bytes_ = first_bytes;
        }
        const bool short_of_room = now.safe_bytes && *now.safe_bytes < least_safe_bytes;
        if (short_of_room && !said_)
            warnings.push_back(fmt::format(
                "After {} more of WAL the source gives up replication slot {}, and the migration has to be "
                "begun anew: raise max_slot_wal_keep_size on the source, and look at what keeps changes from "
                "being received",
                size(*now.safe_bytes), slot_));
        if (short_of_room || !now.safe_bytes || *now.safe_bytes >= 2 * least_safe_bytes) said_ = short_of_room;
        return warnings;
    }

private:
    [[nodiscard]] static std::string size(std::uint64_t bytes) { return format_size(static_cast<double>(bytes)); }

    std::string slot_;
    std::uint64_t next_bytes_ = first_bytes;
    bool said_ = false;  ///< that the room runs out
};

}  // namespace tslive::snapshot
