#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/copy/progress.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"

/// One large object and how it gets to the target. Its content travels in pieces, so that memory does not depend on its
/// size.
namespace tslive::copy::detail {

inline constexpr std::int64_t large_object_piece_bytes = 1 << 20;

struct LargeObject {
    std::uint32_t id = 0;
    std::string owner;
    std::optional<std::string> comment;
    std::vector<std::string> grants;  ///< commands, and what they replace if there was something
};

[[nodiscard]] inline std::vector<std::string> large_object_grants(pg::Connection& source, std::uint32_t id) {
    const auto found = source.exec(
        "SELECT a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) "
        "END, a.is_grantable "
        "FROM pg_catalog.pg_largeobject_metadata l CROSS JOIN LATERAL pg_catalog.aclexplode(l.lomacl) a "
        "LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee WHERE l.oid = $1 AND a.grantee <> l.lomowner AND "
        "(a.grantee = 0 OR g.oid IS NOT NULL)",
        pg::Params{}.number(id));
    std::vector<std::string> commands;
    for (int r = 0; r < found.rows(); ++r)
        commands.push_back(fmt::format("GRANT {} ON LARGE OBJECT {} TO {}{}", found.at(r, 0), id, found.at(r, 1),
                                       found.boolean(r, 2) ? " WITH GRANT OPTION" : ""));
    return commands;
}

/// In the target's transaction: makes the object, or replaces what is there. @returns bytes
inline std::int64_t send_large_object(pg::Connection& source, pg::Connection& target, std::uint32_t id) {
    const auto there =
        target.exec("SELECT FROM pg_catalog.pg_largeobject_metadata WHERE oid = $1", pg::Params{}.number(id));
    if (!there.empty()) target.exec("SELECT pg_catalog.lo_unlink($1)", pg::Params{}.number(id));
    target.exec("SELECT pg_catalog.lo_create($1)", pg::Params{}.number(id));
    for (std::int64_t offset = 0;;) {
        const auto piece = source.exec("SELECT pg_catalog.lo_get($1, $2, $3)",
                                       pg::Params{}.number(id).number(offset).number(large_object_piece_bytes));
        // The text of a bytea, as the server writes it, is what the other one reads.
        const auto text = piece.at(0, 0);
        if (text == "\\x") return offset;
        target.exec("SELECT pg_catalog.lo_put($1, $2, $3::pg_catalog.bytea)",
                    pg::Params{}.number(id).number(offset).text(text));
        const auto bytes = static_cast<std::int64_t>(text.size() / 2 - 1);
        offset += bytes;
        if (bytes < large_object_piece_bytes) return offset;
    }
}

/// In the target's transaction: owner, rights and comment. Each by itself, since the target's role may not be allowed
/// to, or may lack the grantee; what fails is a warning.
inline void describe_large_object(pg::Connection& target, const LargeObject& object, Progress& progress) {
    const auto attempt = [&](const std::string& sql) {
        target.exec("SAVEPOINT attempt");
        try {
            target.exec(sql);
            target.exec("RELEASE SAVEPOINT attempt");
        } catch (const pg::ServerError& error) {
            if (pg::transient(error)) throw;
            target.exec("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt");
            progress.warn(fmt::format("large object {}: {}", object.id, error.what()));
        }
    };
    for (const auto& command : object.grants) attempt(command);
    if (object.comment)
        attempt(fmt::format("COMMENT ON LARGE OBJECT {} IS {}", object.id, pg::quote_literal(*object.comment)));
    attempt(fmt::format("ALTER LARGE OBJECT {} OWNER TO {}", object.id, pg::quote_identifier(object.owner)));
}

}  // namespace tslive::copy::detail
