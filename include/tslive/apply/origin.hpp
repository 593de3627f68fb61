#pragma once

#include <string>
#include <string_view>

#include "tslive/core/clock.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/pipeline.hpp"

namespace tslive::apply {

/// The one truth for what is applied (law 2): a replication origin of the target, advanced inside the transaction that
/// carries a batch.
/// Where the target withholds the origin functions, a row of ours in the helper schema, updated in the same
/// transaction.
///
/// Exclusive: while an earlier session of ours still works, `attach` waits its turn out, so that what it then reads is
/// final.
/// One object a session, used by the thread that owns the connection.
/// Source: PostgreSQL documentation, "Replication Progress Tracking".
class Origin {
public:
    enum class Kind { replication_origin, progress_row };

    /// Creates it where it is missing, and makes this session its only user.
    /// @param name           origin's name; the helper schema has the same
    /// @param start          progress of a new one: the consistent point
    /// @throws Error         (reconnect) while another session still holds it
    Origin(pg::Connection& target, std::string name, Lsn start);

    /// Everything that commits before it is on the target, though perhaps not yet on its disk.
    [[nodiscard]] Lsn progress();
    /// Everything that commits before it survives a crash of the target: the spool may forget it.
    [[nodiscard]] Lsn flushed_progress();
    /// Adds what makes the open transaction carry `end_lsn`, whatever else it does.
    void advance(pg::Pipeline& pipeline, Lsn end_lsn, ServerTime commit_time);
    /// Lets another session have it at once, and not only when the server has noticed the end of this one. Then only
    /// the destructor.
    /// @pre no transaction is open
    void release() noexcept;
    [[nodiscard]] Kind kind() const noexcept { return kind_; }

private:
    [[nodiscard]] Kind choose();
    void attach_replication_origin(Lsn start);
    void attach_progress_row(Lsn start);

    pg::Connection* target_;
    std::string name_;
    Kind kind_;
};

/// Every function of replication origins that Origin calls, for the checks.
inline constexpr std::string_view origin_functions[] = {
    "pg_catalog.pg_replication_origin_create(text)",
    "pg_catalog.pg_replication_origin_drop(text)",
    "pg_catalog.pg_replication_origin_oid(text)",
    "pg_catalog.pg_replication_origin_session_setup(text)",
    "pg_catalog.pg_replication_origin_session_progress(boolean)",
    "pg_catalog.pg_replication_origin_session_reset()",
    "pg_catalog.pg_replication_origin_xact_setup(pg_lsn, timestamp with time zone)",
    "pg_catalog.pg_replication_origin_advance(text, pg_lsn)"};

}  // namespace tslive::apply

#include "tslive/apply/impl/origin.ipp"
