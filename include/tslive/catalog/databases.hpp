#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/detail/row.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/error.hpp"

namespace tslive::catalog {

/// Which database of which cluster a connection is in, and how it keeps text.
struct Database {
    std::string system_identifier;  ///< made by initdb, shared with standbys and physical copies
    std::string name;
    std::uint32_t oid = 0;
    std::string encoding;         ///< `UTF8`
    std::string collation;        ///< datcollate
    std::string ctype;            ///< datctype
    std::string locale_provider;  ///< `libc`, `icu`, `builtin`
};

/// What tells one server from another behind the same address (CASES B3).
struct ServerIdentity {
    std::string system_identifier;
    std::string address;     ///< inet_server_addr() and port; empty on a Unix socket
    std::string started_at;  ///< pg_postmaster_start_time()
    bool in_recovery = false;
    friend bool operator==(const ServerIdentity&, const ServerIdentity&) = default;
};

/// The cluster's system identifier, where pg_control_system() is withheld by a replication connection of our own.
/// @throws ServerError, Error  when neither way is open
[[nodiscard]] inline std::string system_identifier(pg::Connection& connection) {
    const auto allowed =
        connection.exec("SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')");
    if (allowed.boolean(0, 0))
        return connection.exec("SELECT system_identifier FROM pg_catalog.pg_control_system()").text(0, 0);
    auto walsender = pg::Connection::open(connection.effective_info(), "identify", connection.waiter().token(),
                                          pg::ConnectionKind::replication);
    return walsender.exec("IDENTIFY_SYSTEM").text(0, 0);
}

[[nodiscard]] inline ServerIdentity server_identity(pg::Connection& connection) {
    const auto result = connection.exec(
        "SELECT coalesce(pg_catalog.host(pg_catalog.inet_server_addr()) || ':' || pg_catalog.inet_server_port(), ''), "
        "pg_catalog.pg_postmaster_start_time(), pg_catalog.pg_is_in_recovery()");
    return {.system_identifier = system_identifier(connection),
            .address = result.text(0, 0),
            .started_at = result.text(0, 1),
            .in_recovery = result.boolean(0, 2)};
}

[[nodiscard]] inline Database database(pg::Connection& connection) {
    const bool has_provider = Capabilities{connection.server_version()}.database_locale_provider();
    const auto result = connection.exec(fmt::format(
        "SELECT datname, oid, pg_catalog.pg_encoding_to_char(encoding), coalesce(datcollate, ''), "
        "  coalesce(datctype, ''), {} FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()",
        has_provider
            ? "CASE datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE '?' END"
            : "'libc'"));
    detail::Row row(result, 0);
    return {.system_identifier = system_identifier(connection),
            .name = row.text(),
            .oid = row.number<std::uint32_t>(),
            .encoding = row.text(),
            .collation = row.text(),
            .ctype = row.text(),
            .locale_provider = row.text()};
}

}  // namespace tslive::catalog
