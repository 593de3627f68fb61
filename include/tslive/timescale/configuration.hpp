#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/catalog/columns.hpp"
#include "tslive/catalog/constraints.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/materialized_views.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/detail/transfer.hpp"
#include "tslive/timescale/release.hpp"

/// TimescaleDB's catalog: which tables are hypertables, what their chunks are, policies, continuous aggregates. It is in the
/// extension's configuration tables, and goes to the target as it is, ids included, in one transaction.
namespace tslive::timescale {

struct ConfigurationReport {
    std::int64_t rows = 0;
    std::vector<std::string> notes;  ///< what was left out, for people
};

namespace detail {

/// Copies the configuration tables. For one pair of sessions, each in a transaction.
class ConfigurationCopy {
public:
    ConfigurationCopy(pg::Connection& source, pg::Connection& target, const Release& release)
        : source_(source), target_(target), release_(release), tables_(configuration(source)) {
        for (auto& table : configuration(target)) there_.emplace(table.name, std::move(table));
    }

    ConfigurationReport run() {
        // TimescaleDB itself writes these tables without looking at their foreign keys: a row of chunk 0 is for all chunks.
        target_.exec("SET LOCAL session_replication_role = replica");
        const auto order = by_foreign_keys();
        for (auto table = order.rbegin(); table != order.rend(); ++table)
            if ((*table)->name.name != "metadata")
                target_.exec(fmt::format("DELETE FROM ONLY {} {}", (*table)->name.quoted(), (*table)->condition));
        for (const auto* table : order) copy(*table);
        for (const auto& table : tables_)
            if (table.kind == catalog::RelationKind::sequence) set_sequence(table.name);
        // No job of the source's runs here before the switch-over says which (CASES H11).
        target_.exec(fmt::format("UPDATE {} SET scheduled = false WHERE id >= 1000 AND scheduled", release_.jobs()));
        target_.exec("SET LOCAL session_replication_role = origin");
        return std::move(report_);
    }

private:
    [[nodiscard]] static std::vector<catalog::ConfigurationTable> configuration(pg::Connection& connection) {
        for (auto& extension : catalog::extensions(connection))
            if (extension.name == "timescaledb") return std::move(extension.configuration);
        throw Error(Recovery::operator_action, "TimescaleDB is missing in one of the databases",
                    "Do not drop the extension during a migration: begin anew");
    }

    /// `_timescaledb_cache` is no data; tablespaces are the server's own; refreshes that run do so on the source.
    [[nodiscard]] static bool left_out(const catalog::ConfigurationTable& table) {
        return table.name.schema == "_timescaledb_cache" || table.name.name == "tablespace" ||
               table.name.name == "continuous_aggs_jobs_refresh_ranges";
    }

    /// Each after those it refers to, as one would write them.
    [[nodiscard]] std::vector<const catalog::ConfigurationTable*> by_foreign_keys() {
        std::map<RelationId, const catalog::ConfigurationTable*> wanted;
        std::vector<RelationId> order;
        for (const auto& table : tables_) {
            if (table.kind != catalog::RelationKind::table) continue;
            if (left_out(table)) {
                note_left_out(table);
                continue;
            }
            const auto there = there_.find(table.name);
            if (there == there_.end() || there->second.kind != table.kind)
                throw Error(Recovery::operator_action,
                            fmt::format("the target's TimescaleDB has no table {}", table.name),
                            "Source and target need the same version, built alike");
            wanted.emplace(there->second.id, &table);
            order.push_back(there->second.id);
        }
        std::map<RelationId, std::vector<RelationId>> needs;
        std::map<catalog::QualifiedName, RelationId> ids;
        for (const auto& [id, table] : wanted) ids.emplace(table->name, id);
        for (const auto& key : catalog::foreign_keys(target_)) {
            const auto from = ids.find(key.table_name), to = ids.find(key.referenced_table);
            if (from != ids.end() && to != ids.end()) needs[from->second].push_back(to->second);
        }
        std::vector<const catalog::ConfigurationTable*> sorted;
        for (const auto id : catalog::detail::dependency_order(order, needs)) sorted.push_back(wanted.at(id));
        return sorted;
    }

    void note_left_out(const catalog::ConfigurationTable& table) {
        if (table.name.name != "tablespace") return;
        const auto rows =
            source_.exec(fmt::format("SELECT DISTINCT tablespace_name FROM ONLY {}", table.name.quoted()));
        for (int row = 0; row < rows.rows(); ++row)
            report_.notes.push_back(
                fmt::format("tablespace {} is attached to hypertables on the source, and to none on the target: chunks "
                            "go to the database's default",
                            pg::quote_identifier(rows.at(row, 0))));
    }

    void copy(const catalog::ConfigurationTable& table) {
        const auto here = catalog::columns(target_, there_.at(table.name).id);
        std::vector<std::string> names, values, conditions;
        for (const auto& column : catalog::columns(source_, table.id)) {
            const auto match = std::ranges::find(here, column.name, &catalog::Column::name);
            if (match == here.end() || match->full_type != column.full_type)
                throw Error(Recovery::operator_action,
                            fmt::format("column {} of {} is not the same in the target's TimescaleDB",
                                        pg::quote_identifier(column.name), table.name),
                            "Source and target need the same version, built alike");
            if (column.generated != 0) continue;
            names.push_back(pg::quote_identifier(column.name));
            values.push_back(text_of(column));
            // What points to a relation that is no more, some releases left behind.
            if (column.not_null && column.type_name == "regclass")
                conditions.push_back(
                    fmt::format("EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = t.{})", names.back()));
        }
        if (table.name.name == "metadata") conditions.push_back(fmt::format("key <> ALL ({})", keys_of_target()));
        const auto from = fmt::format("SELECT {} FROM (SELECT * FROM ONLY {} {}) AS t{}{}", fmt::join(values, ", "),
                                      table.name.quoted(), table.condition, conditions.empty() ? "" : " WHERE ",
                                      fmt::join(conditions, " AND "));
        report_.rows +=
            transfer(source_, from, target_, fmt::format("{} ({})", table.name.quoted(), fmt::join(names, ", ")));
    }

    /// The target keeps what it knows about itself, such as its id (CASES H9).
    [[nodiscard]] std::string keys_of_target() {
        const auto keys = target_.exec(
            "SELECT pg_catalog.quote_literal(coalesce(pg_catalog.array_agg(key), '{}')) || '::pg_catalog.name[]' "
            "FROM _timescaledb_catalog.metadata");
        return keys.text(0, 0);
    }

    /// They stand outside of transactions: as far as the source's are by now is far enough.
    void set_sequence(const catalog::QualifiedName& name) {
        const auto value = source_.exec(fmt::format("SELECT last_value, is_called FROM {}", name.quoted()));
        target_.exec(fmt::format("SELECT pg_catalog.setval({}, {}, {})", pg::quote_literal(name.quoted()),
                                 value.at(0, 0), value.boolean(0, 1) ? "true" : "false"));
    }

    pg::Connection& source_;
    pg::Connection& target_;
    Release release_;
    std::vector<catalog::ConfigurationTable> tables_;
    std::map<catalog::QualifiedName, catalog::ConfigurationTable> there_;
    ConfigurationReport report_;
};

}  // namespace detail

/// Replaces the target's catalog by the source's, within the transactions of both sessions; its jobs are off afterwards.
///
/// @pre           the source's transaction sees the migration's snapshot; the target has the schema's tables, and is in restoring mode
/// @throws Error  (operator_action) when the two catalogs are not of one shape
inline ConfigurationReport copy_configuration(pg::Connection& source, pg::Connection& target, const Release& release) {
    return detail::ConfigurationCopy(source, target, release).run();
}

}  // namespace tslive::timescale
