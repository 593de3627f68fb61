#pragma once

#include <string_view>

#include "tslive/catalog/detail/row.hpp"

namespace tslive::catalog {

enum class RelationKind { table, partitioned_table, view, materialized_view, foreign_table, sequence };
enum class Persistence { permanent, unlogged, temporary };
enum class ReplicaIdentity {
    default_,  ///< the primary key
    index,
    full,
    nothing,
};

[[nodiscard]] constexpr std::string_view name(RelationKind kind) noexcept {
    switch (kind) {
        case RelationKind::table: return "table";
        case RelationKind::partitioned_table: return "partitioned table";
        case RelationKind::view: return "view";
        case RelationKind::materialized_view: return "materialized view";
        case RelationKind::foreign_table: return "foreign table";
        case RelationKind::sequence: return "sequence";
    }
    return "?";
}

namespace detail {

[[nodiscard]] inline RelationKind relation_kind(char letter) {
    switch (letter) {
        case 'r': return RelationKind::table;
        case 'p': return RelationKind::partitioned_table;
        case 'v': return RelationKind::view;
        case 'm': return RelationKind::materialized_view;
        case 'f': return RelationKind::foreign_table;
        case 'S': return RelationKind::sequence;
        default: unknown_letter("pg_class.relkind", letter);
    }
}

[[nodiscard]] inline Persistence persistence(char letter) {
    switch (letter) {
        case 'p': return Persistence::permanent;
        case 'u': return Persistence::unlogged;
        case 't': return Persistence::temporary;
        default: unknown_letter("pg_class.relpersistence", letter);
    }
}

[[nodiscard]] inline ReplicaIdentity replica_identity(char letter) {
    switch (letter) {
        case 'd': return ReplicaIdentity::default_;
        case 'i': return ReplicaIdentity::index;
        case 'f': return ReplicaIdentity::full;
        case 'n': return ReplicaIdentity::nothing;
        default: unknown_letter("pg_class.relreplident", letter);
    }
}

}  // namespace detail
}  // namespace tslive::catalog
