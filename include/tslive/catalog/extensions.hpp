#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/catalog/name.hpp"
#include "tslive/catalog/relation.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

/// A table or sequence of an extension whose content belongs to the user (pg_extension_config_dump).
struct ConfigurationTable {
    RelationId id;
    QualifiedName name;
    RelationKind kind = RelationKind::table;
    std::string condition;  ///< `WHERE …`, or empty: all rows
};

struct Extension {
    std::string name;
    std::string version;
    std::string schema;
    std::vector<ConfigurationTable> configuration;
};

/// What CREATE EXTENSION would find on a server.
struct AvailableExtension {
    std::string default_version;
    std::set<std::string> versions;
};

/// The extensions installed in the database, by name.
inline std::vector<Extension> extensions(pg::Connection& connection) {
    const auto result = connection.exec(
        "SELECT e.extname, e.extversion, n.nspname, c.oid, cn.nspname, c.relname, c.relkind, coalesce(k.condition, '') "
        "FROM pg_catalog.pg_extension e "
        "JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace "
        "LEFT JOIN LATERAL unnest(e.extconfig, e.extcondition) WITH ORDINALITY "
        "  AS k(relation, condition, position) ON true "
        "LEFT JOIN pg_catalog.pg_class c ON c.oid = k.relation "
        "LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace "
        "ORDER BY e.extname, k.position");
    std::vector<Extension> found;
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        Extension extension{.name = row.text(), .version = row.text(), .schema = row.text(), .configuration = {}};
        if (found.empty() || found.back().name != extension.name) found.push_back(std::move(extension));
        if (const auto id = row.optional_relation())
            found.back().configuration.push_back({.id = *id,
                                                  .name = {row.text(), row.text()},
                                                  .kind = detail::relation_kind(row.letter()),
                                                  .condition = row.text()});
    }
    return found;
}

/// The extensions whose files are on the server, by name.
inline std::map<std::string, AvailableExtension> available_extensions(pg::Connection& connection) {
    const auto result = connection.exec(
        "SELECT a.name, coalesce(a.default_version, ''), v.version FROM pg_catalog.pg_available_extensions a "
        "LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = a.name");
    std::map<std::string, AvailableExtension> found;
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        auto& extension = found[row.text()];
        extension.default_version = row.text();
        if (auto version = row.optional_text()) extension.versions.insert(std::move(*version));
    }
    return found;
}

[[nodiscard]] inline bool has_extension(pg::Connection& connection, std::string_view name) {
    return !connection.exec("SELECT FROM pg_catalog.pg_extension WHERE extname = $1", pg::Params{}.text(name)).empty();
}

}  // namespace tslive::catalog
