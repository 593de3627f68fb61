#pragma once

#include <string>
#include <vector>

namespace tslive::random_workload {

/// How far a migration is, as far as a source with TimescaleDB has to know.
enum class Phase {
    before,    ///< the snapshot
    snapshot,  ///< it is being taken, and the schema dumped as it shows it
    copying,   ///< rows
    replaying,
};

/// When a statement may run. TimescaleDB moves rows in ways that a snapshot does not see (CASES H).
enum class When {
    always,
    settled,  ///< not while the snapshot is taken: settings of the source are changed then, for new sessions, and what
              ///< goes cannot be dumped
    outside_base_copy,  ///< nor while rows are copied
};

[[nodiscard]] constexpr bool may_run(When when, Phase phase) noexcept {
    if (when == When::always || phase == Phase::before || phase == Phase::replaying) return true;
    return when == When::settled && phase == Phase::copying;
}

struct Statement {
    enum class Kind { ordinary, savepoint, release, rollback_to };
    std::string sql;
    Kind kind = Kind::ordinary;
    std::string savepoint = {};
    When when = When::always;
};

/// A transaction, decided on before its first statement runs: what the server answers changes nothing about the ones after it.
struct Script {
    enum class End { commit, rollback, commit_prepared, rollback_prepared };
    std::string begin;  ///< empty: one statement that commits by itself
    std::vector<Statement> statements;
    End end = End::commit;
};

}  // namespace tslive::random_workload
