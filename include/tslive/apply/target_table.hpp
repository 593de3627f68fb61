#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tslive/catalog/name.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"

namespace tslive::apply {

/// How the row of an UPDATE or DELETE is found on the target.
enum class Match {
    by_key,      ///< a unique key of the target whose columns the change carries
    by_content,  ///< no such key: the row with the identity's content; with REPLICA IDENTITY FULL one such, whichever
    none,        ///< no replica identity: only INSERT and TRUNCATE arrive
};

/// A column that arrives and is written.
struct TargetColumn {
    std::size_t source_index = 0;  ///< in the rows of the stream
    std::string name;
    TypeId type{};          ///< on the target
    std::string type_name;  ///< for a cast, without modifier: the assignment then checks the length instead of cutting
    std::string base_type = {};      ///< see catalog::Column; empty: no domain
    std::string read_from = "text";  ///< see catalog::Column
    bool identity = false;           ///< part of the source's replica identity
    bool always_generated = false;   ///< GENERATED ALWAYS AS IDENTITY: UPDATE may not set it
};

struct KeyColumn {
    std::size_t column = 0;      ///< index in TargetTable::columns
    std::string equality;        ///< `OPERATOR("pg_catalog".=)`
    std::string collation = {};  ///< by which the key compares, where it is not the column's; else empty
};

/// The target table's row type: what a row is made of that is sent as one value.
struct RowType {
    struct Column {
        TypeId type;
        std::optional<std::size_t> index;  ///< in TargetTable::columns; none: not sent, NULL
    };
    TypeId id;                    ///< pg_class.reltype
    std::vector<Column> columns;  ///< of the table, dropped ones left out
};

/// Where the changes of one source relation go, in one version of its definition. Immutable once made.
struct TargetTable {
    RelationId source;
    catalog::QualifiedName name;  ///< on the target; the source's unless a partition is written through its root
    bool only = true;             ///< statements say ONLY: children of an inheritance parent are tables of their own
    /// Rows are in chunks: they are inserted through this table, and `name` is the chunk in which they are sought, or the table itself.
    std::optional<catalog::QualifiedName> hypertable = {};
    std::optional<catalog::QualifiedName> chunk = {};  ///< of the target, for the rows of a chunk of the source
    std::vector<catalog::QualifiedName> pieces = {};   ///< instead of `chunk`, where several have its rows
    bool chunk_missing = false;  ///< there was no such chunk when we looked: look again before rows are sought
    /// The source's table has no chunks, so that an UPDATE there may move a row to another chunk here.
    std::vector<std::string> dimensions = {};
    bool dimensions_in_key = false;  ///< only a change of the key can do that
    bool one_by_one = false;         ///< each UPDATE and DELETE by itself, with its values in the plan
    bool observed = false;           ///< a table of the source's catalog that says where other tables' rows belong
    bool truncate_only = false;      ///< of its changes only TRUNCATE is applied
    Match match = Match::none;
    bool whole_rows = false;  ///< REPLICA IDENTITY FULL: an identity is the whole row, and may stand for several
    std::vector<TargetColumn> columns;
    std::vector<KeyColumn> key;  ///< match == by_key
    /// Where values in binary form may be sent: each column has the source's type. None: only text.
    std::optional<RowType> row_type;
    std::vector<std::string> target_only;  ///< columns that only the target has and that can be written
    bool shared = false;  ///< rows of other source tables are in it too: a partition written through its root
    bool rows_may_be_missing = false;  ///< its base data was left out at the user's wish: misses are counted, not fatal
    bool passed_over = false;          ///< made for a change before `copied_at`, and of no use for a later one
    Lsn copied_at;                     ///< changes that commit before it are in the base copy
    std::uint64_t number = 0;          ///< distinct for each object of this type, for names of prepared statements

    /// The changes are of a chunk of the source.
    [[nodiscard]] bool of_chunk() const { return chunk || chunk_missing || one_by_one || truncate_only; }
    /// Where INSERT and COPY go, and whose row type rows have.
    [[nodiscard]] const catalog::QualifiedName& rows_into() const { return hypertable ? *hypertable : name; }
    /// An UPDATE has to be a DELETE and an INSERT: it may set what UPDATE cannot.
    [[nodiscard]] bool updates_replace() const { return has_always_generated() || !dimensions.empty(); }
    [[nodiscard]] bool has_always_generated() const {
        for (const auto& column : columns)
            if (column.always_generated) return true;
        return false;
    }
};

}  // namespace tslive::apply
