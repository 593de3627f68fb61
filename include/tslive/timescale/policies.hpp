#pragma once

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/timescale/hypertable_file.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/target_hypertables.hpp"

/// Compression and retention of hypertables: set when the migration ends, since both would work against it.
namespace tslive::timescale {

/// A statement, and what it is for.
struct PolicyStatement {
    std::string what;       ///< `compression of public.conditions`
    std::string sql;        ///< for people and for us
    bool settings = false;  ///< of compression, which are set once
};

/// @param kind  of the hypertable's time column
[[nodiscard]] inline std::vector<PolicyStatement> policy_statements(const Installation& timescaledb,
                                                                    const HypertableSpec& spec, TimeKind kind) {
    std::vector<PolicyStatement> statements;
    const auto span = [kind](const std::string& text) {
        return fmt::format("{}::{}", pg::quote_literal(text), detail::cast_span(kind));
    };
    if (spec.compressed()) {
        std::vector<std::string> settings{"timescaledb.compress"}, segments, orders;
        for (const auto& column : spec.segment_by) segments.push_back(pg::quote_identifier(column));
        for (const auto& part : spec.order_by) orders.push_back(pg::quote_identifier(part.column) + part.direction);
        const auto add = [&](const char* name, const std::vector<std::string>& parts) {
            if (!parts.empty())
                settings.push_back(
                    fmt::format("{} = {}", name, pg::quote_literal(fmt::format("{}", fmt::join(parts, ", ")))));
        };
        add("timescaledb.compress_segmentby", segments);
        add("timescaledb.compress_orderby", orders);
        statements.push_back({fmt::format("compression of {}", spec.table),
                              fmt::format("ALTER TABLE {} SET ({})", spec.table.quoted(), fmt::join(settings, ", ")),
                              true});
    }
    const auto table = pg::quote_literal(spec.table.quoted());
    if (!spec.compress_after.empty())
        statements.push_back(
            {fmt::format("compression policy of {}", spec.table),
             fmt::format("SELECT {}({}, compress_after => {}, if_not_exists => true)",
                         timescaledb.function("add_compression_policy"), table, span(spec.compress_after)),
             false});
    if (!spec.retention.empty())
        statements.push_back({fmt::format("retention policy of {}", spec.table),
                              fmt::format("SELECT {}({}, drop_after => {}, if_not_exists => true)",
                                          timescaledb.function("add_retention_policy"), table, span(spec.retention)),
                              false});
    return statements;
}

/// Some releases of TimescaleDB write the session's search_path into a statement of theirs, and an empty one comes out as `""`,
/// which is no name (2.15).
inline constexpr const char* path_for_policies = "SET search_path = pg_catalog";

/// A job of a hypertable: compression, retention, reordering.
struct ScheduledPolicy {
    int id = 0;
    std::string name;  ///< `Retention Policy [1000]`
};

/// Those of the database that run by themselves.
[[nodiscard]] inline std::vector<ScheduledPolicy> scheduled_policies(pg::Connection& connection,
                                                                     const Installation& timescaledb) {
    const auto found = connection.exec(
        fmt::format("SELECT id, application_name FROM {} WHERE id >= 1000 AND hypertable_id IS NOT NULL AND scheduled "
                    "ORDER BY id",
                    timescaledb.release.jobs()));
    std::vector<ScheduledPolicy> policies;
    for (int row = 0; row < found.rows(); ++row) policies.push_back({found.number<int>(row, 0), found.text(row, 1)});
    return policies;
}
[[nodiscard]] inline std::string schedule_sql(const Installation& timescaledb, const ScheduledPolicy& policy,
                                              bool scheduled) {
    return fmt::format("SELECT {}({}, scheduled => {}, if_exists => true)", timescaledb.function("alter_job"),
                       policy.id, scheduled);
}

enum class PolicyRun {
    trial,  ///< nothing of it stays
    real,
};

namespace detail {

/// Settings of compressed chunks cannot be set again.
[[nodiscard]] inline bool compression_is_on(pg::Connection& target, const catalog::QualifiedName& table) {
    const auto found = target.exec(
        "SELECT compression_state = 1 FROM _timescaledb_catalog.hypertable WHERE schema_name = $1 AND table_name = $2",
        pg::Params{}.text(table.schema).text(table.name));
    return !found.empty() && found.boolean(0, 0);
}

/// Runs the statements one after the other, each as if it were alone. @returns what was refused
inline std::vector<std::string> run_policy_statements(pg::Connection& target, const HypertableSpec& spec,
                                                      const std::vector<PolicyStatement>& statements) {
    std::vector<std::string> refused;
    for (const auto& statement : statements) {
        if (statement.settings && compression_is_on(target, spec.table)) continue;  // an earlier run did it
        try {
            target.exec("SAVEPOINT policy");
            target.exec(statement.sql);
        } catch (const pg::ServerError& error) {
            if (pg::transient(error)) throw;
            target.exec("ROLLBACK TO SAVEPOINT policy");
            refused.push_back(fmt::format("{}: {}. To be set with: {};", statement.what, error.what(), statement.sql));
        }
    }
    return refused;
}

}  // namespace detail

/// Sets what the file wants of one hypertable, in one transaction. Harmless to repeat.
/// @returns what the target refused, each with the reason and the statement; the rest is set
[[nodiscard]] inline std::vector<std::string> set_policies(pg::Connection& target, const Installation& timescaledb,
                                                           const HypertableSpec& spec, PolicyRun run) {
    if (!spec.has_policies()) return {};
    std::vector<PolicyStatement> statements;
    try {
        statements = policy_statements(timescaledb, spec, detail::time_kind_on(target, timescaledb, spec));
    } catch (const pg::ServerError&) {
        throw;
    } catch (const Error& error) {  // the column has another name by now
        if (error.recovery() != Recovery::operator_action) throw;
        return {fmt::format("compression and retention of {}: {}", spec.table, error.what())};
    }
    target.exec(path_for_policies);
    pg::Transaction transaction(target);
    auto refused = detail::run_policy_statements(target, spec, statements);
    if (run == PolicyRun::real) transaction.commit();
    else transaction.rollback();
    target.exec("SET search_path = ''");
    return refused;
}

}  // namespace tslive::timescale
