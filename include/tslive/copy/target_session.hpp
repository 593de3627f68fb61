#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::copy {

/// What of a target's table decides how rows get into it.
struct TargetTable {
    RelationId id;
    bool ordinary = false;      ///< neither partitioned nor a hypertable: ONLY and FREEZE make sense (CASES E24)
    bool may_truncate = false;  ///< we have the right, and no foreign key refers to it (CASES E23)
};

/// A session on the target that takes rows: no trigger, rule or foreign key acts on them, and commits do not wait for
/// the disk (a crash of the target takes the markers back with the rows). One owning thread.
class TargetSession {
public:
    /// @throws Error  operator_action when our role may not set session_replication_role
    [[nodiscard]] static TargetSession open(const pg::ConnInfo& target, std::stop_token stop) {
        auto connection = pg::Connection::open(target, "copy", std::move(stop));
        try {
            connection.exec("SET session_replication_role = replica");
        } catch (const pg::ServerError& error) {
            throw error.with_context(
                "on the target",
                "Connect to the target as a superuser, or (15 and later) run GRANT SET ON PARAMETER "
                "session_replication_role TO the role that ts-live connects as");
        }
        connection.exec("SET synchronous_commit = off");
        const bool hypertables = catalog::has_extension(connection, "timescaledb");
        return {std::move(connection), hypertables};
    }

    /// @throws Error  operator_action when there is no such table
    [[nodiscard]] TargetTable table(const catalog::QualifiedName& name) {
        const auto* hypertable =
            hypertables_
                ? "EXISTS (SELECT FROM _timescaledb_catalog.hypertable h WHERE h.schema_name = $1::pg_catalog.name "
                  "AND h.table_name = $2::pg_catalog.name)"
                : "false";
        const auto found = connection_.exec_again(
            // Who refers to a table is found by way of pg_depend, which has an index for it; pg_constraint would be read
            // whole for each table.
            fmt::format("SELECT c.oid, c.relkind = 'r' AND NOT {}, pg_catalog.has_table_privilege(c.oid, 'TRUNCATE') "
                        "AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_constraint k ON k.oid = "
                        "d.objid "
                        "WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid AND "
                        "d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass "
                        "AND k.contype = 'f' AND k.confrelid = c.oid AND k.conrelid <> c.oid) "
                        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                        "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
                        hypertable),
            pg::Params{}.text(name.schema).text(name.name));
        if (found.empty())
            throw Error(
                Recovery::operator_action, fmt::format("table {} does not exist on the target", name),
                "The schema's pre-data section makes it: run again with --resume, or leave the table's data out");
        return {.id = {found.number<std::uint32_t>(0, 0)},
                .ordinary = found.boolean(0, 1),
                .may_truncate = found.boolean(0, 2)};
    }

    /// Removes all rows, in the connection's transaction.
    void empty(const catalog::QualifiedName& name, const TargetTable& table) {
        const auto* only = table.ordinary ? "ONLY " : "";
        connection_.exec(fmt::format("{}{}{}", table.may_truncate ? "TRUNCATE " : "DELETE FROM ", only, name.quoted()));
    }

    [[nodiscard]] pg::Connection& connection() noexcept { return connection_; }

private:
    TargetSession(pg::Connection connection, bool hypertables)
        : connection_(std::move(connection)), hypertables_(hypertables) {}

    pg::Connection connection_;
    bool hypertables_;
};

}  // namespace tslive::copy
