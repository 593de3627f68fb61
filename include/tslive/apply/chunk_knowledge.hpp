#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/apply/change.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pgoutput/relation_cache.hpp"

namespace tslive::apply {

/// Where the changes of a relation of the stream go.
struct Route {
    enum class Kind {
        ordinary,   ///< to the table of its name
        left_out,   ///< nowhere
        elsewhere,  ///< to `table`, which is ours, and whose changes `observe` is told
        chunk,      ///< to `table`, whose rows are in chunks; the relation is one of them on the source
        shadow,     ///< nowhere, but for a TRUNCATE, which empties the chunk that the relation belongs to
    };
    Kind kind = Kind::ordinary;
    catalog::QualifiedName table = {};
    /// chunk, shadow: the target's chunk with the rows; nothing while the target has none.
    std::optional<catalog::QualifiedName> chunk = {};
    /// Without `chunk`: the target's chunks that share its rows among them.
    std::vector<catalog::QualifiedName> pieces = {};
    /// UPDATE and DELETE do not reach the rows of `chunk` except through `table`.
    bool through_table = false;
};

/// What is known of tables whose rows are in chunks: tables of their own, with other names on the target, that come and go (TimescaleDB).
/// Only for the applier's thread.
class ChunkKnowledge {
public:
    ChunkKnowledge() = default;
    ChunkKnowledge(const ChunkKnowledge&) = delete;
    ChunkKnowledge& operator=(const ChunkKnowledge&) = delete;
    virtual ~ChunkKnowledge() = default;

    /// @throws Error  (operator_action) for a relation that should be known and is not
    [[nodiscard]] virtual Route route(const pgoutput::CachedRelation& relation) = 0;
    /// The same once more, as the transaction that is open on `target` sees it. Of a chunk that takes changes through its table only,
    /// rows cannot be told apart by their place: where `by_content` needs that, the chunk is made one that does not.
    [[nodiscard]] virtual Route settle(const pgoutput::CachedRelation& relation, pg::Connection& target,
                                       bool by_content) = 0;
    /// Rows of this relation, a table of the source's catalog, say where others belong.
    virtual void observe(const pgoutput::CachedRelation& relation, ChangeKind kind, Row identity, Row row) = 0;
    /// What has to follow on the target what was observed since the last call, before the next row of a chunk comes or the
    /// transaction ends.
    [[nodiscard]] virtual std::vector<std::string> statements_to_follow() = 0;
    /// What was observed is on the target, or was rolled back there: the target knows all.
    virtual void forget_observed() = 0;
    /// Whether some rows of the source's table of this name are compressed.
    [[nodiscard]] virtual bool has_compressed_rows(const catalog::QualifiedName& hypertable) = 0;
    /// Whether a logical message of this prefix begins (true) or ends (false) changes that nobody made: rows that only move.
    [[nodiscard]] virtual std::optional<bool> hides_changes(std::string_view prefix) const = 0;
};

}  // namespace tslive::apply
