#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/tables.hpp"
#include "tslive/copy/halves.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/conninfo.hpp"

namespace tslive::copy {

/// A table of the source that holds a part of another one's rows, and has another name on the target (a chunk).
struct PartTable {
    catalog::QualifiedName there;  ///< where its rows go
    catalog::QualifiedName whole;  ///< whose indexes are built when all parts are complete; its name on the source
};

/// What a base copy needs to know. A value type; the same one is given to all steps of this module.
struct Options {
    pg::ConnInfo source;
    pg::ConnInfo target;
    std::string migration_id;  ///< eight hex digits
    std::string snapshot;      ///< exported on the source; when it cannot be imported any more, a new one is made
    Lsn consistent_point;      ///< of that snapshot
    int table_jobs = 8;        ///< sessions on the source at most, and as many on the target
    int index_jobs = 8;        ///< more sessions on the target
    std::int64_t split_tables_larger_than = std::int64_t{1} << 30;  ///< bytes of heap and TOAST
    std::vector<catalog::QualifiedName> skip_data;  ///< tables whose rows stay behind; their indexes are built
    /// Not empty: these tables alone, which the migration's snapshot could not know, under a new snapshot.
    std::vector<catalog::QualifiedName> only_new = {};
    std::function<void()> on_rows_complete =
        {};  ///< called when no snapshot is needed any more, before the last indexes are built
    /// Extensions whose configuration tables somebody else copies.
    std::vector<std::string> configuration_elsewhere = {};
    /// Tables without rows, whose children have some: a TRUNCATE would reach those.
    std::set<catalog::QualifiedName> without_rows = {};
    Halves halves = {};
    /// Asked on the source: relations that are no business of ours, with their rows, indexes and foreign keys.
    std::function<std::set<RelationId>(pg::Connection&)> elsewhere = {};
    /// Types of columns (catalog::Column::type_name) whose values cannot be taken as they are: an expression of `{}`, the column.
    std::map<std::string, std::string> read_as = {};
    std::set<catalog::QualifiedName> skip_indexes = {};  ///< not built, with the constraints that they belong to
    std::set<std::pair<catalog::QualifiedName, std::string>> skip_foreign_keys = {};  ///< table and name
    /// Tables of the target that take neither ONLY nor a constraint over an index that is there (hypertables). Not set: none.
    std::function<std::set<catalog::QualifiedName>(pg::Connection& target)> without_only = {};
    std::map<catalog::QualifiedName, PartTable> part_tables = {};  ///< by their names on the source
    /// Asked on the source, as a snapshot shows it: relations whose rows are no business of ours. Not set: as `elsewhere`.
    std::function<std::set<RelationId>(pg::Connection& source)> rows_elsewhere = {};
    /// Asked on the source likewise: tables that are read as a whole from the first (`halves.state` says whether that can be). Not
    /// set: none.
    std::function<std::set<RelationId>(pg::Connection& source)> read_whole = {};

    [[nodiscard]] std::set<RelationId> relations_elsewhere(pg::Connection& source_session) const {
        return elsewhere ? elsewhere(source_session) : std::set<RelationId>{};
    }
    /// What a table of the source is called on the target.
    [[nodiscard]] const catalog::QualifiedName& name_there(const catalog::QualifiedName& name) const {
        const auto found = part_tables.find(name);
        return found == part_tables.end() ? name : found->second.there;
    }
};

/// A table whose rows are on the target, and as of when: the applier skips its changes that commit before
/// `consistent_point`.
struct CopiedTable {
    catalog::Table table;
    std::int64_t rows = 0;
    Lsn consistent_point;
};

/// Asks `options.without_only`, if it is there to be asked.
[[nodiscard]] inline std::set<catalog::QualifiedName> tables_without_only(const Options& options,
                                                                          pg::Connection& target) {
    return options.without_only ? options.without_only(target) : std::set<catalog::QualifiedName>{};
}

/// Our schema on the target, and the prefix of our names on the source.
[[nodiscard]] inline std::string helper_schema(std::string_view migration_id) {
    return fmt::format("tslive_{}", migration_id);
}

}  // namespace tslive::copy
