#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/catalog/databases.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/checks/options.hpp"
#include "tslive/checks/source_objects.hpp"
#include "tslive/checks/target.hpp"

/// Checks that hold the two ends against each other.
namespace tslive::checks {

[[nodiscard]] inline Verdict judge_different_databases(const catalog::Database& source,
                                                       const catalog::Database& target) {
    if (source.system_identifier != target.system_identifier) return passed("source and target are different servers");
    if (source.oid == target.oid && source.name == target.name)
        return fatal(
            fmt::format("the target is the source (database {}, system identifier {}), or a physical copy of it",
                        source.name, source.system_identifier),
            "Check both connection strings; the target must be a database of its own");
    return note(fmt::format("databases {} and {} are on the same server", source.name, target.name));
}

[[nodiscard]] inline Verdict judge_versions(const catalog::Capabilities& source, const catalog::Capabilities& target) {
    for (const auto* server : {&source, &target})
        if (!server->known())
            return fatal(fmt::format("the {} has version {}, and this release knows 12 to 18",
                                     server == &source ? "source" : "target", server->text()),
                         "Use a server of a version that is supported, or a release of ts-live that knows this one");
    if (target.major() < source.major())
        return fatal(fmt::format("the target's version {} is older than the source's {}", target.text(), source.text()),
                     "Use a target of the source's version or a newer one");
    return passed(fmt::format("version {} to version {}", source.text(), target.text()));
}

/// Text travels as UTF-8, or as bytes when the source's encoding is SQL_ASCII (CASES D30).
[[nodiscard]] inline Verdict judge_encodings(std::string_view source, std::string_view target) {
    const auto remedy = fmt::format("Create the target database with ENCODING '{}' TEMPLATE template0", source);
    if (source == target) return passed(fmt::format("both databases are in {}", source));
    if (source == "SQL_ASCII")
        return fatal(
            fmt::format(
                "the source is in SQL_ASCII, so that nobody knows the encoding of its text, and the target in {}",
                target),
            remedy);
    if (target == "SQL_ASCII")
        return warning(
            fmt::format(
                "the source is in {}, and the target in SQL_ASCII, which will hold UTF-8 that it does not check",
                source),
            remedy);
    if (target == "UTF8") return note(fmt::format("text is converted from {} to UTF8", source));
    return fatal(fmt::format("the source is in {} and the target in {}, which may lack characters of the source",
                             source, target),
                 remedy);
}

[[nodiscard]] inline Verdict judge_locales(const catalog::Database& source, const catalog::Database& target) {
    if (source.collation == target.collation && source.ctype == target.ctype &&
        source.locale_provider == target.locale_provider)
        return passed(fmt::format("both databases sort by {}", source.collation));
    return warning(
        fmt::format(
            "the source sorts by {}/{} ({}), the target by {}/{} ({}): ORDER BY and text comparisons will differ",
            source.collation, source.ctype, source.locale_provider, target.collation, target.ctype,
            target.locale_provider),
        "Create the target database with the source's LC_COLLATE, LC_CTYPE and provider, TEMPLATE template0");
}

[[nodiscard]] inline Verdict judge_extensions(const std::vector<catalog::Extension>& installed,
                                              const std::set<std::string>& skipped,
                                              const std::map<std::string, catalog::AvailableExtension>& available) {
    std::vector<std::string> missing, other_version;
    for (const auto& extension : installed) {
        if (skipped.contains(extension.name)) continue;
        const auto found = available.find(extension.name);
        if (found == available.end()) missing.push_back(fmt::format("{} {}", extension.name, extension.version));
        else if (!found->second.versions.contains(extension.version))
            other_version.push_back(
                fmt::format("{} {} (target: {})", extension.name, extension.version, found->second.default_version));
    }
    if (!missing.empty())
        return fatal(fmt::format("extensions that the target does not offer: {}", listed(missing)),
                     "Install them on the target's server, or leave them out with --skip-extensions");
    if (!other_version.empty())
        return warning(fmt::format("the target offers other versions of: {}", listed(other_version)),
                       "Read the extensions' notes on upgrades, or ALTER EXTENSION … UPDATE on the source first");
    return passed("the target offers all extensions of the source");
}

/// @param conflicts  objects of the source whose names are taken on the target
[[nodiscard]] inline Verdict judge_empty_target(const std::vector<std::string>& conflicts, bool resuming) {
    if (conflicts.empty()) return passed("the target has none of the source's objects");
    if (resuming)
        return passed(
            fmt::format("the target has {} of the source's objects already: this run resumes", conflicts.size()));
    return fatal(fmt::format("the target has {} objects of the same names as the source's: {}", conflicts.size(),
                             listed(conflicts)),
                 "Use an empty database, or drop them; --resume continues an earlier run");
}

/// A collation that the source's objects need.
struct NeededCollation {
    catalog::QualifiedName name;
    char provider = 'c';  ///< pg_collation.collprovider: 'c' libc, 'i' ICU, 'b' builtin
    std::string locale;   ///< of libc: collcollate
};

/// What the target can offer.
struct OfferedCollations {
    std::set<std::string> built_in;      ///< names in pg_catalog that suit the database's encoding
    std::set<std::string> libc_locales;  ///< normalised, see normal_locale()
    bool icu = false;
};

/// `de_DE.UTF-8` and `de_DE.utf8` are the same locale.
[[nodiscard]] inline std::string normal_locale(std::string_view locale) {
    std::string out;
    const auto dot = locale.find('.');
    out = locale.substr(0, dot);
    if (dot == std::string_view::npos) return out;
    for (const char c : locale.substr(dot))
        if (c != '-') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

[[nodiscard]] inline Verdict judge_collations(const std::vector<NeededCollation>& needed,
                                              const OfferedCollations& offered) {
    std::vector<catalog::QualifiedName> missing;
    for (const auto& collation : needed) {
        const bool there = collation.name.schema == "pg_catalog" ? offered.built_in.contains(collation.name.name)
                           : collation.provider == 'i'           ? offered.icu
                           : collation.provider == 'c' ? offered.libc_locales.contains(normal_locale(collation.locale))
                                                       : true;
        if (!there) missing.push_back(collation.name);
    }
    if (missing.empty()) return passed("the target has every collation that is used");
    return fatal(fmt::format("the target's server lacks collations that the source uses: {}", listed(missing)),
                 "Install the locales on the target's machine and SELECT pg_import_system_collations('pg_catalog'), or "
                 "use a server built with ICU; or change the columns' collation on the source");
}

namespace detail {

inline Verdict check_extensions(End& source, End& target, const Options& options) {
    if (options.skip_all_extensions) return note("extensions are left out, as was asked");
    std::set<std::string> skipped(options.skip_extensions.begin(), options.skip_extensions.end());
    skipped.insert("timescaledb");  // a check of its own
    return judge_extensions(catalog::extensions(source.connection), skipped,
                            catalog::available_extensions(target.connection));
}

/// CASES E10: what is left out takes with it whatever is made of it.
inline Verdict check_skipped_extensions(End& source, const Options& options) {
    if (!options.skip_all_extensions && options.skip_extensions.empty()) return passed("no extension is left out");
    pg::Params params;
    params.boolean(options.skip_all_extensions).text(catalog::detail::array_text(options.skip_extensions));
    const auto rows = source.connection.exec(
        "SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) || ' (' || e.extname || ')' "
        "FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_depend m "
        "  ON m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND m.refobjid = e.oid AND m.deptype = 'e' "
        "JOIN pg_catalog.pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype IN ('n', 'a') "
        "WHERE e.extname NOT IN ('plpgsql', 'timescaledb') AND ($1::pg_catalog.bool OR e.extname = ANY "
        "($2::pg_catalog.text[])) "
        "AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = d.classid AND x.objid = d.objid "
        "  AND x.deptype = 'e') AND d.classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, "
        "  'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass, "
        "  'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_attrdef'::pg_catalog.regclass, "
        "  'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass, "
        "  'pg_catalog.pg_policy'::pg_catalog.regclass) ORDER BY 1",
        params);
    std::vector<std::string> users;
    for (int row = 0; row < rows.rows(); ++row) users.push_back(rows.text(row, 0));
    if (users.empty()) return passed("nothing is made of the extensions that are left out");
    return warning(fmt::format("{} objects are made of extensions that are left out: {}", users.size(), listed(users)),
                   "Restoring them stops unless the target has what they need by then: create it there, or drop them "
                   "on the source");
}

/// `relation public.orders`, `type public.mood`, `function public.f(integer)`, of users and of no extension.
[[nodiscard]] inline std::set<std::string> object_names(pg::Connection& connection, bool with_extension_members) {
    const auto result = connection.exec(fmt::format(
        "SELECT o.kind, n.nspname, o.name, o.arguments FROM ("
        "  SELECT 'relation' AS kind, relnamespace AS namespace, relname AS name, '' AS arguments, "
        "    'pg_catalog.pg_class'::pg_catalog.regclass AS class, oid FROM pg_catalog.pg_class "
        "    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't' "
        "  UNION ALL SELECT 'type', typnamespace, typname, '', 'pg_catalog.pg_type'::pg_catalog.regclass, oid "
        "    FROM pg_catalog.pg_type t WHERE typtype IN ('d', 'e', 'r') OR typtype = 'c' "
        "      AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c') "
        "  UNION ALL SELECT 'function', pronamespace, proname, '(' || pg_catalog.oidvectortypes(proargtypes) || ')', "
        "    'pg_catalog.pg_proc'::pg_catalog.regclass, oid FROM pg_catalog.pg_proc) o "
        "JOIN pg_catalog.pg_namespace n ON n.oid = o.namespace "
        "WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
        "  AND ({} OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
        "    WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e'))",
        with_extension_members));
    std::set<std::string> found;
    for (int row = 0; row < result.rows(); ++row)
        found.insert(fmt::format("{} {}{}", result.at(row, 0),
                                 catalog::QualifiedName{result.text(row, 1), result.text(row, 2)}, result.at(row, 3)));
    return found;
}

inline Verdict check_empty_target(End& source, End& target, const Options& options) {
    const auto wanted = object_names(source.connection, false);
    const auto present = object_names(target.connection, true);
    std::vector<std::string> both;
    std::set_intersection(wanted.begin(), wanted.end(), present.begin(), present.end(), std::back_inserter(both));
    return judge_empty_target(both, options.resuming);
}

[[nodiscard]] inline std::vector<NeededCollation> needed_collations(pg::Connection& source) {
    // Those of columns (indexes included, for expressions), and all that users made, since the schema makes them again.
    const auto result = source.exec(
        "SELECT n.nspname, k.collname, k.collprovider, coalesce(k.collcollate, '') FROM pg_catalog.pg_collation k "
        "JOIN pg_catalog.pg_namespace n ON n.oid = k.collnamespace "
        "LEFT JOIN (SELECT DISTINCT a.attcollation FROM pg_catalog.pg_attribute a "
        "    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "    JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace "
        "    WHERE s.nspname !~ '^pg_' AND s.nspname <> 'information_schema' AND NOT a.attisdropped) u "
        "  ON u.attcollation = k.oid "
        "LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_collation'::pg_catalog.regclass "
        "  AND d.objid = k.oid AND d.deptype = 'e' "
        "WHERE n.nspname <> 'pg_catalog' AND d.objid IS NULL "
        "  OR k.collname NOT IN ('default', 'C', 'POSIX') AND u.attcollation IS NOT NULL ORDER BY 1, 2");
    std::vector<NeededCollation> needed;
    for (int row = 0; row < result.rows(); ++row)
        needed.push_back({.name = {result.text(row, 0), result.text(row, 1)},
                          .provider = result.at(row, 2).empty() ? 'c' : result.at(row, 2).front(),
                          .locale = result.text(row, 3)});
    return needed;
}

inline Verdict check_collations(End& source, End& target) {
    const auto needed = needed_collations(source.connection);
    if (needed.empty()) return passed("no collation besides the default is used");
    const auto result = target.connection.exec(
        "SELECT k.collname, k.collprovider, coalesce(k.collcollate, '') "
        "FROM pg_catalog.pg_collation k CROSS JOIN pg_catalog.pg_database d "
        "WHERE d.datname = pg_catalog.current_database() AND k.collencoding IN (-1, d.encoding) "
        "AND k.collnamespace = 'pg_catalog'::pg_catalog.regnamespace");
    OfferedCollations offered{.built_in = {}, .libc_locales = {"C", "POSIX"}, .icu = false};
    for (int row = 0; row < result.rows(); ++row) {
        offered.built_in.insert(result.text(row, 0));
        if (result.at(row, 1) == "i") offered.icu = true;
        if (result.at(row, 1) == "c") offered.libc_locales.insert(normal_locale(result.at(row, 2)));
    }
    return judge_collations(needed, offered);
}

[[nodiscard]] inline std::set<std::string> first_column(const pg::Result& result) {
    std::set<std::string> values;
    for (int row = 0; row < result.rows(); ++row) values.insert(result.text(row, 0));
    return values;
}

inline Verdict check_target_privileges(End& source, End& target) {
    const auto wanted =
        first_column(source.connection.exec(fmt::format("SELECT DISTINCT n.nspname {}", user_relations)));
    const auto create =
        target.connection.exec("SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')");
    const auto closed = first_column(target.connection.exec(
        "SELECT nspname FROM pg_catalog.pg_namespace WHERE NOT pg_catalog.has_schema_privilege(oid, 'CREATE')"));
    std::vector<std::string> both;
    std::set_intersection(wanted.begin(), wanted.end(), closed.begin(), closed.end(), std::back_inserter(both));
    return judge_target_privileges(target.role, create.boolean(0, 0), both);
}

inline Verdict check_roles(End& source, End& target, const Options& options) {
    if (options.skip_roles) return note("roles are left out, as was asked");
    constexpr const char* query = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'";
    const auto wanted = first_column(source.connection.exec(query));
    const auto present = first_column(target.connection.exec(query));
    std::vector<std::string> missing;
    std::set_difference(wanted.begin(), wanted.end(), present.begin(), present.end(), std::back_inserter(missing));
    const auto may = target.connection.exec(
        "SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user");
    return judge_roles(may.boolean(0, 0), missing);
}

}  // namespace detail
}  // namespace tslive::checks
