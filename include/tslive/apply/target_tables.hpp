#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/apply/change.hpp"
#include "tslive/apply/chunk_knowledge.hpp"
#include "tslive/apply/target_table.hpp"
#include "tslive/catalog/columns.hpp"
#include "tslive/catalog/drift.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/keys.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/triggers.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pgoutput/relation_cache.hpp"

namespace tslive::apply {

/// What the base copy knows of a relation of the stream, which is named by its OID: names change hands.
enum class Standing {
    ours,        ///< copied, or the stream has all of it
    made_later,  ///< made after the snapshot, and still there
    gone,        ///< made after the snapshot, and dropped since: nothing of it will be missed
};

/// What is known about the source's relations besides their Relation messages.
struct SourceKnowledge {
    /// The consistent point a table was copied under; none: that of the migration's snapshot.
    std::function<std::optional<Lsn>(const catalog::QualifiedName&)> copied_at;
    /// None: every table is ours.
    std::function<Standing(const catalog::QualifiedName&, RelationId)> standing;
    /// The name under which the table was copied, which is the target's unless somebody renamed it there, too.
    std::function<std::optional<catalog::QualifiedName>(RelationId)> copied_as;
    /// The base data of the table was left out at the user's wish.
    std::function<bool(const catalog::QualifiedName&)> data_left_out;
    /// Changes of the table are not ours to apply, such as those of an extension's own tables.
    std::function<bool(const catalog::QualifiedName&)> not_ours;
    /// The columns of a relation that the source computes, and of which the stream carries no values.
    std::function<std::vector<std::string>(RelationId)> generated;
    /// The partitioned tables above a partition, nearest first, as the source has them now.
    std::function<std::vector<catalog::QualifiedName>(RelationId)> ancestors;
    /// The table of the target that the rows of a source's table were copied into, and back. OIDs, because names change
    /// hands.
    std::function<std::optional<RelationId>(RelationId)> target_of, source_of;
    /// What of the relation is another than when its rows were copied, and not so on the target yet. Nothing: the changes
    /// are of a table that is no more, and are left out.
    std::function<std::optional<catalog::Drift>(const pgoutput::CachedRelation&, const catalog::QualifiedName& target,
                                                std::span<const catalog::Column> there)>
        drift;
    /// None: no table of the source has chunks.
    std::shared_ptr<ChunkKnowledge> chunks = {};
};

/// A change arrived of a table that was made after the snapshot, or dropped and made again under its name. The stream
/// does not have all
/// of it (its UPDATEs were not published), so it has to be copied under a new snapshot before its changes can be
/// applied.
class UnknownTable : public Error {
public:
    UnknownTable(RelationId table, const std::string& what, std::string remedy)
        : Error(Recovery::operator_action, what, std::move(remedy)), table_(table) {}
    /// On the source; its name may have changed since.
    [[nodiscard]] RelationId table() const noexcept { return table_; }

private:
    RelationId table_;
};

/// A change arrived of a table that the target's cannot take as it is: its definition differs, or it is not the one that
/// the rows were copied into.
class TableChanged : public Error {
public:
    TableChanged(RelationId table, bool mended, bool copy_again, const std::string& what, std::string remedy)
        : Error(Recovery::operator_action, what, std::move(remedy)), table_(table), mended_(mended),
          copy_again_(copy_again) {}
    [[nodiscard]] RelationId table() const noexcept { return table_; }  ///< on the source
    /// There is nothing for the operator to do.
    [[nodiscard]] bool mended() const noexcept { return mended_; }
    /// What its rows hold is not known: they have to be copied again.
    [[nodiscard]] bool copy_again() const noexcept { return copy_again_; }

private:
    RelationId table_;
    bool mended_, copy_again_;
};

/// Finds, for a relation of the stream, the table of the target and how rows are found in it. One thread; uses its own
/// session.
class TargetTables {
public:
    TargetTables(pg::Connection& target, SourceKnowledge knowledge)
        : target_(&target), knowledge_(std::move(knowledge)) {
        // Thousands of tables may be looked up one by one, and none of that reads a catalog whole.
        target.exec(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET "
            "enable_mergejoin = off; SET max_parallel_workers_per_gather = 0");
        hypertables_ = catalog::has_extension(target, "timescaledb");
    }

    /// @returns nothing for a relation whose changes are left out; else an object that lives as long as this one
    /// @throws Error  (operator_action) when table or columns are missing on the target, with the statement that mends
    ///                  it
    [[nodiscard]] const TargetTable* resolve(const pgoutput::CachedRelation& relation,
                                             const TransactionName& transaction);

    /// For a table whose chunk was missing: once more, as the transaction that is open on `applying` sees the target.
    [[nodiscard]] const TargetTable* settle(const TargetTable& table, const pgoutput::CachedRelation& relation,
                                            pg::Connection& applying);
    /// Rows of tables with chunks are sought through the table, whatever chunk they should be in: for batches in which they were not
    /// found there.
    void seek_through_tables(bool so) noexcept { through_tables_ = so; }
    [[nodiscard]] ChunkKnowledge* chunks() const noexcept { return knowledge_.chunks.get(); }

    /// The partitioned tables whose foreign keys forbid a TRUNCATE of `tables` although all their partitions are among
    /// them: the stream names partitions only. To name them as well empties nothing more.
    [[nodiscard]] std::vector<catalog::QualifiedName> emptied_with(std::span<const TargetTable* const> tables);

private:
    struct Found {
        RelationId id;
        catalog::QualifiedName name;
        bool partitioned = false;
        bool has_triggers = false;  ///< that act on what we do
        bool unlogged = false;
        bool above = false;  ///< not the relation itself, but what it is a partition of on the source
        bool hypertable = false;
    };
    [[nodiscard]] const TargetTable* resolve_elsewhere(const pgoutput::CachedRelation& relation, const Route& route,
                                                       const TransactionName& transaction);
    [[nodiscard]] const TargetTable* resolve_chunk(const pgoutput::CachedRelation& relation, const Route& route,
                                                   const TransactionName& transaction);
    [[nodiscard]] const TargetTable* passed_over(const pgoutput::CachedRelation& relation,
                                                 const catalog::QualifiedName& name, Lsn copied_at);
    /// What the definitions on both sides say about the table's rows.
    void take_definition(TargetTable& table, const pgoutput::CachedRelation& relation, const Found& found,
                         const std::vector<catalog::Column>& columns, const TransactionName& transaction);
    void take_route(TargetTable& table, const Route& route) const;
    void take_dimensions(TargetTable& table, RelationId id);
    [[nodiscard]] std::optional<Found> find(const catalog::QualifiedName& name);
    [[nodiscard]] std::optional<Found> find_unless_anothers(const catalog::QualifiedName& name, RelationId relation);
    [[nodiscard]] Found find_or_throw(const pgoutput::CachedRelation& relation, const catalog::QualifiedName& name,
                                      const catalog::QualifiedName& sent, const TransactionName& transaction);
    /// @returns false for a table that is gone from the source
    [[nodiscard]] bool expect_no_drift(const pgoutput::CachedRelation& relation, const Found& found,
                                       const std::vector<catalog::Column>& there, const TransactionName& transaction);
    void take_columns(TargetTable& table, const pgoutput::CachedRelation& relation,
                      const std::vector<catalog::Column>& columns, const TransactionName& transaction) const;
    void refuse_triggers(const Found& found, const TransactionName& transaction);
    void refuse_values_that_never_come(const TargetTable& table, const pgoutput::CachedRelation& relation,
                                       const TransactionName& transaction) const;
    void choose_match(TargetTable& table, const pgoutput::CachedRelation& relation, RelationId id);
    void take_row_type(TargetTable& table, const pgoutput::CachedRelation& relation, RelationId id);

    pg::Connection* target_;
    SourceKnowledge knowledge_;
    bool hypertables_ = false;  // the target may have some
    bool through_tables_ = false;
    std::deque<TargetTable> made_;  // a deque: addresses stay
};

}  // namespace tslive::apply

#include "tslive/apply/impl/target_tables.ipp"
