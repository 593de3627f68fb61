#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/timescale/release.hpp"

/// What the source's tables have, and hypertables of the same name cannot: found before a row is copied, so that nobody hears of it
/// when the indexes are built (CASES H19).
namespace tslive::timescale {

/// The hypertables that are, or are to be: each with its partitioning columns.
using Hypertables = std::map<catalog::QualifiedName, std::vector<std::string>>;

enum class ObjectKind { index, foreign_key, trigger, rule };

/// An object of the source, by all the names that it goes by.
struct SourceObject {
    ObjectKind kind = ObjectKind::index;
    catalog::QualifiedName table;
    std::string name = {};              ///< of the constraint, where an index belongs to one
    catalog::QualifiedName index = {};  ///< of an index; of a foreign key, the one that it refers to
    std::uint32_t catalog_oid = 0;      ///< of the catalog that its oid is of
    std::uint32_t oid = 0;              ///< on the source
    std::uint32_t constraint = 0;       ///< of an index that belongs to one: the constraint's oid
    std::string definition = {};        ///< the statement that makes it

    friend bool operator==(const SourceObject&, const SourceObject&) = default;
};

/// An object, and why a hypertable cannot have it.
struct Incompatible {
    SourceObject object;
    std::string kind;  ///< `primary key`, `foreign key`
    std::string why;

    [[nodiscard]] std::string text() const {
        return fmt::format("{} {} of {}: {}", kind, catalog::detail::plain_identifier(object.name), object.table, why);
    }
};

namespace detail {

inline constexpr std::uint32_t class_of_relations = 1259, class_of_constraints = 2606, class_of_triggers = 2620,
                               class_of_rules = 2618;

/// Joins `n` and `c` to `given`, the names in $1 (schemas) and $2 (tables).
inline constexpr const char* given_tables =
    "unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) AS given (schema, name) "
    "JOIN pg_catalog.pg_namespace n ON n.nspname = given.schema "
    "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = given.name ";

[[nodiscard]] inline pg::Params names_of(const Hypertables& hypertables) {
    std::vector<std::string> schemas, names;
    for (const auto& [table, columns] : hypertables) {
        schemas.push_back(table.schema);
        names.push_back(table.name);
    }
    pg::Params params;
    params.text(catalog::detail::array_text(schemas)).text(catalog::detail::array_text(names));
    return params;
}

[[nodiscard]] inline std::string kind_of_index(std::string_view constraint, bool exclusion) {
    if (constraint == "p") return "primary key";
    if (constraint == "u") return "unique constraint";
    return exclusion ? "exclusion constraint" : "unique index";
}

/// Each chunk keeps its own index, so that two rows with the same key must be in the same chunk to be noticed.
inline void find_keys(pg::Connection& source, const Hypertables& hypertables, std::vector<Incompatible>& found) {
    const auto keys = source.exec(
        fmt::format("SELECT n.nspname, c.relname, xn.nspname, x.relname, x.oid, coalesce(k.oid, 0), "
                    "coalesce(k.conname, x.relname), "
                    "coalesce(k.contype::pg_catalog.text, ''), i.indisexclusion, "
                    "CASE WHEN k.oid IS NULL THEN pg_catalog.pg_get_indexdef(i.indexrelid) ELSE "
                    "pg_catalog.format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname, "
                    "pg_catalog.pg_get_constraintdef(k.oid)) END, "
                    "a.attname FROM {} "
                    "JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion) "
                    "JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid "
                    "JOIN pg_catalog.pg_namespace xn ON xn.oid = x.relnamespace "
                    "CROSS JOIN LATERAL unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS key (number, position) "
                    "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.number "
                    "LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = c.oid "
                    "  AND k.contype IN ('p', 'u', 'x') "
                    "WHERE key.position <= i.indnkeyatts ORDER BY n.nspname, c.relname, x.relname, key.position",
                    given_tables),
        names_of(hypertables));
    std::map<catalog::QualifiedName, std::pair<Incompatible, std::set<std::string>>> by_index;
    for (int r = 0; r < keys.rows(); ++r) {
        catalog::detail::Row row(keys, r);
        SourceObject object{
            .kind = ObjectKind::index, .table = {row.text(), row.text()}, .index = {row.text(), row.text()}};
        object.catalog_oid = class_of_relations;
        object.oid = row.number<std::uint32_t>();
        object.constraint = row.number<std::uint32_t>();
        object.name = row.text();
        const auto constraint = row.text();
        const bool exclusion = row.boolean();
        object.definition = row.text();
        auto& entry = by_index[object.index];
        entry.first = {std::move(object), kind_of_index(constraint, exclusion), {}};
        if (const auto column = row.optional_text()) entry.second.insert(*column);
    }
    for (auto& [name, entry] : by_index) {
        auto& [key, columns] = entry;
        std::vector<std::string> missing;
        for (const auto& column : hypertables.at(key.object.table))
            if (!columns.contains(column)) missing.push_back(catalog::detail::plain_identifier(column));
        if (missing.empty()) continue;
        key.why = fmt::format("it lacks the partitioning column{} {}", missing.size() == 1 ? "" : "s",
                              fmt::join(missing, ", "));
        found.push_back(std::move(key));
    }
}

inline void find_triggers(pg::Connection& source, const Hypertables& hypertables, const Release& release,
                          std::vector<Incompatible>& found) {
    const auto triggers = source.exec(
        fmt::format("SELECT n.nspname, c.relname, t.tgname, t.oid, pg_catalog.pg_get_triggerdef(t.oid), "
                    "t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL, t.tgtype & 1 = 1, t.tgenabled FROM {} "
                    "JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal "
                    "ORDER BY n.nspname, c.relname, t.tgname",
                    given_tables),
        names_of(hypertables));
    for (int r = 0; r < triggers.rows(); ++r) {
        catalog::detail::Row row(triggers, r);
        SourceObject object{
            .kind = ObjectKind::trigger, .table = {row.text(), row.text()}, .name = row.text(), .index = {}};
        object.catalog_oid = class_of_triggers;
        object.oid = row.number<std::uint32_t>();
        object.definition = row.text();
        const bool transition = row.boolean(), each_row = row.boolean();
        const char enabled = row.letter();
        const auto add = [&](std::string why) { found.push_back({object, "trigger", std::move(why)}); };
        if (transition && each_row) add("it is a row trigger with transition tables");
        else if (transition && !release.transition_tables())
            add(fmt::format("TimescaleDB {} knows no triggers with transition tables on hypertables", release.text()));
        else if (enabled != 'O' && !release.switches_triggers())
            add(fmt::format("it is {}, and TimescaleDB {} does not switch the triggers of hypertables",
                            enabled == 'D' ? "disabled" : "ENABLE ALWAYS or REPLICA", release.text()));
    }
}

inline void find_rules(pg::Connection& source, const Hypertables& hypertables, std::vector<Incompatible>& found) {
    const auto rules = source.exec(
        fmt::format("SELECT n.nspname, c.relname, w.rulename, w.oid, pg_catalog.pg_get_ruledef(w.oid) FROM {} "
                    "JOIN pg_catalog.pg_rewrite w ON w.ev_class = c.oid ORDER BY n.nspname, c.relname, w.rulename",
                    given_tables),
        names_of(hypertables));
    for (int r = 0; r < rules.rows(); ++r) {
        catalog::detail::Row row(rules, r);
        SourceObject object{
            .kind = ObjectKind::rule, .table = {row.text(), row.text()}, .name = row.text(), .index = {}};
        object.catalog_oid = class_of_rules;
        object.oid = row.number<std::uint32_t>();
        object.definition = row.text();
        found.push_back({std::move(object), "rule", "hypertables have no rules"});
    }
}

}  // namespace detail

/// The foreign keys of the source that somebody declared, each with the index that it refers to.
[[nodiscard]] inline std::vector<std::pair<SourceObject, catalog::QualifiedName>> declared_foreign_keys(
    pg::Connection& source) {
    const auto keys = source.exec(
        "SELECT n.nspname, c.relname, k.conname, xn.nspname, x.relname, k.oid, "
        "pg_catalog.format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname, "
        "pg_catalog.pg_get_constraintdef(k.oid)), fn.nspname, f.relname FROM pg_catalog.pg_constraint k "
        "JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_catalog.pg_class f ON f.oid = k.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace "
        "JOIN pg_catalog.pg_class x ON x.oid = k.conindid JOIN pg_catalog.pg_namespace xn ON xn.oid = x.relnamespace "
        "WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relpersistence <> 't' "
        "ORDER BY n.nspname, c.relname, k.conname");
    std::vector<std::pair<SourceObject, catalog::QualifiedName>> found;
    for (int r = 0; r < keys.rows(); ++r) {
        catalog::detail::Row row(keys, r);
        SourceObject object{.kind = ObjectKind::foreign_key,
                            .table = {row.text(), row.text()},
                            .name = row.text(),
                            .index = {row.text(), row.text()}};
        object.catalog_oid = detail::class_of_constraints;
        object.oid = row.number<std::uint32_t>();
        object.definition = row.text();
        found.emplace_back(std::move(object), catalog::QualifiedName{row.text(), row.text()});
    }
    return found;
}

/// Everything that the source's tables have and the hypertables cannot, ordered by table within each kind.
/// @param release  the target's
[[nodiscard]] inline std::vector<Incompatible> incompatible_objects(pg::Connection& source,
                                                                    const Hypertables& hypertables,
                                                                    const Release& release) {
    std::vector<Incompatible> found;
    if (hypertables.empty()) return found;
    detail::find_keys(source, hypertables, found);
    std::set<catalog::QualifiedName> left_out;
    for (const auto& key : found) left_out.insert(key.object.index);
    for (auto& [key, referenced] : declared_foreign_keys(source)) {
        std::string why;
        if (hypertables.contains(referenced)) {
            if (hypertables.contains(key.table))
                why = fmt::format("it refers from a hypertable to the hypertable {}", referenced);
            else if (!release.foreign_keys_to_hypertables())
                why = fmt::format("it refers to the hypertable {}, which TimescaleDB {} does not support", referenced,
                                  release.text());
            else if (left_out.contains(key.index))
                why = fmt::format("it refers to a key of {} that lacks a partitioning column", referenced);
        }
        if (!why.empty()) found.push_back({std::move(key), "foreign key", std::move(why)});
    }
    detail::find_triggers(source, hypertables, release, found);
    detail::find_rules(source, hypertables, found);
    return found;
}

/// A hypertable whose rows the source names by columns that do not tell the chunk.
struct VagueIdentity {
    catalog::QualifiedName table;
    std::vector<std::string> columns;     ///< of the identity
    std::vector<std::string> dimensions;  ///< partitioning columns

    /// What to run on the source for the identity to have them.
    [[nodiscard]] std::string statements() const {
        auto all = columns;
        for (const auto& column : dimensions)
            if (std::find(all.begin(), all.end(), column) == all.end()) all.push_back(column);
        for (auto& column : all) column = pg::quote_identifier(column);
        const auto index = pg::quote_identifier(table.name + "_tslive_identity");
        return fmt::format("CREATE UNIQUE INDEX {0} ON {1} ({2}); ALTER TABLE {1} REPLICA IDENTITY USING INDEX {0};",
                           index, table.quoted(), fmt::join(all, ", "));
    }
    /// What to run on the target where that is no option.
    [[nodiscard]] std::string target_statement() const {
        std::vector<std::string> quoted;
        for (const auto& column : columns) quoted.push_back(pg::quote_identifier(column));
        return fmt::format("CREATE INDEX ON {} ({});", table.quoted(), fmt::join(quoted, ", "));
    }
};

/// UPDATE and DELETE on these look into every chunk (CASES H17).
[[nodiscard]] inline std::vector<VagueIdentity> vague_identities(pg::Connection& source,
                                                                 const Hypertables& hypertables) {
    std::vector<VagueIdentity> found;
    if (hypertables.empty()) return found;
    const auto identities = source.exec(
        fmt::format("SELECT n.nspname, c.relname, a.attname FROM {} "
                    "JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisvalid "
                    "  AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END "
                    "CROSS JOIN LATERAL unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS key (number, position) "
                    "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.number "
                    "WHERE key.position <= i.indnkeyatts ORDER BY n.nspname, c.relname, key.position",
                    detail::given_tables),
        detail::names_of(hypertables));
    for (int r = 0; r < identities.rows(); ++r) {
        catalog::detail::Row row(identities, r);
        catalog::QualifiedName table{row.text(), row.text()};
        if (found.empty() || found.back().table != table)
            found.push_back({.table = table, .columns = {}, .dimensions = hypertables.at(table)});
        found.back().columns.push_back(row.text());
    }
    std::erase_if(found, [](const VagueIdentity& identity) {
        return std::ranges::all_of(identity.dimensions, [&](const std::string& column) {
            return std::find(identity.columns.begin(), identity.columns.end(), column) != identity.columns.end();
        });
    });
    return found;
}

}  // namespace tslive::timescale
