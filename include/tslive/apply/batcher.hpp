#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tslive/apply/change.hpp"
#include "tslive/apply/target_table.hpp"
#include "tslive/apply/wave_builder.hpp"
#include "tslive/core/clock.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pgoutput/decode.hpp"
#include "tslive/pgoutput/messages.hpp"
#include "tslive/pgoutput/relation_cache.hpp"

namespace tslive::apply {

/// What arrives of a TRUNCATE here.
enum class TruncateList {
    whole,  ///< every table that it named
    part,   ///< some of them are not ours to change: the others may be referred to by those
};

/// What executes changes on the target. All calls come from one thread, in this order: (apply | apply_single |
/// truncate)*, then commit
/// or, after a failure of any call, rollback. The first call after a commit opens the target transaction.
/// Production: Executor. Tests: a recorder that fails on command.
template <typename T>
concept ApplyTarget = requires(T& target, const pgoutput::CachedRelation& relation, const Wave& wave,
                               const TargetTable& table, const Change& change,
                               std::span<const TargetTable* const> tables, TruncateList list, bool restart_identity,
                               const TransactionName& transaction, Lsn end_lsn, ServerTime commit_time) {
    /// Where a relation's changes go; nothing when they are left out on purpose. Stable address.
    { target.table(relation, transaction) } -> std::same_as<const TargetTable*>;
    /// Sends the statements for a wave; a wrong row count may come to light as late as commit().
    target.apply(wave, transaction);
    /// One change that cannot be part of a set: a key change, or one found by content.
    target.apply_single(table, change, transaction);
    target.truncate(tables, list, restart_identity, transaction);
    /// Checks every row count, then commits with the origin at `end_lsn` in the same transaction (laws 2 and 4).
    target.commit(end_lsn, commit_time);
    target.rollback();
};

/// What an ApplyTarget does besides when tables of the target have their rows in chunks.
template <typename T>
concept KnowsChunks = requires(T& target, const pgoutput::CachedRelation& relation, const TargetTable& table,
                               const Change& change, const TransactionName& transaction, std::string_view prefix) {
    /// For a table whose `chunk_missing` is set: where its rows are found now. Everything before has been given.
    { target.settle(table, relation) } -> std::same_as<const TargetTable*>;
    /// Told each change of a table that is `observed`, before apply().
    target.observe(relation, change);
    /// Asked before each row of a chunk and at a transaction's end: whether something has to follow what was observed. Then
    /// follow() is called, after what was gathered.
    { target.has_to_follow() } -> std::same_as<bool>;
    target.follow(transaction);
    /// See ChunkKnowledge.
    { target.has_compressed_rows(table) } -> std::same_as<bool>;
    { target.hides_changes(prefix) } -> std::same_as<std::optional<bool>>;
};

/// When a batch ends. It is also flushed to the target, uncommitted, when its rows outgrow `buffer_bytes` (law 6).
struct BatchLimits {
    std::size_t rows = 100'000;
    /// Each takes locks, with its indexes, and a server has room for some thousands (CASES E14).
    std::size_t tables = 500;
    std::size_t buffer_bytes = 16U << 20;
    std::chrono::milliseconds age{1'000};
};

/// Numbers for status lines and the report, since the start of the process.
struct BatchCounts {
    std::uint64_t transactions = 0, inserts = 0, updates = 0, deletes = 0, truncates = 0, left_out = 0, batches = 0;
    [[nodiscard]] std::uint64_t rows() const noexcept { return inserts + updates + deletes; }
};

/// Turns the decoded stream into batches: whole source transactions in commit order (law 3), grouped, folded, and
/// handed to the target.
///
/// Give it to pgoutput::Decoder as the visitor. One thread. What a target's call throws passes through; call rollback()
/// then, and feed
/// the records again from the batch's beginning.
template <ApplyTarget Target>
class Batcher {
public:
    enum class Mode {
        sets,        ///< changes folded and executed as sets
        row_by_row,  ///< each change by itself, in the source's order: for batches whose sets the target refuses
    };

    Batcher(Target& target, BatchLimits limits) : target_(&target), limits_(limits) {}

    /// @name Position
    /// @{
    /// Transactions that commit before `applied` are passed over, they are on the target; so are those that come a
    /// second time.
    void start_after(Lsn applied) { applied_ = applied; }
    void set_mode(Mode mode) { mode_ = mode; }
    /// Looks up every table again. @pre nothing is pending
    void forget_tables() { destinations_.clear(); }
    [[nodiscard]] Mode mode() const noexcept { return mode_; }
    [[nodiscard]] bool in_transaction() const noexcept { return transaction_.has_value(); }
    /// The open transaction is on the target already.
    [[nodiscard]] bool passing_over() const noexcept { return passed_over_; }
    /// Something is waiting to be committed.
    [[nodiscard]] bool pending() const noexcept { return last_commit_.has_value(); }
    /// A limit is reached, and no source transaction is open: commit() now.
    [[nodiscard]] bool full() const;
    /// End of the last complete transaction, committed or not.
    [[nodiscard]] Lsn complete() const noexcept { return last_commit_ ? last_commit_->end : applied_; }
    /// Where the newest transaction that was begun commits.
    [[nodiscard]] Lsn newest() const noexcept { return transaction_ ? transaction_->commit_lsn : complete(); }
    /// End of the last transaction that is committed on the target, or was there before.
    [[nodiscard]] Lsn applied() const noexcept { return applied_; }
    /// When the source committed what the last commit() brought; nothing before the first.
    [[nodiscard]] std::optional<ServerTime> applied_time() const noexcept { return applied_time_; }
    /// @}

    /// Commits everything complete as one target transaction. @pre !in_transaction()
    void commit();
    /// Forgets everything since the last commit(), on the target too.
    void rollback() noexcept;
    /// A new session of the source begins: it tells its relations anew.
    /// @returns true when an open transaction became void by it: call rollback() then, and leave that transaction out
    ///                  the next time
    [[nodiscard]] bool session_begins();
    /// Executes what is gathered, without committing.
    void flush();

    [[nodiscard]] const BatchCounts& counts() const noexcept { return counts_; }
    /// Called for each logical message of the transactions that are applied, with its prefix and its position.
    std::function<void(std::string_view prefix, Lsn at)> on_message;

    /// @name Visitor
    /// @{
    void on(const pgoutput::Begin& begin);
    void on(const pgoutput::Commit& commit);
    void on(const pgoutput::Origin&) {}
    void on(const pgoutput::Relation& relation, std::optional<Xid>);
    void on(const pgoutput::Type&, std::optional<Xid>) {}
    void on(const pgoutput::Insert& insert, std::optional<Xid>);
    void on(const pgoutput::Update& update, std::optional<Xid>);
    void on(const pgoutput::Delete& removed, std::optional<Xid>);
    void on(const pgoutput::Truncate& truncate, std::optional<Xid>);
    void on(const pgoutput::LogicalMessage& message, std::optional<Xid>);
    /// A transaction that was streamed is given when it has committed, between a Begin and a Commit as any other, and
    /// without what was rolled back.
    void on(const pgoutput::StreamStart&) { expect_transaction("Stream Start"); }
    void on(const pgoutput::StreamStop&) { expect_transaction("Stream Stop"); }
    void on(const pgoutput::StreamCommit&) { unexpected_stream("Stream Commit"); }
    void on(const pgoutput::StreamAbort&) { unexpected_stream("Stream Abort"); }
    /// @}

private:
    struct Destination {
        const TargetTable* table = nullptr;
        std::uint64_t version = 0;
        std::uint64_t batch = 0;  // the last one that changed it
        std::unique_ptr<WaveBuilder> wave;
    };

    [[noreturn]] static void unexpected_stream(std::string_view message) {
        throw Error(Recovery::operator_action,
                    fmt::format("{} stands where only the changes of committed transactions are expected", message));
    }
    void expect_transaction(std::string_view message) const {
        if (!transaction_) unexpected_stream(message);
    }
    /// Nothing when the change is not to be applied: the transaction is on the target, or the table's copy is newer, or
    /// left out.
    Destination* destination(RelationId relation, Row row);
    /// Rows are to be sought in it: looks again for a chunk that was missing.
    void prepare_to_seek(Destination& to, RelationId relation);
    void observe(const Destination& to, RelationId relation, const Change& change);
    void follow_observed();
    template <typename Add>
    void add(Destination& to, Add&& add);
    void single(Destination& to, const Change& change);
    void flush(Destination& to);
    void refuse_half_a_truncate(const pgoutput::Truncate& truncate, std::span<const TargetTable* const> tables);
    void truncate_chunk(Destination& to, RelationId relation, std::span<const TargetTable* const> emptied);
    void after_change();

    Target* target_;
    BatchLimits limits_;
    Mode mode_ = Mode::sets;
    pgoutput::RelationCache relations_;
    std::unordered_map<RelationId, Destination> destinations_;
    std::vector<Destination*> touched_;  // with a wave that holds changes, in the order of the first touch
    Arena arena_;
    std::optional<TransactionName> transaction_;
    bool passed_over_ = false;
    int hidden_ = 0;  // markers that are open in the transaction: changes between them were made by nobody
    struct LastCommit {
        Lsn end;
        ServerTime time;
    };
    std::optional<LastCommit> last_commit_;
    std::chrono::steady_clock::time_point began_;
    std::uint64_t batch_ = 1;
    std::size_t tables_ = 0;    // changed since the last commit
    std::size_t rows_ = 0;      // since the last commit
    std::size_t gathered_ = 0;  // of them, not yet given to the target
    Lsn applied_;
    std::optional<ServerTime> applied_time_;
    BatchCounts counts_;
};

}  // namespace tslive::apply

#include "tslive/apply/impl/batcher.ipp"
