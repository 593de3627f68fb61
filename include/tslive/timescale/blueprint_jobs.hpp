#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/pg/quote.hpp"
#include "tslive/timescale/blueprint.hpp"
#include "tslive/timescale/blueprint_sql.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::timescale {

/// The policies that can be made on another release.
enum class Policy { retention, compression, reorder, refresh };

/// @returns nothing for a job of the user's, and for a policy that is not known
[[nodiscard]] inline std::optional<Policy> policy_of(const ScheduledJob& job) {
    if (!job.of_timescaledb) return std::nullopt;
    if (job.procedure.name == "policy_retention") return Policy::retention;
    if (job.procedure.name == "policy_compression") return Policy::compression;
    if (job.procedure.name == "policy_reorder") return Policy::reorder;
    if (job.procedure.name == "policy_refresh_continuous_aggregate") return Policy::refresh;
    return std::nullopt;
}

namespace detail {

[[nodiscard]] inline std::string optional_literal(const std::optional<std::string>& text, std::string_view type) {
    return text ? fmt::format("{}::{}", pg::quote_literal(*text), type) : fmt::format("NULL::{}", type);
}

/// One job's statements.
class JobSql {
public:
    JobSql(const ScheduledJob& job, const Blueprint& print, const Installation& target)
        : job_(job), target_(target),
          config_(job.config ? pg::quote_literal(*job.config) + "::pg_catalog.jsonb" : "NULL::pg_catalog.jsonb") {
        if (!job.hypertable) return;
        if (const auto* aggregate = print.aggregate(*job.hypertable)) {
            relation_ = aggregate->view;
            type_ = aggregate->materialization.dimensions.front().type;
            hierarchical_ = std::ranges::any_of(
                print.aggregates, [&](const auto& one) { return one.materialization.name == aggregate->source; });
            id_ = fmt::format("(SELECT m.id FROM ({}) m)", materialization_query(aggregate->view));
        } else if (const auto* hypertable = print.hypertable(*job.hypertable)) {
            relation_ = hypertable->name;
            type_ = hypertable->dimensions.front().type;
            id_ = fmt::format(
                "(SELECT h.id FROM _timescaledb_catalog.hypertable h WHERE h.schema_name = {} AND h.table_name = {})",
                pg::quote_literal(hypertable->name.schema), pg::quote_literal(hypertable->name.name));
        }
    }

    /// Makes it, and answers with its number.
    [[nodiscard]] std::string add() const {
        const auto policy = policy_of(job_);
        if (!policy) return add_job();
        const auto relation = relation_literal(relation_);
        const auto schedule =
            fmt::format("schedule_interval => {}::interval, initial_start => {}, timezone => {}",
                        pg::quote_literal(job_.schedule_interval), optional_literal(initial_start(), "timestamptz"),
                        optional_literal(job_.time_zone, "text"));
        switch (*policy) {
            case Policy::retention:
                return selected("add_retention_policy", relation, age("drop_after", "drop_created_before"), schedule);
            case Policy::compression:
                return selected("add_compression_policy", relation, age("compress_after", "compress_created_before"),
                                schedule);
            case Policy::reorder:
                return fmt::format("SELECT {}({}, {} ->> 'index_name', initial_start => {}, timezone => {})",
                                   target_.function("add_reorder_policy"), relation, config_,
                                   optional_literal(initial_start(), "timestamptz"),
                                   optional_literal(job_.time_zone, "text"));
            case Policy::refresh:
                return selected("add_continuous_aggregate_policy", relation,
                                fmt::format("{}, {}{}", offset("start_offset"), offset("end_offset"), batches()),
                                schedule);
        }
        return {};
    }

    /// Gives it all that its making did not, and leaves it switched off.
    [[nodiscard]] std::string alter() const {
        if (refuses_alter_job()) return update();
        auto sql = fmt::format(
            "SELECT FROM {}({}, schedule_interval => {}::interval, max_runtime => {}::interval, max_retries => {}, "
            "retry_period => {}::interval, scheduled => false",
            target_.function("alter_job"), job_.id, pg::quote_literal(job_.schedule_interval),
            pg::quote_literal(job_.max_runtime), job_.max_retries, pg::quote_literal(job_.retry_period));
        if (policy_of(job_) && job_.config)
            sql += fmt::format(", config => (SELECT nullif({}, j.config) FROM {} j WHERE j.id = {})",
                               translated_config(), target_.release.jobs(), job_.id);
        if (const auto name = own_name(); name && target_.release.named_jobs())
            sql += ", job_name => " + pg::quote_literal(*name);
        return sql + ")";
    }
    /// Only the superuser may; the others ask as the job's owner.
    [[nodiscard]] bool refuses_alter_job() const {
        return policy_of(job_) == Policy::refresh && hierarchical_ && !target_.release.alters_refresh_of_hierarchies();
    }

    [[nodiscard]] std::string switch_on() const {
        if (refuses_alter_job())
            return fmt::format("UPDATE {} SET scheduled = true WHERE id = {}", target_.release.jobs(), job_.id);
        return fmt::format(
            "SELECT FROM {}({}, scheduled => true{})", target_.function("alter_job"), job_.id,
            job_.next_start ? fmt::format(", next_start => {}::timestamptz", pg::quote_literal(*job_.next_start)) : "");
    }

private:
    [[nodiscard]] std::string update() const {
        return fmt::format(
            "UPDATE {} SET schedule_interval = {}::interval, max_runtime = {}::interval, max_retries = {}, "
            "retry_period = {}::interval, scheduled = false, config = {} WHERE id = {}",
            target_.release.jobs(), pg::quote_literal(job_.schedule_interval), pg::quote_literal(job_.max_runtime),
            job_.max_retries, pg::quote_literal(job_.retry_period), translated_config(), job_.id);
    }
    [[nodiscard]] std::string selected(std::string_view function, std::string_view relation, std::string_view ages,
                                       std::string_view schedule) const {
        return fmt::format("SELECT {}({}, {}, {})", target_.function(function), relation, ages, schedule);
    }
    [[nodiscard]] std::string add_job() const {
        auto sql = fmt::format(
            "SELECT {}({}, {}::interval, config => {}, initial_start => {}, scheduled => false, "
            "fixed_schedule => {}, timezone => {}",
            target_.function("add_job"), function_literal(job_.procedure), pg::quote_literal(job_.schedule_interval),
            config_, optional_literal(job_.initial_start, "timestamptz"), job_.fixed_schedule,
            optional_literal(job_.time_zone, "text"));
        if (job_.check) sql += ", check_config => " + function_literal(function_there(*job_.check, target_));
        return sql + ")";
    }

    /// A policy has a fixed schedule if, and only if, it is told a start.
    [[nodiscard]] std::optional<std::string> initial_start() const {
        return job_.fixed_schedule ? job_.initial_start : std::nullopt;
    }

    /// What the configuration says, as a value of the type that the hypertable's time has. Known here, so that the statement is text.
    [[nodiscard]] std::optional<std::string> value(std::string_view key) const {
        const auto found = config_value(key);
        if (!found) return std::nullopt;
        const bool integer = type_ == "bigint" || type_ == "integer" || type_ == "smallint";
        return fmt::format("{}::{}", pg::quote_literal(*found), integer ? type_ : "interval");
    }
    [[nodiscard]] std::string age(std::string_view key, std::string_view created_key) const {
        if (const auto created = config_value(created_key))
            return fmt::format("{} => {}::interval", created_key, pg::quote_literal(*created));
        return fmt::format("{} => {}", key, value(key).value_or("NULL"));
    }
    [[nodiscard]] std::string offset(std::string_view key) const {
        return fmt::format("{} => {}", key, value(key).value_or("NULL"));
    }
    /// How a refresh is cut, since 2.19.
    [[nodiscard]] std::string batches() const {
        std::string options;
        for (const auto& [key, type] : {std::pair{"include_tiered_data", "bool"},
                                        {"buckets_per_batch", "int"},
                                        {"max_batches_per_execution", "int"},
                                        {"refresh_newest_first", "bool"}})
            if (const auto found = config_value(key))
                options += fmt::format(", {} => {}::{}", key, pg::quote_literal(*found), type);
        return options;
    }
    [[nodiscard]] std::optional<std::string> config_value(std::string_view key) const {
        const auto found = job_.settings.find(key);
        return found == job_.settings.end() ? std::nullopt : std::optional{found->second};
    }

    /// Numbers of hypertables are others on the target.
    [[nodiscard]] std::string translated_config() const {
        auto config = config_;
        for (const std::string_view key : {"hypertable_id", "mat_hypertable_id"})
            if (job_.settings.contains(key))
                config = fmt::format("pg_catalog.jsonb_set({}, '{{{}}}', pg_catalog.to_jsonb({}))", config, key, id_);
        return config;
    }

    /// `Retention Policy [1000]` is not one.
    [[nodiscard]] std::optional<std::string> own_name() const {
        const auto suffix = fmt::format(" [{}]", job_.id);
        if (!job_.application_name.ends_with(suffix)) return std::nullopt;
        auto name = job_.application_name.substr(0, job_.application_name.size() - suffix.size());
        constexpr std::array<std::string_view, 6> given = {
            "Retention Policy", "Compression Policy",  "Columnstore Policy",
            "Reorder Policy",   "User-Defined Action", "Refresh Continuous Aggregate Policy"};
        if (std::ranges::find(given, name) != given.end()) return std::nullopt;
        return name;
    }

    const ScheduledJob& job_;
    const Installation& target_;
    std::string config_;
    catalog::QualifiedName relation_;
    std::string type_, id_;
    bool hierarchical_ = false;  // a policy of a continuous aggregate that is made of another one
};

}  // namespace detail

}  // namespace tslive::timescale
