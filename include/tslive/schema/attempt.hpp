#pragma once

#include <optional>
#include <string_view>

#include "tslive/pg/connection.hpp"
#include "tslive/pg/error.hpp"

namespace tslive::schema {

/// Runs a statement that the server may refuse, within a transaction that lives on.
///
/// @returns      the refusal, after everything the statement did is undone
/// @throws Error when it is not the statement's fault: the connection is gone, a deadlock
/// @pre          a transaction is open
[[nodiscard]] inline std::optional<pg::ServerError> attempt(pg::Connection& connection, std::string_view statement) {
    connection.exec("SAVEPOINT tslive_attempt");
    try {
        connection.exec(statement);
    } catch (const pg::ServerError& error) {
        if (error.recovery() != Recovery::operator_action) throw;
        connection.exec("ROLLBACK TO tslive_attempt; RELEASE tslive_attempt");
        return error;
    }
    connection.exec("RELEASE tslive_attempt");
    return std::nullopt;
}

}  // namespace tslive::schema
