#pragma once

#include <algorithm>

#include <fmt/format.h>

#include "tslive/core/error.hpp"

namespace tslive::apply {

template <ApplyTarget Target>
bool Batcher<Target>::full() const {
    if (!pending() || in_transaction()) return false;
    return rows_ >= limits_.rows || tables_ >= limits_.tables ||
           std::chrono::steady_clock::now() - began_ >= limits_.age;
}

template <ApplyTarget Target>
void Batcher<Target>::commit() {
    if (!last_commit_) return;
    flush();
    target_->commit(last_commit_->end, last_commit_->time);
    applied_ = last_commit_->end;
    applied_time_ = last_commit_->time;
    last_commit_.reset();
    rows_ = tables_ = 0;
    ++batch_;
    ++counts_.batches;
}

template <ApplyTarget Target>
void Batcher<Target>::rollback() noexcept {
    for (auto* destination : touched_) destination->wave->clear();
    touched_.clear();
    arena_.reset();
    gathered_ = 0;
    transaction_.reset();
    last_commit_.reset();
    passed_over_ = false;
    rows_ = tables_ = 0;
    ++batch_;
    relations_.clear();
    destinations_.clear();
    target_->rollback();
}

template <ApplyTarget Target>
bool Batcher<Target>::session_begins() {
    if (in_transaction() && !passed_over_)
        return true;  // its changes are among those gathered: rollback() is all that is left
    flush();
    transaction_.reset();
    passed_over_ = false;
    relations_.clear();
    destinations_.clear();
    return false;
}

template <ApplyTarget Target>
void Batcher<Target>::flush() {
    for (auto* destination : touched_) {
        if (!destination->wave->empty())
            target_->apply(destination->wave->wave(), transaction_.value_or(TransactionName{}));
        destination->wave->clear();
    }
    touched_.clear();
    arena_.reset();
    gathered_ = 0;
}

template <ApplyTarget Target>
void Batcher<Target>::flush(Destination& to) {
    if (to.wave->empty()) return;
    target_->apply(to.wave->wave(), transaction_.value_or(TransactionName{}));
    to.wave->clear();
    std::erase(touched_, &to);
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::Begin& begin) {
    if (transaction_)
        throw Error(Recovery::operator_action,
                    fmt::format("transaction {} begins inside transaction {}", begin.xid, transaction_->xid));
    transaction_ = TransactionName{begin.xid, begin.final_lsn};
    // Not `applied_` alone: after a broken connection the source sends again what was not durable, so that a
    // transaction which is
    // waiting for the commit of this batch may come a second time.
    passed_over_ = begin.final_lsn < complete();
    hidden_ = 0;
    if (!passed_over_ && !last_commit_) began_ = std::chrono::steady_clock::now();
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::Commit& commit) {
    if (!transaction_ || transaction_->commit_lsn != commit.commit_lsn)
        throw Error(Recovery::operator_action,
                    fmt::format("a commit at {} does not belong to the transaction before it", commit.commit_lsn));
    if (!passed_over_) follow_observed();
    const auto ended = std::exchange(transaction_, std::nullopt);
    if (std::exchange(passed_over_, false)) return;
    if (hidden_ != 0)
        throw Error(Recovery::operator_action,
                    fmt::format("transaction {}, which commits at {}, ends between two markers of TimescaleDB's "
                                "compression: which of its changes are the user's is not known",
                                ended->xid, ended->commit_lsn),
                    "Report this with the release of TimescaleDB on the source; nothing of the transaction is applied");
    last_commit_ = LastCommit{commit.end_lsn, commit.commit_time};
    ++counts_.transactions;
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::Relation& relation, std::optional<Xid>) {
    if (relations_.knows(relation)) return;
    if (const auto known = destinations_.find(relation.id); known != destinations_.end()) {
        if (known->second.wave) flush(known->second);  // its rows have the old definition's width
        destinations_.erase(known);
    }
    relations_.update(relation);
}

template <ApplyTarget Target>
auto Batcher<Target>::destination(RelationId id, Row row) -> Destination* {
    if (!transaction_)
        throw Error(Recovery::operator_action,
                    fmt::format("a change of relation {} stands outside of every transaction", id));
    if (passed_over_) return nullptr;
    const auto& relation = relations_.find(id);
    if (row.data() != nullptr) relation.expect_width_of(row);
    auto& destination = destinations_[id];
    const bool resolved =
        destination.version == relation.version && !(destination.table != nullptr && destination.table->passed_over &&
                                                     transaction_->commit_lsn >= destination.table->copied_at);
    if (!resolved) {
        destination.table = target_->table(relation, *transaction_);
        destination.version = relation.version;
        destination.wave = destination.table == nullptr ? nullptr : std::make_unique<WaveBuilder>(*destination.table);
    }
    if (destination.table == nullptr || transaction_->commit_lsn < destination.table->copied_at) {
        if (destination.table == nullptr) ++counts_.left_out;
        return nullptr;
    }
    const bool is_row = row.data() != nullptr;
    if ((hidden_ > 0 && destination.table->hypertable) || (is_row && destination.table->truncate_only)) {
        ++counts_.left_out;
        return nullptr;
    }
    if (destination.table->hypertable) follow_observed();
    if (std::exchange(destination.batch, batch_) != batch_) ++tables_;
    return &destination;
}

template <ApplyTarget Target>
void Batcher<Target>::prepare_to_seek(Destination& to, RelationId relation) {
    if constexpr (KnowsChunks<Target>) {
        if (!to.table->chunk_missing) return;
        flush(to);
        to.table = target_->settle(*to.table, relations_.find(relation));
        to.wave = std::make_unique<WaveBuilder>(*to.table);
    }
}

template <ApplyTarget Target>
void Batcher<Target>::observe(const Destination& to, RelationId relation, const Change& change) {
    if constexpr (KnowsChunks<Target>)
        if (to.table->observed) target_->observe(relations_.find(relation), change);
}

/// A chunk that was dropped may come again in the same transaction.
template <ApplyTarget Target>
void Batcher<Target>::follow_observed() {
    if constexpr (KnowsChunks<Target>)
        if (target_->has_to_follow()) {
            flush();
            target_->follow(*transaction_);
        }
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::LogicalMessage& message, std::optional<Xid>) {
    if (passed_over_) return;
    if constexpr (KnowsChunks<Target>)
        if (const auto hides = message.transactional ? target_->hides_changes(message.prefix) : std::nullopt) {
            hidden_ += *hides ? 1 : -1;
            if (hidden_ < 0)
                throw Error(Recovery::operator_action,
                            fmt::format("the message {} at {} ends what did not begin", message.prefix, message.lsn));
        }
    if (on_message) on_message(message.prefix, message.lsn);
}

template <ApplyTarget Target>
template <typename Add>
void Batcher<Target>::add(Destination& to, Add&& add) {
    const bool first = to.wave->empty();
    if (add(*to.wave) == WaveBuilder::Outcome::flush_first) {
        flush(to);
        if (add(*to.wave) == WaveBuilder::Outcome::flush_first)
            throw Error(Recovery::operator_action,
                        fmt::format("{}: a change does not fit into an empty wave", to.table->name));
        touched_.push_back(&to);
    } else if (first) {
        touched_.push_back(&to);
    }
    after_change();
}

template <ApplyTarget Target>
void Batcher<Target>::single(Destination& to, const Change& change) {
    flush(to);
    target_->apply_single(*to.table, change, *transaction_);
    ++rows_;
}

template <ApplyTarget Target>
void Batcher<Target>::after_change() {
    ++rows_;
    ++gathered_;
    if (mode_ == Mode::row_by_row || arena_.used() + gathered_ * sizeof(Change) >= limits_.buffer_bytes) flush();
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::Insert& insert, std::optional<Xid>) {
    auto* to = destination(insert.relation, insert.new_row);
    if (to == nullptr) return;
    ++counts_.inserts;
    observe(*to, insert.relation, {.kind = ChangeKind::insert, .identity = {}, .row = insert.new_row});
    add(*to, [&](WaveBuilder& wave) { return wave.insert(arena_, insert.new_row); });
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::Update& update, std::optional<Xid>) {
    auto* to = destination(update.relation, update.new_row);
    if (to == nullptr) return;
    ++counts_.updates;
    prepare_to_seek(*to, update.relation);
    const bool carries_identity = update.old_kind != pgoutput::OldRow::none;
    observe(*to, update.relation,
            {.kind = ChangeKind::update,
             .identity = carries_identity ? update.old_row : update.new_row,
             .row = update.new_row});
    if (to->table->match == Match::by_key && !to->table->one_by_one &&
        (to->table->dimensions.empty() || to->table->dimensions_in_key)) {
        if (!carries_identity || !WaveBuilder::key_changes(*to->table, update.old_row, update.new_row)) {
            const auto identity = carries_identity ? update.old_row : Row{};
            return add(*to, [&](WaveBuilder& wave) { return wave.update(arena_, identity, update.new_row); });
        }
        return single(*to, {.kind = ChangeKind::update_key, .identity = update.old_row, .row = update.new_row});
    }
    // A key that does not change is not sent apart from the row that has it; only FULL sends the old row always.
    if (to->table->match == Match::none || (!carries_identity && to->table->whole_rows))
        throw Error(
            Recovery::operator_action,
            fmt::format("{}: an UPDATE arrived that does not say which row it changed (transaction {}, commit at {})",
                        to->table->name, transaction_->xid, transaction_->commit_lsn),
            "Give the table a replica identity on the source, then migrate it anew");
    const bool key_changes = to->table->match == Match::by_key && carries_identity &&
                             WaveBuilder::key_changes(*to->table, update.old_row, update.new_row);
    single(*to, {.kind = key_changes ? ChangeKind::update_key : ChangeKind::update,
                 .identity = carries_identity ? update.old_row : update.new_row,
                 .row = update.new_row});
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::Delete& removed, std::optional<Xid>) {
    auto* to = destination(removed.relation, removed.old_row);
    if (to == nullptr) return;
    ++counts_.deletes;
    prepare_to_seek(*to, removed.relation);
    observe(*to, removed.relation, {.kind = ChangeKind::remove, .identity = removed.old_row, .row = {}});
    if (to->table->match == Match::by_key && !to->table->one_by_one)
        return add(*to, [&](WaveBuilder& wave) { return wave.remove(arena_, removed.old_row); });
    if (to->table->match == Match::none)
        throw Error(
            Recovery::operator_action,
            fmt::format("{}: a DELETE arrived that does not say which row it removed (transaction {}, commit at {})",
                        to->table->name, transaction_->xid, transaction_->commit_lsn),
            "Give the table a replica identity on the source, then migrate it anew");
    single(*to, {.kind = ChangeKind::remove, .identity = removed.old_row, .row = {}});
}

template <ApplyTarget Target>
void Batcher<Target>::on(const pgoutput::Truncate& truncate, std::optional<Xid>) {
    std::vector<const TargetTable*> tables;
    std::vector<RelationId> chunks;
    for (const auto relation : truncate.relations)
        if (auto* to = destination(relation, {}); to != nullptr) {
            if (to->table->shared)
                throw Error(Recovery::operator_action,
                            fmt::format("a TRUNCATE of {} arrived, whose rows are in {} on the target, among others "
                                        "(transaction {}, commit at {})",
                                        relations_.find(relation).name, to->table->name, transaction_->xid,
                                        transaction_->commit_lsn),
                            "Create the missing partition on the target with its rows in it, then go on with --resume");
            if (to->table->of_chunk()) chunks.push_back(relation);
            else tables.push_back(to->table);
        }
    if (tables.empty() && chunks.empty()) return;
    refuse_half_a_truncate(truncate, tables);
    flush();
    if (!tables.empty())
        target_->truncate(
            tables,
            tables.size() + chunks.size() == truncate.relations.size() ? TruncateList::whole : TruncateList::part,
            truncate.restart_identity, *transaction_);
    for (const auto relation : chunks) truncate_chunk(destinations_[relation], relation, tables);
    ++counts_.truncates;
    ++rows_;
}

/// TRUNCATE … CASCADE reaches a hypertable by a foreign key past TimescaleDB: what is compressed of it stays.
template <ApplyTarget Target>
void Batcher<Target>::refuse_half_a_truncate(const pgoutput::Truncate& truncate,
                                             std::span<const TargetTable* const> tables) {
    if constexpr (KnowsChunks<Target>) {
        if (!truncate.cascade || tables.size() < 2) return;
        for (const auto* table : tables)
            if (table->hypertable && target_->has_compressed_rows(*table))
                throw Error(Recovery::operator_action,
                            fmt::format("a TRUNCATE … CASCADE of several tables arrived, {} among them, which has "
                                        "compressed chunks: TimescaleDB leaves their rows on the source when the "
                                        "TRUNCATE came by a foreign key (transaction {}, commit at {})",
                                        table->name, transaction_->xid, transaction_->commit_lsn),
                            "Which rows the source still has is not known here. Begin the migration anew with ts-clean "
                            "and a new snapshot, and TRUNCATE such tables without CASCADE meanwhile");
    }
}

/// A TRUNCATE of the whole table names its chunks as well, which may be others here, and are empty by now.
template <ApplyTarget Target>
void Batcher<Target>::truncate_chunk(Destination& to, RelationId relation,
                                     std::span<const TargetTable* const> emptied) {
    const auto is_emptied = [&] {
        return std::ranges::any_of(emptied,
                                   [&](const TargetTable* table) { return table->name == to.table->hypertable; });
    };
    if (is_emptied()) return;
    // It may have gone with its hypertable's rows, since we looked.
    if constexpr (KnowsChunks<Target>) to.table = target_->settle(*to.table, relations_.find(relation));
    to.wave = std::make_unique<WaveBuilder>(*to.table);
    if (is_emptied()) return;
    auto names = to.table->pieces;
    if (to.table->chunk) names.push_back(*to.table->chunk);  // else no row was ever in it
    for (auto& name : names) {
        auto chunk = *to.table;
        chunk.name = std::move(name);
        chunk.only = false;
        const TargetTable* const one[] = {&chunk};
        target_->truncate(one, TruncateList::whole, false, *transaction_);
    }
}

}  // namespace tslive::apply
