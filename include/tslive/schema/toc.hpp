#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/core/error.hpp"

namespace tslive::schema {

/// One object, comment or grant in an archive, as `pg_restore --list --verbose` tells it.
///
/// Only the numbers and the kind are read. Names in a listing are neither quoted nor whole (line ends become spaces),
/// so `rest` is for people; which entry belongs to which is told by `depends_on`.
struct TocEntry {
    int dump_id = 0;
    std::uint32_t catalog_oid = 0;  ///< of the catalog its oid is of (pg_class: 1259); 0 for comments, grants…
    std::uint32_t object_oid = 0;   ///< on the source
    std::string kind;               ///< `TABLE`, `FK CONSTRAINT`; empty: a kind of a version we do not know
    std::string rest;               ///< schema, name and owner; of an unknown kind its words too
    std::vector<int> depends_on;    ///< dump ids

    /// For messages: `TABLE public orders alice`.
    [[nodiscard]] std::string text() const { return kind.empty() ? rest : kind + ' ' + rest; }
};

struct Toc {
    std::string created;  ///< `2024-03-25 12:40:40 UTC`, from the listing's head
    std::vector<TocEntry> entries;
};

/// Reads a listing.
/// @throws DecodeError  on a line that is neither an entry, a comment nor a list of dependencies; its offset is that of
///                      the line
[[nodiscard]] Toc parse_toc(std::string_view listing);

/// The dump ids of a listing's entries in their order, for lists that were made with `--section`.
[[nodiscard]] std::vector<int> parse_toc_ids(std::string_view listing);

/// What `pg_restore --use-list` reads: the entries' ids, in this order.
[[nodiscard]] std::string use_list(const std::vector<const TocEntry*>& entries);

}  // namespace tslive::schema

#include "tslive/schema/impl/toc.ipp"
