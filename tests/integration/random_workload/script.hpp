#pragma once

#include <string>
#include <vector>

namespace tslive::random_workload {

struct Statement {
    enum class Kind { ordinary, savepoint, release, rollback_to };
    std::string sql;
    Kind kind = Kind::ordinary;
    std::string savepoint = {};
};

/// A transaction, decided on before its first statement runs: what the server answers changes nothing about the ones after it.
struct Script {
    enum class End { commit, rollback, commit_prepared, rollback_prepared };
    std::string begin;  ///< empty: one statement that commits by itself
    std::vector<Statement> statements;
    End end = End::commit;
};

}  // namespace tslive::random_workload
