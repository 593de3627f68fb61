// Pipeline mode against a real server (CASES D22).
#include <cstddef>
#include <memory>
#include <string>

#include "integration/harness/harness.hpp"
#include "tslive/pg/pipeline.hpp"

namespace tslive::pg {
namespace {

class PipelineTest : public testing::Test {
protected:
    static void SetUpTestSuite() { server = std::make_unique<harness::TestServer>(); }
    static void TearDownTestSuite() { server.reset(); }
    static inline std::unique_ptr<harness::TestServer> server;

    Connection connection = server->database().connect("pipeline");
};

TEST_F(PipelineTest, goes_on_while_both_sides_have_more_to_say_than_sockets_hold) {
    // A client that only writes waits for a server that waits until somebody reads.
    constexpr std::size_t statements = 150;
    Pipeline pipeline(connection);
    std::size_t sent_bytes = 0, received_bytes = 0;
    for (std::size_t i = 0; i < statements; ++i) {
        const std::string value(i % 10 == 0 ? 3'000'000 : 200'000, 'x');
        sent_bytes += value.size();
        pipeline.send("SELECT $1::text", Params{}.text(value));
    }
    const auto failure =
        pipeline.finish([&](std::size_t, const Result& result) { received_bytes += result.at(0, 0).size(); });
    EXPECT_FALSE(failure);
    EXPECT_EQ(received_bytes, sent_bytes);
}

TEST_F(PipelineTest, the_first_failure_is_told_and_what_came_after_it_was_not_done) {
    connection.exec("CREATE TEMPORARY TABLE t (n int)");
    Pipeline pipeline(connection);
    pipeline.send("BEGIN", {});
    pipeline.send("INSERT INTO t VALUES (1)", {});
    pipeline.send("SELECT 1 / 0", {});
    pipeline.send("INSERT INTO t VALUES (2)", {});
    const auto failure = pipeline.finish([](std::size_t, const Result&) {});
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->index, 2U);
    EXPECT_EQ(failure->error.state(), SqlState{"22012"});
    pipeline.leave();
    connection.exec("ROLLBACK");
    EXPECT_EQ(connection.exec("SELECT count(*) FROM t").text(0, 0), "0");
}

}  // namespace
}  // namespace tslive::pg
