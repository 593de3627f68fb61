#pragma once

#include <string>
#include <string_view>

#include "integration/support/migration.hpp"

namespace tslive::harness {

/// A migration that has caught up, and an operator who reads what it says when it stops.
class DriftTest : public ::testing::Test {
protected:
    void begin(std::string_view sql) {
        source().sql(sql);
        migration.take_snapshot();
        migration.start();
        migration.wait_until_caught_up();
    }
    /// Waits until it has stopped before `table`, with a transaction and a position. @returns what it said
    std::string expect_stop(std::string_view table) {
        migration.migrate->expect_exit(3);
        auto said = migration.migrate->output();
        EXPECT_THAT(said, testing::ContainsRegex("ERROR.*" + std::string{table}));
        EXPECT_THAT(said, testing::ContainsRegex("transaction [0-9]+, commit at [0-9A-F]+/[0-9A-F]+"));
        return said;
    }
    /// Does on the target what the output tells to do there. @returns the statements
    std::string run_remedy(const std::string& said) {
        constexpr std::string_view before = "Run on the target: ", after = "   then go on";
        const auto first = said.rfind(before);
        const auto last = said.find(after, first);
        if (first == std::string::npos || last == std::string::npos) throw Failure("no statement in: " + said);
        auto statements = said.substr(first + before.size(), last - first - before.size());
        target().sql(statements);
        return statements;
    }
    /// Stop, remedy, resume, caught up.
    std::string mend(std::string_view table) {
        auto statements = run_remedy(expect_stop(table));
        resume();
        return statements;
    }
    void resume() {
        migration.resume();
        migration.wait_until_caught_up();
    }
    void finish() {
        migration.switch_over();
        EXPECT_TRUE(migration.is_equal());
    }
    Database& source() { return migration.pair.source; }
    Database& target() { return migration.pair.target; }

    Migration migration;
};

}  // namespace tslive::harness
