#pragma once

#include <string>
#include <string_view>

namespace tslive::pg {

/// What every session of ours runs with, whatever role, database or server settings say (law 8): no search path, text forms that
/// read back to the same value, no row filtering, no timeout that ends us.
///
/// Plain SQL, sent after the connection is made, because poolers and some managed servers refuse start-up options, and because a
/// replication connection takes it too.
[[nodiscard]] inline std::string session_settings(int server_version) {
    std::string sql =
        "SET statement_timeout = 0;"  // first: until then the role's own may end us
        "SET search_path = '';"
        "SET \"DateStyle\" = 'ISO, YMD';"
        "SET \"IntervalStyle\" = 'postgres';"
        "SET extra_float_digits = 3;"
        "SET bytea_output = 'hex';"
        "SET \"TimeZone\" = 'UTC';"
        "SET lc_monetary = 'C';"
        "SET xmloption = 'content';"
        "SET array_nulls = on;"
        "SET standard_conforming_strings = on;"
        "SET row_security = off;"
        "SET default_transaction_read_only = off;"
        "SET default_transaction_isolation = 'read committed';"
        "SET default_transaction_deferrable = off;"
        "SET lock_timeout = 0;"
        "SET idle_in_transaction_session_timeout = 0;";
    if (server_version >= 140000) sql += "SET idle_session_timeout = 0;";
    if (server_version >= 170000) sql += "SET transaction_timeout = 0;";
    return sql;
}

}  // namespace tslive::pg
