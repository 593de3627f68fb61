#pragma once

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/columns.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/timescale/hypertable_file.hpp"
#include "tslive/timescale/release.hpp"

/// Holds the file of hypertables against the source, before anything is changed anywhere.
namespace tslive::timescale {

/// How a partitioning column measures time.
enum class TimeKind {
    interval,  ///< timestamps and uuid: intervals such as `1 day`
    date,      ///< the same, in whole days
    integer,
};

/// @returns nothing for a type that TimescaleDB does not partition by
[[nodiscard]] inline std::optional<TimeKind> time_kind(std::string_view type, const Release& release) {
    if (type == "timestamp with time zone" || type == "timestamp without time zone") return TimeKind::interval;
    if (type == "date") return TimeKind::date;
    if (type == "uuid" && release.uuid_partitioning()) return TimeKind::interval;
    if (type == "smallint" || type == "integer" || type == "bigint") return TimeKind::integer;
    return std::nullopt;
}

/// The target that the hypertables are to be made on.
struct TargetFeatures {
    Release release;
    bool apache = false;  ///< `timescaledb.license`: neither compression nor policies
};

namespace detail {

/// Finds what is wrong with one hypertable of the file.
class SpecCheck {
public:
    SpecCheck(std::string_view file, const HypertableSpec& spec, const TargetFeatures& target, pg::Connection& source)
        : file_(file), spec_(spec), target_(target), source_(source) {}

    std::vector<std::string> run() {
        const auto found = source_.exec(
            "SELECT c.oid, c.relkind, c.relpersistence, "
            "EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid), "
            "c.relrowsecurity OR c.relforcerowsecurity, "
            "EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND "
            "k.connoinherit), c.relispartition "
            "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'm', 'v')",
            pg::Params{}.text(spec_.table.schema).text(spec_.table.name));
        if (found.empty()) {
            say("the source has no such table", "Correct the name, or leave the hypertable out of the file");
            return std::move(problems_);
        }
        kind_of_table(found);
        columns_ = catalog::columns(source_, RelationId{found.number<std::uint32_t>(0, 0)});
        time();
        for (const auto& dimension : spec_.space) {
            column("space", dimension.column);
            if (dimension.column == spec_.time)
                say("time and space are the same column", "Name another column, or leave the 'space' line out");
        }
        for (const auto& name : spec_.segment_by) column("segmentby", name);
        for (const auto& part : spec_.order_by) column("orderby", part.column);
        if (spec_.compressed() && found.boolean(0, 4))
            say("a table with row security cannot be compressed",
                "Leave segmentby, orderby and compress_after out, or disable row security on the source");
        if (spec_.has_policies() && target_.apache)
            say("the target's licence (timescaledb.license = 'apache') has neither compression nor retention",
                "Set timescaledb.license = 'timescale' on the target, or leave these lines out");
        return std::move(problems_);
    }

private:
    void kind_of_table(const pg::Result& found) {
        const auto kind = found.at(0, 1);
        if (kind == "p" || found.boolean(0, 6))
            say("it is partitioned already, by PostgreSQL, and the target gets the same partitions",
                "Leave it out of the file, and make a hypertable of it after the migration; or move its rows into a "
                "plain table on the source first");
        else if (kind != "r") say("it is no table", "Leave it out of the file");
        else if (found.boolean(0, 3))
            say("it inherits from a table, or another one from it, which no hypertable does",
                "Leave it out of the file, or end the inheritance on the source: ALTER TABLE … NO INHERIT …");
        if (found.at(0, 2) == "u")
            say("it is unlogged: its rows are not in the stream",
                fmt::format("Leave it out of the file, or on the source: ALTER TABLE {} SET LOGGED",
                            spec_.table.quoted()));
        if (found.boolean(0, 5))
            say("it has CHECK constraints with NO INHERIT, which no hypertable has",
                "Make them ordinary ones on the source, or leave the table out of the file");
    }

    const catalog::Column* column(std::string_view directive, std::string_view name) {
        for (const auto& column : columns_)
            if (column.name == name) return &column;
        say(fmt::format("'{}': it has no column {}", directive, catalog::detail::plain_identifier(name)),
            "Correct the name; one with upper case or special characters stands in double quotes");
        return nullptr;
    }

    void time() {
        const auto* of_time = column("time", spec_.time);
        if (of_time == nullptr) return;
        if (of_time->generated != 0)
            say(fmt::format("{} is a generated column, which cannot partition a hypertable", name_of_time()),
                "Name another column");
        const auto kind = time_kind(of_time->type_name, target_.release);
        if (!kind)
            return say(fmt::format("{} is of type {}, and TimescaleDB {} partitions by timestamps, dates and integers",
                                   name_of_time(), of_time->type_name, target_.release.text()),
                       "Name another column, or change its type on the source");
        if (*kind == TimeKind::integer && spec_.chunk_interval.empty())
            say("chunks over integers have no interval by default", "Add, say: chunk_interval 1000000");
        span(*kind, "chunk_interval", spec_.chunk_interval, of_time->type_name);
        span(*kind, "compress_after", spec_.compress_after, of_time->type_name);
        span(*kind, "retention", spec_.retention, of_time->type_name);
        now_function(*kind, of_time->type_name);
    }

    void span(TimeKind kind, std::string_view directive, const std::string& text, std::string_view type) {
        if (text.empty()) return;
        if (kind == TimeKind::integer) return number(directive, text, type);
        std::string wrong;
        try {
            const auto value = source_.exec(
                "SELECT v > '0'::pg_catalog.interval, extract(epoch FROM v)::pg_catalog.numeric % 86400 = 0 "
                "FROM (SELECT $1::pg_catalog.interval) AS given (v)",
                pg::Params{}.text(text));
            if (!value.boolean(0, 0)) wrong = "is not positive";
            else if (kind == TimeKind::date && directive == "chunk_interval" && !value.boolean(0, 1))
                wrong = "is not a number of whole days, as it must be over dates";
        } catch (const pg::ServerError& error) {
            if (error.state().code_class() != "22") throw;
            wrong = "is no interval";
        }
        if (!wrong.empty())
            say(fmt::format("'{}': '{}' {}", directive, text, wrong),
                "Write it as PostgreSQL writes intervals, without quotes: 1 day, 12 hours");
    }
    void number(std::string_view directive, const std::string& text, std::string_view type) {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const auto largest = type == "smallint"  ? std::numeric_limits<std::int16_t>::max()
                             : type == "integer" ? std::numeric_limits<std::int32_t>::max()
                                                 : std::numeric_limits<std::int64_t>::max();
        if (error == std::errc{} && end == text.data() + text.size() && value > 0 && value <= largest) return;
        say(fmt::format("'{}': '{}' is no number from 1 to {}", directive, text, largest),
            fmt::format("{} is of type {}: give a number in its unit", name_of_time(), type));
    }

    /// TimescaleDB asks it what time it is, since an integer may count anything.
    void now_function(TimeKind kind, std::string_view type) {
        if (!spec_.integer_now) {
            if (kind == TimeKind::integer && !(spec_.compress_after.empty() && spec_.retention.empty()))
                say("policies over integers need a function that tells what now is",
                    "Add, say: integer_now public.tick");
            return;
        }
        if (kind != TimeKind::integer) return say("'integer_now' is for integers only", "Leave the line out");
        const auto found = source_.exec(
            "SELECT pg_catalog.format_type(p.prorettype, -1) FROM pg_catalog.pg_proc p "
            "JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = $1 AND p.proname = $2 AND p.pronargs = 0",
            pg::Params{}.text(spec_.integer_now->schema).text(spec_.integer_now->name));
        if (found.empty() || found.at(0, 0) != type)
            say(fmt::format("'integer_now': the source has no function {}() that returns {}", *spec_.integer_now, type),
                "It takes no arguments, is STABLE, and returns the type of the time column");
    }

    [[nodiscard]] std::string name_of_time() const { return catalog::detail::plain_identifier(spec_.time); }
    void say(const std::string& what, std::string_view remedy) {
        problems_.push_back(
            fmt::format("{}, line {}: hypertable {}: {}. {}", file_, spec_.line, spec_.table, what, remedy));
    }

    std::string_view file_;
    const HypertableSpec& spec_;
    const TargetFeatures& target_;
    pg::Connection& source_;
    std::vector<catalog::Column> columns_;
    std::vector<std::string> problems_;
};

}  // namespace detail

/// What of the file does not fit the source or the target, each with its line and what to do; empty when all does.
[[nodiscard]] inline std::vector<std::string> check_hypertables(std::string_view file,
                                                                const std::vector<HypertableSpec>& specs,
                                                                const TargetFeatures& target, pg::Connection& source) {
    std::vector<std::string> problems;
    for (const auto& spec : specs)
        for (auto& problem : detail::SpecCheck(file, spec, target, source).run())
            problems.push_back(std::move(problem));
    return problems;
}

/// What a time column holds that no hypertable takes.
struct TimeNulls {
    bool possible = false;  ///< the column may be NULL
    std::int64_t rows = 0;  ///< that have NULL there, as the session sees them
};

/// Reads the whole table where the column may be NULL.
[[nodiscard]] inline TimeNulls count_time_nulls(pg::Connection& source, const catalog::QualifiedName& table,
                                                std::string_view column) {
    const auto nullable = source.exec(
        "SELECT NOT a.attnotnull FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND NOT a.attisdropped",
        pg::Params{}.text(table.schema).text(table.name).text(column));
    if (nullable.empty() || !nullable.boolean(0, 0)) return {};
    const auto count = source.exec(fmt::format("SELECT pg_catalog.count(*) FROM ONLY {} WHERE {} IS NULL",
                                               table.quoted(), pg::quote_identifier(column)));
    return {.possible = true, .rows = count.number<std::int64_t>(0, 0)};
}

}  // namespace tslive::timescale
