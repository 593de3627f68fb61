#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::migrate {

/// `xid` with its epoch: of all transactions with these 32 bits the one that is nearest to `near`.
[[nodiscard]] constexpr std::uint64_t with_epoch(Xid xid, std::uint64_t near) noexcept {
    const auto distance = static_cast<std::int32_t>(xid.value - static_cast<std::uint32_t>(near));
    return near + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
}

/// Which of these subtransactions the source rolled back. They are of one transaction, whose commit ends at `end`.
///
/// By then each that was rolled back is marked so, because that was done before the commit was written. The others may still look
/// as if they ran: the server sends a commit before all its sessions see it. What is known of them is kept as long as
/// the slot may need their changes (its catalog_xmin).
/// @throws Error  (reconnect) when the server that was asked is not there yet, such as a standby behind the same address;
///                (operator_action) when it does not know
[[nodiscard]] inline std::vector<Xid> rolled_back(pg::Connection& source, std::span<const Xid> subtransactions,
                                                  Lsn end) {
    const auto now = source.exec(
        "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()), CASE WHEN "
        "pg_catalog.pg_is_in_recovery() "
        "THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END");
    if (now.is_null(0, 1) || now.lsn(0, 1) < end)
        throw Error(
            Recovery::reconnect,
            fmt::format("the server that was asked about a transaction of the source has not seen its commit at "
                        "{}",
                        end));
    const auto newest = now.number<std::uint64_t>(0, 0);
    constexpr std::size_t most_at_once = 10'000;
    std::vector<Xid> found;
    for (std::size_t at = 0; at < subtransactions.size(); at += most_at_once) {
        std::vector<std::uint64_t> asked;
        for (const auto xid : subtransactions.subspan(at, std::min(most_at_once, subtransactions.size() - at)))
            asked.push_back(with_epoch(xid, newest));
        const auto answers = source.exec(
            "SELECT u.xid, u.status FROM (SELECT x.xid, pg_catalog.pg_xact_status(x.xid::pg_catalog.xid8) AS status "
            "FROM "
            "pg_catalog.unnest($1::pg_catalog.text[]) AS x (xid) OFFSET 0) AS u "
            "WHERE u.status IS NULL OR u.status NOT IN ('committed', 'in progress')",
            pg::Params{}.text(catalog::detail::array_text(asked)));
        for (int row = 0; row < answers.rows(); ++row) {
            if (answers.is_null(row, 1) || answers.at(row, 1) != "aborted")
                throw Error(
                    Recovery::operator_action,
                    fmt::format("the source says '{}' of subtransaction {}, of a transaction that committed at {}",
                                answers.is_null(row, 1) ? "unknown" : answers.at(row, 1), answers.at(row, 0), end),
                    "Without knowing whether it was rolled back its changes cannot be applied. Run ts-clean and "
                    "begin a new migration");
            found.push_back({static_cast<std::uint32_t>(answers.number<std::uint64_t>(row, 0))});
        }
    }
    return found;
}

}  // namespace tslive::migrate
