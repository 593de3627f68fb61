#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pgoutput/messages.hpp"

namespace tslive::pgoutput {

struct CachedColumn {
    bool key = false;
    std::string name;
    TypeId type;
    std::int32_t type_modifier = -1;
    friend bool operator==(const CachedColumn&, const CachedColumn&) = default;
};

/// A Relation message that owns its text.
struct CachedRelation {
    RelationId id;
    std::string schema;
    std::string name;
    ReplicaIdentity replica_identity = ReplicaIdentity::primary_key;
    std::vector<CachedColumn> columns;
    /// Another number for another definition: no two definitions in one cache share it, not even across clear().
    std::uint64_t version = 0;

    [[nodiscard]] bool matches(const Relation& relation) const {
        return id == relation.id && schema == relation.schema && name == relation.name &&
               replica_identity == relation.replica_identity &&
               std::equal(columns.begin(), columns.end(), relation.columns.begin(), relation.columns.end(),
                          [](const CachedColumn& ours, const RelationColumn& theirs) {
                              return ours.key == theirs.key && ours.name == theirs.name && ours.type == theirs.type &&
                                     ours.type_modifier == theirs.type_modifier;
                          });
    }

    /// @throws DecodeError when the row does not have the relation's columns
    void expect_width_of(Row row) const {
        if (row.size() != columns.size())
            throw DecodeError(fmt::format("relation {} \"{}\".\"{}\": a row has {} columns, its Relation message {}",
                                          id, schema, name, row.size(), columns.size()),
                              0);
    }
};

/// What the source has told about relations, by their id at the source.
///
/// Fill it in commit order: the server counts a Relation message of a streamed transaction as told only once that
/// transaction has committed, and repeats it in others. One thread.
class RelationCache {
public:
    /// Whether update() would change nothing. When false, finish what refers to the old definition before update().
    [[nodiscard]] bool knows(const Relation& relation) const {
        const auto found = relations_.find(relation.id);
        return found != relations_.end() && found->second.matches(relation);
    }

    /// Stores the definition; `version` of the result is another one when it changed.
    /// The result is valid until the next update() of the same id, or clear().
    const CachedRelation& update(const Relation& relation) {
        const auto found = relations_.find(relation.id);
        if (found != relations_.end() && found->second.matches(relation)) return found->second;
        return relations_.insert_or_assign(relation.id, copy_of(relation, ++newest_version_)).first->second;
    }

    /// Valid as that of update().
    /// @throws DecodeError when no Relation message told about it
    [[nodiscard]] const CachedRelation& find(RelationId id) const {
        const auto found = relations_.find(id);
        if (found == relations_.end()) [[unlikely]]
            throw DecodeError(fmt::format("a change of relation {} came before any Relation message about it", id), 0);
        return found->second;
    }

    /// After START_REPLICATION: a new session of the server tells everything again.
    void clear() noexcept { relations_.clear(); }

    [[nodiscard]] std::size_t size() const noexcept { return relations_.size(); }

private:
    [[nodiscard]] static CachedRelation copy_of(const Relation& relation, std::uint64_t version) {
        CachedRelation copy{.id = relation.id,
                            .schema = std::string(relation.schema),
                            .name = std::string(relation.name),
                            .replica_identity = relation.replica_identity,
                            .columns = {},
                            .version = version};
        copy.columns.reserve(relation.columns.size());
        for (const RelationColumn& column : relation.columns)
            copy.columns.push_back({column.key, std::string(column.name), column.type, column.type_modifier});
        return copy;
    }

    std::unordered_map<RelationId, CachedRelation> relations_;
    std::uint64_t newest_version_ = 0;
};

}  // namespace tslive::pgoutput
