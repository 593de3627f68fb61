#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/catalog/columns.hpp"
#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/copy.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::timescale::detail {

/// Sends what a query on one server returns into a table on the other, as text: what is an OID on disk (regclass, regrole) travels
/// by its name.
/// @returns rows, which both ends have counted
/// @throws Error  of either end; both sessions are of no use then
inline std::int64_t transfer(pg::Connection& from, const std::string& query, pg::Connection& to,
                             const std::string& into) {
    constexpr std::size_t block_bytes = 256 * 1024;
    pg::CopyOut out(from, fmt::format("COPY ({}) TO STDOUT", query));
    pg::CopyIn in(to, fmt::format("COPY {} FROM STDIN", into));
    ByteBuffer block;
    for (bool more = true; more;) {
        block.clear();
        more = out.read(block, block_bytes);
        if (!block.empty()) in.write(block);
    }
    const auto sent = out.finish();
    const auto received = in.finish();
    if (sent != received)
        throw Error(Recovery::operator_action,
                    fmt::format("{}: the source has sent {} rows, the target has taken {}", into, sent, received));
    return sent;
}

/// A column of `t` as its text is to be. A regclass is looked up in the session's snapshot: the type's own output sees the catalog
/// as it is now, and writes a number where the relation is gone.
[[nodiscard]] inline std::string text_of(const catalog::Column& column) {
    const auto name = pg::quote_identifier(column.name);
    if (column.type_name != "regclass") return "t." + name;
    return fmt::format(
        "(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = t.{0}) AS {0}",
        name);
}

}  // namespace tslive::timescale::detail
