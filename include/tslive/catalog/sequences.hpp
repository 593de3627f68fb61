#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/catalog/relation.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

enum class SequenceKind {
    unowned,   ///< made by CREATE SEQUENCE, used by whoever names it
    owned,     ///< serial, or OWNED BY
    identity,  ///< of a GENERATED … AS IDENTITY column
};

struct Sequence {
    RelationId id;
    QualifiedName name;
    SequenceKind kind = SequenceKind::unowned;
    Persistence persistence = Persistence::permanent;
    std::int64_t increment = 1;
    std::optional<RelationId> table;  ///< of an owned or identity sequence
    std::string column;
    std::string extension;  ///< whose member it is; empty: none
};

struct SequenceValue {
    std::int64_t last_value = 0;
    bool is_called = false;  ///< last_value has been handed out
    friend bool operator==(const SequenceValue&, const SequenceValue&) = default;
};

/// All user sequences of every kind (CASES E15), ordered by schema and name. One query.
inline std::vector<Sequence> sequences(pg::Connection& connection) {
    const auto result = connection.exec(fmt::format(
        "SELECT c.oid, n.nspname, c.relname, coalesce(o.deptype, 'n'), c.relpersistence, s.seqincrement, o.refobjid, "
        "  coalesce(a.attname, ''), coalesce(e.extname, '') "
        "FROM pg_catalog.pg_sequence s "
        "JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_catalog.pg_depend o ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
        "  AND o.objid = c.oid AND o.objsubid = 0 AND o.refobjsubid > 0 "
        "  AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.deptype IN ('a', 'i') "
        "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid "
        "{extension_join} "
        "WHERE c.relpersistence <> 't' AND {user_schema} ORDER BY n.nspname, c.relname",
        fmt::arg("extension_join", detail::extension_join), fmt::arg("user_schema", detail::user_schema)));

    const auto kind = [](char dependency) {
        switch (dependency) {
            case 'a': return SequenceKind::owned;
            case 'i': return SequenceKind::identity;
            default: return SequenceKind::unowned;
        }
    };
    std::vector<Sequence> found;
    found.reserve(static_cast<std::size_t>(result.rows()));
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        found.push_back({.id = row.relation(),
                         .name = {row.text(), row.text()},
                         .kind = kind(row.letter()),
                         .persistence = detail::persistence(row.letter()),
                         .increment = row.number<std::int64_t>(),
                         .table = row.optional_relation(),
                         .column = row.text(),
                         .extension = row.text()});
    }
    return found;
}

/// Where some sequences stand now: sequences know no snapshots, so this is the newest value whatever transaction reads.
///
/// @returns  one value for each of `wanted`, in the same order
/// @throws   ServerError when a sequence is gone or may not be read
/// A few hundred sequences a query, which keeps the locks of one transaction below what a small server has room for.
inline std::vector<SequenceValue> read_values(pg::Connection& connection, std::span<const Sequence> wanted) {
    constexpr std::size_t batch = 200;
    std::vector<SequenceValue> values(wanted.size());
    for (std::size_t start = 0; start < wanted.size(); start += batch) {
        std::string sql;
        for (std::size_t i = start; i < std::min(start + batch, wanted.size()); ++i)
            fmt::format_to(std::back_inserter(sql), "{}SELECT {}::pg_catalog.int8, last_value, is_called FROM {}",
                           sql.empty() ? "" : " UNION ALL ", i, wanted[i].name.quoted());
        const auto result = connection.exec(sql);
        for (int r = 0; r < result.rows(); ++r) {
            detail::Row row(result, r);
            auto& value = values.at(row.number<std::size_t>());
            value.last_value = row.number<std::int64_t>();
            value.is_called = row.boolean();
        }
    }
    return values;
}

}  // namespace tslive::catalog
