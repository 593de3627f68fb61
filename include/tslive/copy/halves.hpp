#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::copy {

/// Tables whose rows are in two places: in the table itself, and in another one in a form of its own (a chunk of TimescaleDB's, and
/// what of it is compressed). Rows move between the two without having changed.
///
/// Under the migration's snapshot each half is copied as it is, like any table. When one of them cannot be read so (it was
/// rewritten, it is gone, the snapshot is), the other is of no use: the table is read as a whole under a later snapshot, by a
/// query, which sees both halves, and goes into the target's table; the target's other half is emptied.
struct Halves {
    /// Each such table, with its other half if there is one on the target.
    std::map<catalog::QualifiedName, std::optional<catalog::QualifiedName>> tables = {};
    std::map<catalog::QualifiedName, catalog::QualifiedName> whole_of = {};  ///< the same, from the other halves
    /// Where the table's rows are, as the session sees it. The server plans a query by what is so now, not by what was so in a
    /// snapshot: rows read are the snapshot's only while this is the same in both.
    std::function<std::string(pg::Connection& source, const catalog::QualifiedName&)> state = {};
    /// Tells the target that the table holds all of its rows, or will. In the transaction that empties both halves.
    std::function<void(pg::Connection& target, const catalog::QualifiedName&)> join = {};

    void add(const catalog::QualifiedName& table, const std::optional<catalog::QualifiedName>& other) {
        tables.emplace(table, other);
        if (other) whole_of.emplace(*other, table);
    }
};

}  // namespace tslive::copy
