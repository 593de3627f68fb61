#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tslive/apply/batcher.hpp"
#include "tslive/apply/binary_rows.hpp"
#include "tslive/apply/change.hpp"
#include "tslive/apply/encode.hpp"
#include "tslive/apply/origin.hpp"
#include "tslive/apply/sql.hpp"
#include "tslive/apply/target_tables.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/pipeline.hpp"

namespace tslive::apply {

/// The production ApplyTarget: set-based statements in pipeline mode, COPY for long runs of inserts, every command tag
/// read.
///
/// One thread, which owns the connection. After a throw call rollback(); when broken() then says so, the connection is
/// no longer usable.
class Executor {
public:
    /// Sends the session's settings: triggers and foreign keys off, no waiting for the disk, plans that never read a
    /// whole table for a key.
    /// @throws Error  (operator_action) when the role may not set session_replication_role
    Executor(pg::Connection& target, Origin& origin, TargetTables& tables);

    [[nodiscard]] const TargetTable* table(const pgoutput::CachedRelation& relation,
                                           const TransactionName& transaction);
    void apply(const Wave& wave, const TransactionName& transaction);
    void apply_single(const TargetTable& table, const Change& change, const TransactionName& transaction);
    void truncate(std::span<const TargetTable* const> tables, TruncateList list, bool restart_identity,
                  const TransactionName& transaction);
    [[nodiscard]] const TargetTable* settle(const TargetTable& table, const pgoutput::CachedRelation& relation);
    void observe(const pgoutput::CachedRelation& relation, const Change& change);
    [[nodiscard]] bool has_to_follow();
    void follow(const TransactionName& transaction);
    [[nodiscard]] bool has_compressed_rows(const TargetTable& table);
    [[nodiscard]] std::optional<bool> hides_changes(std::string_view prefix) const;
    void commit(Lsn end_lsn, ServerTime commit_time);
    void rollback() noexcept;

    [[nodiscard]] bool broken() const noexcept { return broken_; }
    /// @pre no target transaction is open
    [[nodiscard]] Lsn flushed_progress();
    /// Rows of tables whose base data was left out that an UPDATE or DELETE did not find.
    [[nodiscard]] std::uint64_t missing_rows() const noexcept { return missing_rows_; }

private:
    struct Expected {
        const TargetTable* table = nullptr;  ///< none: a statement that counts no rows
        std::int64_t rows = 0;
        const char* what = "";
        TransactionName transaction;
        std::string key = {};  ///< when the statement is about a single row
        bool counts = true;    ///< false: how many rows it touches says nothing
    };
    struct PendingCopy {
        const TargetTable* table;
        sql::Form form;
        std::int64_t rows = 0;
        ByteBuffer data;
        TransactionName transaction;
    };
    using Indexes = std::vector<std::size_t>;

    void begin();
    void send_command(std::string_view sql);
    /// What chunks were told about is on the target, or is not to be.
    void forget_observed();
    /// Sends the statement that `key` stands for; it is prepared when it comes a second time.
    template <typename MakeSql>
    void send(std::string key, MakeSql&& make_sql, const pg::Params& params, Expected expected);
    /// One array a column for the changes at `which`.
    template <typename RowOf>
    void add_arrays(pg::Params& params, const sql::Columns& columns, const TargetTable& table, const Wave& wave,
                    const Indexes& which, RowOf&& row_of);
    /// The same for values in binary form: one array of the table's row type.
    /// @param row_of  row_of(change, column): the row that has the value of a column
    template <typename RowOf>
    void add_row_array(pg::Params& params, const Wave& wave, const Indexes& which, RowOf&& row_of);
    void remove_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction);
    void update_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction);
    void insert_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction);
    void copy_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction);
    /// Reads all answers and compares every row count.
    void check();
    void check_count(const Expected& expected, std::int64_t rows);
    void run_copies();
    [[nodiscard]] bool has_copy(const TargetTable& table) const;

    static constexpr std::size_t copy_from_rows = 32;  ///< fewer are cheaper in the pipeline
    static constexpr std::size_t most_unchecked = 1'000;
    static constexpr std::size_t most_prepared = 2'000;
    static constexpr std::size_t most_copy_bytes = 32U << 20;

    pg::Connection* target_;
    Origin* origin_;
    TargetTables* tables_;
    pg::Pipeline pipeline_;
    std::vector<Expected> expected_;
    std::vector<PendingCopy> copies_;
    std::set<catalog::QualifiedName> copied_into_;  // the tables of copies_
    std::size_t copy_bytes_ = 0;
    std::vector<encode::TextArray> arrays_;
    std::size_t arrays_used_ = 0;
    encode::RowArray row_array_;
    std::unordered_map<std::string, std::string> prepared_;  // the statements' names on the server; empty: seen once
    std::size_t names_ = 0;                                  // given to prepared statements
    std::vector<std::string> to_follow_;                     // what was observed
    std::size_t turned_away_ = 0;                            // statements that found no room, since it was full
    bool begun_ = false;
    bool broken_ = false;
    std::uint64_t missing_rows_ = 0;
};

static_assert(ApplyTarget<Executor> && KnowsChunks<Executor>);

}  // namespace tslive::apply

#include "tslive/apply/impl/executor.ipp"
