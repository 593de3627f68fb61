#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/state/detail/sqlite.hpp"
#include "tslive/state/store.hpp"
#include "unit/support/child_process.hpp"
#include "unit/support/temporary_directory.hpp"

namespace {

using namespace tslive;
using namespace tslive::state;
using test::ChildProcess;
using test::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const Migration the_migration{.id = "0a1b2c3d",
                              .source = {"7301234567890123456", "app", 16384},
                              .target = {"7309999999999999999", "app", 5},
                              .slot = "tslive_0a1b2c3d",
                              .consistent_point = Lsn{0x16'B374D848},
                              .created_at = "2024-03-25T12:40:40Z"};

class StateStore : public testing::Test {
protected:
    TemporaryDirectory temporary;
    Layout layout{temporary.path() / "state"};

    /// What an older or newer program, or an operator, does to the file.
    void change(const std::string& sql) const { state::detail::Database(layout.database()).run(sql); }
};

template <typename Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const StateError& e) {
        EXPECT_THAT(e.remedy(), Not(IsEmpty())) << e.what();
        return std::string{e.what()} + " | " + e.remedy();
    }
    return {};
}

TEST_F(StateStore, gives_back_the_migration_it_was_created_with) {
    EXPECT_FALSE(Store::exists(layout));
    { EXPECT_EQ(Store::create(layout, the_migration).migration().id, "0a1b2c3d"); }
    EXPECT_TRUE(Store::exists(layout));
    const auto store = Store::open(layout);
    const auto& read = store.migration();
    EXPECT_EQ(read.source, the_migration.source);
    EXPECT_EQ(read.source.database_name, "app");
    EXPECT_EQ(read.target, the_migration.target);
    EXPECT_EQ(read.slot, the_migration.slot);
    EXPECT_EQ(read.consistent_point, the_migration.consistent_point);
    EXPECT_EQ(read.created_at, the_migration.created_at);
}

TEST_F(StateStore, is_for_its_owner_alone) {
    const ::mode_t old_mask = ::umask(0);
    auto store = Store::create(layout, the_migration);
    store.set_fact("a", "b");
    ::umask(old_mask);
    for (const auto* suffix : {"", "-wal", "-shm"}) {
        struct ::stat status {};
        ASSERT_EQ(::stat((layout.database().string() + suffix).c_str(), &status), 0) << suffix;
        EXPECT_EQ(status.st_mode & 07777U, 0600U) << suffix;
    }
}

TEST_F(StateStore, facts_are_set_replaced_and_erased) {
    auto store = Store::create(layout, the_migration);
    EXPECT_EQ(store.fact("phase"), std::nullopt);
    store.set_fact("phase", "copy");
    store.set_fact("phase", "");
    EXPECT_EQ(store.fact("phase"), "");
    const std::string odd("it's \0 two\nlines ü", 19);
    store.set_fact("phase", odd);
    EXPECT_EQ(Store::open(layout).fact("phase"), odd);
    store.erase_fact("phase");
    store.erase_fact("phase");
    EXPECT_EQ(store.fact("phase"), std::nullopt);
}

TEST_F(StateStore, steps_are_done_once_and_stay_done) {
    auto store = Store::create(layout, the_migration);
    EXPECT_FALSE(store.done("schema.pre-data"));
    store.mark_done("schema.pre-data");
    store.mark_done("schema.pre-data");
    EXPECT_TRUE(Store::open(layout).done("schema.pre-data"));
    EXPECT_FALSE(store.done("schema.post-data"));
}

TEST_F(StateStore, the_undo_journal_is_read_newest_first_and_per_side) {
    auto store = Store::create(layout, the_migration);
    const auto first =
        store.journal(Side::source, "identity of public.t", "ALTER TABLE public.t REPLICA IDENTITY DEFAULT");
    const auto second = store.journal(Side::target, "trigger x", "ENABLE x");
    const auto third =
        store.journal(Side::source, "identity of public.t", "ALTER TABLE public.t REPLICA IDENTITY FULL");
    EXPECT_LT(first, second);

    const auto pending = Store::open(layout).pending_undo(Side::source);
    ASSERT_EQ(pending.size(), 2U);
    EXPECT_EQ(pending[0].id, third);
    EXPECT_EQ(pending[1].undo_sql, "ALTER TABLE public.t REPLICA IDENTITY DEFAULT");
    EXPECT_EQ(pending[1].what, "identity of public.t");
    EXPECT_EQ(pending[1].side, Side::source);

    store.undone(third);
    store.undone(third);
    EXPECT_EQ(store.pending_undo(Side::source).size(), 1U);
    EXPECT_EQ(store.pending_undo(Side::target).size(), 1U);
    EXPECT_GT(store.journal(Side::target, "a", "b"), third) << "an id is never used twice";
}

TEST_F(StateStore, copied_tables_remember_their_consistent_point) {
    auto store = Store::create(layout, the_migration);
    store.set_copied("public.a", 4'000'000'000U, Lsn{0x10}, 5);
    store.set_copied("public.\"B\"", 20001, Lsn{0xFFFFFFFF'FFFFFFFF}, 5'000'000'000);
    store.set_copied("public.a", 4'000'000'001U, Lsn{0x1'00000020}, 7);
    const auto copied = Store::open(layout).copied();
    ASSERT_EQ(copied.size(), 2U);
    EXPECT_EQ(copied[0].rows, 5'000'000'000);
    EXPECT_EQ(copied[0].consistent_point, Lsn{0xFFFFFFFF'FFFFFFFF});
    EXPECT_EQ(copied[1].table, "public.a");
    EXPECT_EQ(copied[1].source_oid, 4'000'000'001U);
    EXPECT_EQ(copied[1].consistent_point, Lsn{0x1'00000020});
    store.erase_copied("public.a");
    EXPECT_EQ(store.copied().size(), 1U);
}

TEST_F(StateStore, moves_with_what_it_holds) {
    std::optional<Store> store;
    store.emplace(Store::create(layout, the_migration));
    auto moved = std::move(*store);
    moved.set_fact("a", "b");
    EXPECT_EQ(moved.fact("a"), "b");
    EXPECT_EQ(moved.migration().id, the_migration.id);
}

TEST_F(StateStore, may_be_called_by_any_thread) {
    auto store = Store::create(layout, the_migration);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&store, t] {
            for (int i = 0; i < 25; ++i) {
                store.set_copied(fmt::format("public.t{}_{}", t, i), 1, Lsn{1}, i);
                (void)store.fact("phase");
            }
        });
    threads.clear();
    EXPECT_EQ(store.copied().size(), 100U);
}

// F21: ts-snapshot and ts-migrate write at the same time, and open and close at the same time.
TEST_F(StateStore, two_processes_write_at_the_same_time_and_nothing_is_lost) {
    { const auto store = Store::create(layout, the_migration); }
    const auto write_all_of = [&](int process) {
        return [this, process](const ChildProcess::Say& say) {
            for (int round = 0; round < 10; ++round) {
                auto store = Store::open(layout);
                for (int i = 0; i < 10; ++i) store.mark_done(fmt::format("{}.{}.{}", process, round, i));
            }
            say("done");
        };
    };
    ChildProcess first{write_all_of(1)}, second{write_all_of(2)}, third{write_all_of(3)};
    EXPECT_EQ(first.line(), "done");
    EXPECT_EQ(second.line(), "done");
    EXPECT_EQ(third.line(), "done");
    const auto store = Store::open(layout);
    for (int process = 1; process <= 3; ++process)
        for (int round = 0; round < 10; ++round)
            for (int i = 0; i < 10; ++i) EXPECT_TRUE(store.done(fmt::format("{}.{}.{}", process, round, i)));
}

TEST_F(StateStore, only_one_of_two_creators_succeeds) {
    const auto create = [this](const ChildProcess::Say& say) {
        say(refusal([this] { (void)Store::create(layout, the_migration); }));
    };
    ChildProcess first{create}, second{create};
    const auto outcomes = std::vector{first.line(), second.line()};
    EXPECT_THAT(outcomes,
                testing::UnorderedElementsAre(IsEmpty(), HasSubstr("there is a migration in this directory already")));
    EXPECT_EQ(Store::open(layout).migration().id, the_migration.id);
}

TEST_F(StateStore, what_was_recorded_survives_the_writers_kill) {
    { const auto store = Store::create(layout, the_migration); }
    ChildProcess writer{[this](const ChildProcess::Say& say) {
        auto store = Store::open(layout);
        for (int i = 0;; ++i) {
            store.mark_done(std::to_string(i));
            say(std::to_string(i));
        }
    }};
    std::string last;
    for (int i = 0; i < 20; ++i) last = writer.line();
    writer.kill();
    ASSERT_EQ(last, "19");
    const auto store = Store::open(layout);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(store.done(std::to_string(i)));
}

TEST_F(StateStore, an_empty_file_of_a_killed_creator_counts_as_nothing) {
    create_directory(layout);
    std::ofstream{layout.database()};
    EXPECT_FALSE(Store::exists(layout));
    EXPECT_THAT(refusal([&] { (void)Store::open(layout); }),
                HasSubstr("state.db: holds no migration | Run ts-snapshot"));
    EXPECT_EQ(Store::create(layout, the_migration).migration().id, the_migration.id);
}

TEST_F(StateStore, a_second_create_is_refused_and_changes_nothing) {
    { Store::create(layout, the_migration).set_fact("a", "b"); }
    auto other = the_migration;
    other.id = "ffffffff";
    EXPECT_THAT(refusal([&] { (void)Store::create(layout, other); }),
                HasSubstr("already | Go on with it (ts-migrate --resume)"));
    EXPECT_EQ(Store::open(layout).migration().id, the_migration.id);
    EXPECT_EQ(Store::open(layout).fact("a"), "b");
}

TEST_F(StateStore, a_directory_without_state_is_refused_by_name) {
    const auto root = layout.root.string();
    EXPECT_THAT(refusal([&] { (void)Store::open(layout); }),
                StartsWith(root + ": there is no such directory | Run ts-snapshot"));
    std::filesystem::create_directories(layout.root);
    EXPECT_THAT(refusal([&] { (void)Store::open(layout); }),
                StartsWith(root + ": is not a state directory: it has no state.db"));
    std::ofstream{temporary.path() / "file"};
    EXPECT_THAT(refusal([&] { (void)Store::open({temporary.path() / "file"}); }),
                HasSubstr("file: is not a directory"));
}

TEST_F(StateStore, a_newer_format_is_refused_and_left_as_it_is) {
    { const auto store = Store::create(layout, the_migration); }
    change("PRAGMA user_version = 2");
    EXPECT_TRUE(Store::exists(layout));
    EXPECT_THAT(
        refusal([&] { (void)Store::open(layout); }),
        HasSubstr("state.db: has format 2, and this ts-live knows up to 1 | Use the version of ts-live that made"));
    EXPECT_THAT(refusal([&] { (void)Store::create(layout, the_migration); }), HasSubstr("already"));
    EXPECT_EQ(state::detail::Database(layout.database()).number("PRAGMA user_version"), 2);
}

TEST_F(StateStore, a_file_of_somebody_else_is_refused_and_left_as_it_is) {
    create_directory(layout);
    std::ofstream{layout.database()} << std::string(5000, 'x');
    EXPECT_TRUE(Store::exists(layout));
    EXPECT_THAT(refusal([&] { (void)Store::open(layout); }), HasSubstr("is not a state database of ts-live"));
    EXPECT_THAT(refusal([&] { (void)Store::create(layout, the_migration); }),
                HasSubstr("is not a state database of ts-live"));
    EXPECT_EQ(std::filesystem::file_size(layout.database()), 5000U);

    std::filesystem::resize_file(layout.database(), 0);
    change("CREATE TABLE theirs (x)");
    EXPECT_TRUE(Store::exists(layout));
    EXPECT_THAT(refusal([&] { (void)Store::open(layout); }), HasSubstr("is a SQLite database, but not one of ts-live"));
    EXPECT_THAT(refusal([&] { (void)Store::create(layout, the_migration); }), HasSubstr("already"));
}

// Also where nothing would be read for hours: the table of what was copied.
TEST_F(StateStore, damage_is_said_when_the_file_is_opened) {
    { const auto store = Store::create(layout, the_migration); }
    for (const std::string table : {"copied_table", "migration"}) {
        const auto page = state::detail::Database(layout.database())
                              .number("SELECT rootpage FROM sqlite_schema WHERE name = '" + table + "'");
        std::fstream file{layout.database(), std::ios::in | std::ios::out | std::ios::binary};
        file.seekp((page - 1) * 4096);
        file << std::string(4096, 'x');
        file.close();
        EXPECT_THAT(refusal([&] { (void)Store::open(layout); }), HasSubstr("state.db: is damaged: ")) << table;
    }
}

TEST_F(StateStore, other_databases_than_the_migrations_are_refused_with_both_named) {
    const auto store = Store::create(layout, the_migration);
    auto renamed = the_migration.source;
    renamed.database_name = "app_2";
    EXPECT_NO_THROW(store.check_identity(renamed, the_migration.target));

    auto recreated = the_migration.source;
    recreated.database_oid = 20000;
    EXPECT_THAT(
        refusal([&] { store.check_identity(recreated, the_migration.target); }),
        HasSubstr(
            "this migration's source is database 'app' (oid 16384) of cluster 7301234567890123456, and the source "
            "given is database 'app' (oid 20000) of cluster 7301234567890123456 | Correct the connection string"));
    auto elsewhere = the_migration.target;
    elsewhere.system_identifier = "1";
    EXPECT_THAT(refusal([&] { store.check_identity(the_migration.source, elsewhere); }),
                HasSubstr("migration's target is"));
    EXPECT_THROW(store.check_identity(the_migration.target, the_migration.source), StateError);
}

TEST_F(StateStore, a_file_that_may_not_be_written_is_one_clear_error) {
    { const auto store = Store::create(layout, the_migration); }
    std::filesystem::permissions(layout.database(), std::filesystem::perms{0444});
    std::filesystem::permissions(layout.root, std::filesystem::perms{0555});
    std::filesystem::permissions(temporary.path(), std::filesystem::perms{0755});
    ChildProcess child{[this](const ChildProcess::Say& say) {
        test::drop_privileges();
        say(refusal([this] { Store::open(layout).set_fact("a", "b"); }));
    }};
    EXPECT_THAT(child.line(),
                AllOf(HasSubstr("state.db: cannot "), HasSubstr(" | Run as the user who owns the state directory")));
    std::filesystem::permissions(layout.root, std::filesystem::perms{0755});
}

TEST_F(StateStore, a_full_disk_is_said_and_what_was_there_stays) {
    { const auto store = Store::create(layout, the_migration); }
    {
        state::detail::Database database(layout.database());
        database.run("PRAGMA max_page_count = 1");  // SQLite takes the present size as the least
        EXPECT_THAT(refusal([&] {
                        state::detail::WriteTransaction transaction(database);
                        database.run("INSERT INTO fact VALUES ('big', ?)", std::string(1'000'000, 'x'));
                        transaction.commit();
                    }),
                    HasSubstr("state.db: cannot write: the disk is full | Free space"));
    }
    auto store = Store::open(layout);
    EXPECT_EQ(store.fact("big"), std::nullopt);
    EXPECT_NO_THROW(store.set_fact("small", "x"));
}

TEST_F(StateStore, text_that_reads_like_sql_stays_text) {
    auto store = Store::create(layout, the_migration);
    store.set_copied("public.\"'); DROP TABLE fact; --\"", 1, Lsn{1}, 1);
    EXPECT_EQ(store.copied().front().table, "public.\"'); DROP TABLE fact; --\"");
    EXPECT_EQ(store.fact("x"), std::nullopt);
}

}  // namespace
