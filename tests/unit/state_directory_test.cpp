#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/state/directory.hpp"
#include "tslive/state/files.hpp"
#include "tslive/state/layout.hpp"
#include "tslive/state/lock.hpp"
#include "tslive/state/snapshot_file.hpp"
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

unsigned mode_of(const std::filesystem::path& path) {
    struct ::stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

void write_text(const std::filesystem::path& path, const std::string& text) { std::ofstream{path} << text; }

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// what() and remedy() of the StateError that the action throws; empty when it throws none.
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

TEST(StateDirectory, is_made_with_its_folders_for_its_owner_alone) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path() / "not" / "yet"};
    create_directory(layout);
    for (const auto& path : {layout.root, layout.schema(), layout.spool(), layout.logs()})
        EXPECT_EQ(mode_of(path), 0700U) << path;
    create_directory(layout);
}

TEST(StateDirectory, an_empty_one_that_others_could_read_is_made_private) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path() / "mounted"};
    std::filesystem::create_directories(layout.root / "lost+found");
    ::chmod(layout.root.c_str(), 0755);
    create_directory(layout);
    EXPECT_EQ(mode_of(layout.root), 0700U);
}

TEST(StateDirectory, one_that_holds_other_things_is_refused_and_left_as_it_is) {
    const TemporaryDirectory temporary;
    write_text(temporary.path() / "thesis.tex", "x");
    ::chmod(temporary.path().c_str(), 0755);
    EXPECT_THAT(refusal([&] { create_directory({temporary.path()}); }),
                HasSubstr("not a state directory: it holds 'thesis.tex'"));
    EXPECT_EQ(mode_of(temporary.path()), 0755U);
    EXPECT_FALSE(std::filesystem::exists(temporary.path() / "spool"));
}

TEST(StateDirectory, one_that_everybody_shares_is_refused) {
    const TemporaryDirectory temporary;
    ::chmod(temporary.path().c_str(), 01777);
    EXPECT_THAT(refusal([&] { create_directory({temporary.path()}); }), HasSubstr("everybody shares"));
    EXPECT_EQ(mode_of(temporary.path()), 01777U);
}

TEST(StateDirectory, a_file_in_its_place_is_refused) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path() / "file"};
    write_text(layout.root, "x");
    EXPECT_THAT(refusal([&] { create_directory(layout); }), HasSubstr("is not a directory"));
    EXPECT_THAT(refusal([&] { create_directory({layout.root / "below"}); }), HasSubstr("Not a directory"));
}

TEST(StateDirectory, one_of_another_user_is_refused) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    const TemporaryDirectory temporary;
    ::chmod(temporary.path().c_str(), 0777);
    ChildProcess child{[&](const auto& say) {
        test::drop_privileges();
        say(refusal([&] { create_directory({temporary.path()}); }));
    }};
    EXPECT_THAT(child.line(), HasSubstr("belongs to user 0, and this is user 65534 | Run as the user who owns"));
}

TEST(StateDirectory, one_that_cannot_be_written_is_one_clear_error) {
    const TemporaryDirectory temporary;
    ::chmod(temporary.path().c_str(), 0555);
    ChildProcess child{[&](const auto& say) {
        test::drop_privileges();
        say(refusal([&] { create_directory({temporary.path() / "inner"}); }));
    }};
    EXPECT_THAT(child.line(), HasSubstr("cannot create the directory: Permission denied | Run as the user who owns"));
}

TEST(StateDirectory, pruning_removes_what_is_ours_and_names_the_rest) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path() / "state"};
    create_directory(layout);
    write_text(layout.database(), "x");
    write_text(layout.spool() / "segment", "x");
    write_text(layout.lock("ts-migrate"), "x");
    write_snapshot_name(layout, "00000003-0000001B-1");
    write_text(layout.root / "notes.txt", "x");
    EXPECT_THAT(prune_directory(layout), ElementsAre("notes.txt"));
    EXPECT_FALSE(std::filesystem::exists(layout.spool()));
    EXPECT_TRUE(std::filesystem::exists(layout.root / "notes.txt"));

    std::filesystem::remove(layout.root / "notes.txt");
    EXPECT_THAT(prune_directory(layout), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(layout.root));
    EXPECT_THAT(prune_directory(layout), IsEmpty());
}

TEST(StateFiles, a_full_disk_is_said_with_the_remedy) {
    const auto full = open_file("/dev/full", O_WRONLY, "open");
    EXPECT_THAT(refusal([&] { write_all(full, "text", "/srv/state/snapshot"); }),
                HasSubstr("/srv/state/snapshot: cannot write: the disk is full | Free space"));
}

TEST(StateFiles, a_read_only_file_system_is_said_with_the_remedy) {
    EXPECT_THAT(refusal([] { throw file_error("/srv/state", "create", EROFS); }),
                HasSubstr("Read-only file system | "));
}

TEST(SnapshotFile, gives_back_the_name_until_it_is_removed) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    EXPECT_EQ(read_snapshot_name(layout), std::nullopt);
    write_snapshot_name(layout, "00000003-0000001B-1");
    write_snapshot_name(layout, "00000004-0000002C-1");
    EXPECT_EQ(read_snapshot_name(layout), "00000004-0000002C-1");
    EXPECT_EQ(text_of(layout.snapshot()), "00000004-0000002C-1\n");
    EXPECT_EQ(mode_of(layout.snapshot()), 0600U);
    remove_snapshot_name(layout);
    remove_snapshot_name(layout);
    EXPECT_EQ(read_snapshot_name(layout), std::nullopt);
}

TEST(SnapshotFile, a_killed_writer_leaves_the_old_name) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    write_snapshot_name(layout, "00000003-0000001B-1");
    write_text(layout.root / "snapshot.new", "00000004-00");
    EXPECT_EQ(read_snapshot_name(layout), "00000003-0000001B-1");
    write_snapshot_name(layout, "00000005-0000001B-1");
    EXPECT_EQ(read_snapshot_name(layout), "00000005-0000001B-1");
}

TEST(SnapshotFile, what_is_no_name_is_neither_written_nor_read) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    EXPECT_THROW(write_snapshot_name(layout, "'; DROP TABLE x"), StateError);
    for (const std::string text : {"", "\n", "one two", "00000003-0000001B-1\n00000003-0000001B-2\n"}) {
        write_text(layout.snapshot(), text);
        EXPECT_THAT(refusal([&] { (void)read_snapshot_name(layout); }), HasSubstr("snapshot: does not hold")) << text;
    }
    write_text(layout.snapshot(), std::string(100, 'A'));
    EXPECT_THROW((void)read_snapshot_name(layout), StateError);
}

TEST(Lock, names_its_holder_and_is_free_once_that_was_killed) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    ChildProcess child{[&](const auto& say) {
        const auto lock = Lock::acquire(layout, "ts-migrate");
        say("locked");
        ::pause();
    }};
    ASSERT_EQ(child.line(), "locked");
    const auto process = "process " + std::to_string(child.id());
    EXPECT_THAT(refusal([&] { (void)Lock::acquire(layout, "ts-migrate"); }),
                AllOf(HasSubstr("ts-migrate.lock: ts-migrate already runs in this directory: " + process),
                      HasSubstr("started 20")));
    ASSERT_TRUE(Lock::holder(layout, "ts-migrate"));
    EXPECT_EQ(Lock::holder(layout, "ts-migrate")->process, child.id());
    EXPECT_EQ(Lock::holder(layout, "ts-snapshot"), std::nullopt);
    const auto other_program = Lock::acquire(layout, "ts-snapshot");

    child.kill();
    EXPECT_EQ(Lock::holder(layout, "ts-migrate"), std::nullopt);
    const auto lock = Lock::acquire(layout, "ts-migrate");
    EXPECT_EQ(Lock::holder(layout, "ts-migrate")->process, ::getpid());
}

TEST(Lock, a_text_with_a_process_id_that_lives_does_not_hold_it) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    write_text(layout.lock("ts-migrate"), LockHolder{"ts-migrate", ::getpid(), "here", "2024-03-25T12:40:40Z"}.text());
    EXPECT_EQ(Lock::holder(layout, "ts-migrate"), std::nullopt);
    const auto lock = Lock::acquire(layout, "ts-migrate");
    EXPECT_EQ(mode_of(layout.lock("ts-migrate")) & 0700U, 0600U);
}

TEST(Lock, a_program_that_a_holder_started_does_not_keep_it) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    Descriptor reading{ends[0]}, writing{ends[1]};
    ChildProcess holder{[&](const auto& say) {
        const auto lock = Lock::acquire(layout, "ts-migrate");
        const auto grandchild = ::fork();
        if (grandchild == 0) {
            // Lives on after its parent was killed, until the test closes the pipe.
            ::dup2(reading.get(), STDIN_FILENO);
            writing.reset();
            ::execlp("cat", "cat", nullptr);
            ::_exit(1);
        }
        writing.reset();
        while (std::filesystem::read_symlink("/proc/" + std::to_string(grandchild) + "/exe").filename() != "cat")
            ::sched_yield();
        say("started");
        ::pause();
    }};
    reading.reset();
    ASSERT_EQ(holder.line(), "started");
    holder.kill();
    const auto lock = Lock::acquire(layout, "ts-migrate");
}

TEST(Lock, is_released_with_its_object_and_moves) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    {
        auto first = Lock::acquire(layout, "ts-clean");
        const auto second = std::move(first);
        EXPECT_THROW((void)Lock::acquire(layout, "ts-clean"), StateError);
    }
    const auto again = Lock::acquire(layout, "ts-clean");
}

int open_files_named(const std::filesystem::path& path) {
    int count = 0;
    std::error_code closed_meanwhile;
    for (const auto& file : std::filesystem::directory_iterator{"/proc/self/fd"})
        if (std::filesystem::read_symlink(file.path(), closed_meanwhile) == path) ++count;
    return count;
}

TEST(Lock, asking_who_holds_it_never_refuses_it_to_somebody) {
    const TemporaryDirectory temporary;
    const Layout layout{temporary.path()};
    const auto path = layout.lock("ts-migrate");
    for (int round = 0; round < 20; ++round) {
        auto asking = open_file(path, O_RDWR | O_CREAT, "open");
        ASSERT_EQ(::flock(asking.get(), LOCK_SH), 0);  // as holder() has it for an instant
        std::atomic<bool> refused = false;
        std::jthread acquiring{[&] { refused = !refusal([&] { (void)Lock::acquire(layout, "ts-migrate"); }).empty(); }};
        while (open_files_named(path) < 2 && !refused) std::this_thread::yield();
        asking.reset();
        acquiring.join();
        EXPECT_FALSE(refused);
    }
}

TEST(Lock, needs_the_directory) {
    const TemporaryDirectory temporary;
    EXPECT_THAT(refusal([&] { (void)Lock::acquire({temporary.path() / "none"}, "ts-migrate"); }),
                HasSubstr("ts-snapshot makes"));
    EXPECT_EQ(Lock::holder({temporary.path() / "none"}, "ts-migrate"), std::nullopt);
}

}  // namespace
