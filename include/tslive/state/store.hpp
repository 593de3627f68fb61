#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/core/lsn.hpp"
#include "tslive/state/detail/sqlite.hpp"
#include "tslive/state/layout.hpp"
#include "tslive/state/migration.hpp"

namespace tslive::state {

/// The facts of one migration, in `state.db`.
///
/// What a function has recorded survives a power cut once it returns, and other processes see it from then on. Any
/// thread may call it, and several processes may have one each; it waits for another's write. Never use one across
/// fork(). Everything throws StateError (operator_action), with the file and a remedy, when the file cannot be read or
/// written.
class Store {
public:
    /// Makes the directory if need be (create_directory), and the database in it, in one step.
    /// @throws StateError  also when there is one already
    [[nodiscard]] static Store create(const Layout& layout, const Migration& migration);

    /// @throws StateError  also when there is none, it is not ours, it is damaged, or a newer ts-live made it
    [[nodiscard]] static Store open(const Layout& layout);

    /// Whether there is something for open() to open, or to refuse. What a killed create() left behind counts as
    /// nothing.
    [[nodiscard]] static bool exists(const Layout& layout);

    [[nodiscard]] const Migration& migration() const noexcept { return shared_->migration; }

    /// @throws StateError  when these are not the databases that the migration is about
    void check_identity(const DatabaseIdentity& source, const DatabaseIdentity& target) const;

    /// Facts: small named texts. Setting one again replaces it; erasing what is not there is harmless.
    [[nodiscard]] std::optional<std::string> fact(std::string_view key) const;
    void set_fact(std::string_view key, std::string_view value);
    void erase_fact(std::string_view key);

    /// Steps: recorded after their effect is durable, so that doing one again must be harmless, and skipping one is
    /// safe.
    [[nodiscard]] bool done(std::string_view step) const;
    void mark_done(std::string_view step);

    /// The undo journal. Write the entry, then make the change; run the undo, then erase the entry (law 10).
    /// @param what      for people; @param undo_sql  harmless to repeat, and when the change was never made; no secrets
    /// @returns         the entry's id, greater than all before
    std::int64_t journal(Side side, std::string_view what, std::string_view undo_sql);
    /// Newest first: the order in which to undo. Two entries for one thing end with the older one's state, the
    /// original.
    [[nodiscard]] std::vector<UndoEntry> pending_undo(Side side) const;
    void undone(std::int64_t id);

    /// Tables whose rows were copied, each with the consistent point for the applier's skip rule. Setting one again
    /// replaces it.
    /// @param table  quoted, `schema.name`
    void set_copied(std::string_view table, std::uint32_t source_oid, Lsn consistent_point, std::int64_t rows);
    /// Before a table is emptied to be copied again; harmless when it is not there.
    void erase_copied(std::string_view table);
    [[nodiscard]] std::vector<CopiedTable> copied() const;  ///< by name

private:
    struct Shared {
        std::mutex mutex;
        detail::Database database;
        Migration migration;
    };
    explicit Store(detail::Database database);

    std::unique_ptr<Shared> shared_;  // one address, so that a Store can move while its mutex cannot
};

}  // namespace tslive::state

#include "tslive/state/impl/store.ipp"
