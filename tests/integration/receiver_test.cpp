// What the receiver does when there is no room for what it receives.
#include <atomic>
#include <mutex>
#include <string>

#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::HasSubstr;

class ReceiverTest : public ApplyTest {
protected:
    void SetUp() override {
        adjust = [this](migrate::ReceiverOptions& options) {
            options.least_free_bytes = 1000;
            options.free_bytes = [this](const std::filesystem::path&) { return free_bytes.load(); };
        };
        log::add_sink([this](const log::Line& line) {
            const std::scoped_lock lock(mutex);
            said.append(line.text).push_back('\n');
        });
    }
    void TearDown() override {
        ApplyTest::TearDown();
        log::clear_sinks();
    }
    void wait_until_said(std::string_view words) {
        harness::eventually(fmt::format("'{}' is said", words), [&] {
            const std::scoped_lock lock(mutex);
            return said.find(words) != std::string::npos;
        });
    }

    std::atomic<std::uint64_t> free_bytes{1'000'000};
    std::mutex mutex;
    std::string said;
};

TEST_F(ReceiverTest, a_disk_without_space_is_waited_for_and_nothing_is_lost) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY, v text)");
    start();
    source.sql("INSERT INTO t VALUES (0, 'before')");
    stream->wait_until_received(stream->mark());
    free_bytes = 999;
    wait_until_said("no more changes are taken from the source until there are 1000 B");
    // More than the sockets between us hold.
    source.sql("INSERT INTO t SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 10000) i");
    const auto mark = stream->mark();
    EXPECT_LT(stream->receiver().received(), mark);
    free_bytes = 1'000'000;
    wait_until_said("There is space again");
    stream->wait_until_received(mark);
    apply_and_compare();
}

TEST_F(ReceiverTest, a_receiver_that_waits_for_space_can_be_stopped) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY)");
    start();
    free_bytes = 0;
    wait_until_said("no more changes are taken");
    source.sql("INSERT INTO t VALUES (1)");
    stream->end();
    free_bytes = 1'000'000;
    stream->begin();
    apply_and_compare();
}

}  // namespace
}  // namespace tslive::apply
