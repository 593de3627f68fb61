#pragma once

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "integration/harness/failure.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::harness {

/// One database of a test server: a value that knows how to connect. Each helper uses a connection of its own, with the
/// server's default search_path (public), so that the SQL of tests reads as people write it.
class Database {
public:
    explicit Database(pg::ConnInfo info) : info_(std::move(info)) {}

    [[nodiscard]] const pg::ConnInfo& conninfo() const noexcept { return info_; }
    /// `key='value' …`, for programs.
    [[nodiscard]] std::string uri() const { return info_.to_string(); }
    [[nodiscard]] std::string name() const { return info_.value("dbname").value_or("postgres"); }
    [[nodiscard]] Database as(std::string_view user) const { return Database{info_.with("user", user)}; }

    /// @param purpose  its application_name is `ts-test <purpose>`
    [[nodiscard]] pg::Connection connect(std::string_view purpose = "helper") const {
        auto connection = pg::Connection::open(info_, purpose);
        connection.exec(fmt::format("SET application_name = {}; RESET search_path",
                                    pg::quote_literal(fmt::format("ts-test {}", purpose))));
        return connection;
    }
    /// Runs one or more statements. @returns the last result
    pg::Result sql(std::string_view text) const { return connect().exec(text); }

    /// First column of the first row, NULL as "".
    /// @throws Failure  when there is no row
    [[nodiscard]] std::string value(std::string_view query) const {
        const auto result = sql(query);
        if (result.empty()) throw Failure(fmt::format("no row came back from: {}", query));
        return result.text(0, 0);
    }
    template <std::integral T = std::int64_t>
    [[nodiscard]] T number(std::string_view query) const {
        const auto result = sql(query);
        if (result.empty()) throw Failure(fmt::format("no row came back from: {}", query));
        return result.number<T>(0, 0);
    }
    [[nodiscard]] bool holds(std::string_view query) const { return value(query) == "t"; }
    /// Each row as `psql -At` prints it: values joined by `|`, NULL as "".
    [[nodiscard]] std::vector<std::string> rows(std::string_view query) const {
        const auto result = sql(query);
        std::vector<std::string> lines;
        for (int row = 0; row < result.rows(); ++row) {
            std::string line = result.columns() == 0 ? "" : result.text(row, 0);
            for (int column = 1; column < result.columns(); ++column) line.append("|").append(result.at(row, column));
            lines.push_back(std::move(line));
        }
        return lines;
    }
    [[nodiscard]] std::int64_t count(std::string_view table) const {
        return number(fmt::format("SELECT count(*) FROM {}", table));
    }

    /// Runs a file of SQL (no psql commands in it).
    void load(const std::filesystem::path& file) const {
        std::ifstream in(file);
        if (!in) throw Failure(fmt::format("cannot read {}", file.string()));
        sql(std::string{std::istreambuf_iterator<char>{in}, {}});
    }
    /// Loads files of tests/integration/zoo by name: `load_zoo({"types", "names"})`.
    void load_zoo(std::initializer_list<std::string_view> names) const {
        for (const auto name : names)
            load(std::filesystem::path{TSLIVE_SOURCE_DIR} / "tests" / "integration" / "zoo" /
                 fmt::format("{}.sql", name));
    }

private:
    pg::ConnInfo info_;
};

}  // namespace tslive::harness
