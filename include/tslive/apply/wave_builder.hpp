#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tslive/apply/arena.hpp"
#include "tslive/apply/change.hpp"
#include "tslive/apply/target_table.hpp"

namespace tslive::apply {

/// Gathers the changes of one table in such a way that each key is touched once: changes to one key are folded into
/// their net effect.
///
/// Only the order of changes to one key matters here: triggers and foreign keys are off on the target, and nobody sees
/// the inside of a
/// transaction. Other unique keys may object to the new order; that is an error of the server, never a silent
/// difference, and the
/// batch is then applied row by row. One thread.
class WaveBuilder {
public:
    enum class Outcome {
        taken,
        flush_first,  ///< does not go with what is here: execute the wave, clear(), then add again
    };

    explicit WaveBuilder(const TargetTable& table) : table_(&table) {}

    [[nodiscard]] Outcome insert(Arena& arena, Row row);
    /// @param identity  where the row is found; empty when its key did not change
    [[nodiscard]] Outcome update(Arena& arena, Row identity, Row row);
    [[nodiscard]] Outcome remove(Arena& arena, Row identity);

    [[nodiscard]] Wave wave() const noexcept { return {table_, changes_, binary_}; }
    [[nodiscard]] bool empty() const noexcept { return changes_.empty(); }
    [[nodiscard]] const TargetTable& table() const noexcept { return *table_; }
    /// The rows are void: the arena was reset.
    void clear() {
        changes_.clear();
        by_key_.clear();
        indexed_ = 0;
        binary_ = false;
    }

    /// Whether an UPDATE that carries `identity` moves the row to another key.
    [[nodiscard]] static bool key_changes(const TargetTable& table, Row identity, Row row);

private:
    [[nodiscard]] std::string_view key_of(Arena& arena, Row row) const;
    /// The change that the key has in this wave, if any; brings the index up to date first.
    [[nodiscard]] Change* find(Arena& arena, std::string_view key);
    void add(Arena& arena, Change change);
    static Row merged(Arena& arena, Row older, Row newer);
    /// `identity` may be another row than the one that `known` leaves under the same key. Only with REPLICA IDENTITY
    /// FULL, where the key need not be one on the source: two rows may share it inside a transaction.
    [[nodiscard]] bool is_another_row(const Change& known, Row identity) const;

    const TargetTable* table_;
    std::vector<Change> changes_;
    // Filled only when the first change arrives that may touch a row of this wave: a run of inserts pays nothing for
    // it.
    std::unordered_map<std::string_view, std::size_t> by_key_;
    std::size_t indexed_ = 0;
    bool binary_ = false;  // some row had a value in binary form: then all have
};

}  // namespace tslive::apply

#include "tslive/apply/impl/wave_builder.ipp"
