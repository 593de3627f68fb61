#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pg/native.hpp"

namespace tslive::pg {

/// Rows and command tag of one statement. Views into it live as long as it does. Move-only.
class Result {
public:
    Result() = default;
    explicit Result(PGresult* result) : result_(result) {}
    explicit Result(ResultHandle result) : result_(std::move(result)) {}

    [[nodiscard]] int rows() const { return PQntuples(result_.get()); }
    [[nodiscard]] int columns() const { return PQnfields(result_.get()); }
    [[nodiscard]] bool empty() const { return rows() == 0; }
    [[nodiscard]] bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) == 1; }
    [[nodiscard]] std::string_view at(int row, int column) const {
        return {PQgetvalue(result_.get(), row, column),
                static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
    }
    [[nodiscard]] std::string text(int row, int column) const { return std::string{at(row, column)}; }
    [[nodiscard]] std::optional<std::string> optional(int row, int column) const {
        if (is_null(row, column)) return std::nullopt;
        return text(row, column);
    }
    [[nodiscard]] bool boolean(int row, int column) const { return at(row, column) == "t"; }
    /// @throws Error  (operator_action) when the value is no such number
    template <std::integral T>
    [[nodiscard]] T number(int row, int column) const {
        const auto digits = at(row, column);
        T value{};
        const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (code != std::errc{} || end != digits.data() + digits.size())
            throw Error(Recovery::operator_action,
                        fmt::format("the server sent '{}' in column {} where a number was expected", digits,
                                    PQfname(result_.get(), column) == nullptr ? "?" : PQfname(result_.get(), column)));
        return value;
    }
    /// @throws Error  (operator_action) when the value is no WAL position
    [[nodiscard]] Lsn lsn(int row, int column) const {
        if (const auto value = Lsn::parse(at(row, column))) return *value;
        throw Error(Recovery::operator_action,
                    fmt::format("the server sent '{}' where a WAL position was expected", at(row, column)));
    }

    /// "UPDATE 3": the server's word on what was done.
    [[nodiscard]] std::string_view command_tag() const { return PQcmdStatus(result_.get()); }
    /// The number in the command tag (law 4); nothing for commands that have none.
    [[nodiscard]] std::optional<std::int64_t> command_rows() const {
        const std::string_view digits = PQcmdTuples(result_.get());
        std::int64_t value = 0;
        const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (digits.empty() || code != std::errc{}) return std::nullopt;
        return value;
    }
    [[nodiscard]] ExecStatusType status() const { return PQresultStatus(result_.get()); }
    [[nodiscard]] const PGresult* native() const { return result_.get(); }

private:
    ResultHandle result_;
};

}  // namespace tslive::pg
