#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::copy {

/// A new snapshot for tables that the first one cannot show any more, with the position from which on changes have to
/// be applied to what is copied under it. Both live as long as this object, whose session must stay idle.
///
/// A temporary logical slot gives it: only a slot's snapshot has a position in the log that is exact. The slot is never
/// read. Source: PostgreSQL documentation, "Streaming Replication Protocol", CREATE_REPLICATION_SLOT.
class TemporarySnapshot {
public:
    /// Waits until every transaction that writes on the source now has ended.
    [[nodiscard]] static TemporarySnapshot make(const pg::ConnInfo& source, std::string_view migration_id,
                                                std::stop_token stop) {
        auto connection = pg::Connection::open(source, "copy", std::move(stop), pg::ConnectionKind::replication);
        for (int n = 1;; ++n) {
            const auto slot = fmt::format("tslive_{}_tmp{}", migration_id, n);
            try {
                log::info(
                    "making a new snapshot on the source; this waits for the transactions that are writing there");
                const auto made =
                    connection.exec(fmt::format("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT",
                                                pg::quote_identifier(slot)));
                return {std::move(connection), made.text(0, 2), made.lsn(0, 1)};
            } catch (const pg::ServerError& error) {
                // Another run's, whose session the source has not missed yet.
                if (error.state() != pg::sqlstate::duplicate_object || n == 100)
                    throw error.with_context("temporary slot on the source");
            }
        }
    }

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] Lsn consistent_point() const noexcept { return consistent_point_; }

private:
    TemporarySnapshot(pg::Connection connection, std::string id, Lsn consistent_point)
        : connection_(std::move(connection)), id_(std::move(id)), consistent_point_(consistent_point) {}

    pg::Connection connection_;
    std::string id_;
    Lsn consistent_point_;
};

}  // namespace tslive::copy
