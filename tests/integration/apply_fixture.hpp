#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/harness.hpp"
#include "tslive/apply/applier.hpp"
#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/receiver.hpp"
#include "tslive/snapshot/names.hpp"
#include "tslive/snapshot/publications.hpp"
#include "tslive/snapshot/slot.hpp"

namespace tslive::apply {

/// What is published and received from a source: publications, slot, a Receiver in its own thread, and its spool.
class Stream {
public:
    using Adjust = std::function<void(migrate::ReceiverOptions&)>;

    Stream(const harness::Database& source, spool::Options spool_options, const Adjust& adjust) : source_(source) {
        auto session = pg::Connection::open(source.conninfo(), "test");
        const catalog::Capabilities can{session.server_version()};
        snapshot::create_publications(session, names_,
                                      snapshot::plan_publications(catalog::tables(session), true, can));
        auto replication = pg::Connection::open(source.conninfo(), "test slot", {}, pg::ConnectionKind::replication);
        start_ = snapshot::create_slot(replication, session, names_.slot()).consistent_point;
        options_.source = source.conninfo();
        options_.system_identifier = pg::identify_system(replication).system_identifier;
        options_.slot = names_.slot();
        options_.publications = {names_.publication_all(), names_.publication_identity()};
        options_.consistent_point = start_;
        options_.protocol = {.version = can.pgoutput_version(),
                             .streaming = can.streaming() ? pgoutput::Streaming::on : pgoutput::Streaming::off};
        options_.spool = harness::Scratch::instance().make_directory("a") / "spool";
        options_.spool_options = spool_options;
        options_.retry.first_wait = std::chrono::milliseconds{5};
        if (adjust) adjust(options_);
        begin();
    }
    ~Stream() { end(); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    void begin() {
        receiver_ = std::make_unique<migrate::Receiver>(options_);
        thread_ = std::jthread([this](const std::stop_token& stop) {
            try {
                receiver_->run(stop);
            } catch (...) {
                failure_ = std::current_exception();
            }
        });
    }
    void end() {
        thread_ = {};
        receiver_.reset();
    }
    /// Ends the receiver and begins another, as a restart of the program does.
    void restart() {
        end();
        begin();
    }
    /// A position that everything committed on the source so far commits before.
    [[nodiscard]] Lsn mark() const {
        return *Lsn::parse(
            source_.value(fmt::format("SELECT pg_logical_emit_message(true, '{}', 'end')", names_.origin())));
    }
    void wait_until_received(Lsn position) {
        harness::eventually("the receiver has everything", [&] {
            if (failure_) std::rethrow_exception(failure_);
            return receiver_->received() >= position;
        });
    }
    [[nodiscard]] migrate::Receiver& receiver() { return *receiver_; }
    [[nodiscard]] const migrate::ReceiverOptions& options() const { return options_; }
    [[nodiscard]] const snapshot::Names& names() const { return names_; }

    [[nodiscard]] ApplierOptions applier_options(const harness::Database& target) const {
        ApplierOptions options;
        options.target = target.conninfo();
        options.origin = names_.origin();
        options.start = start_;
        options.spool = options_.spool;
        options.stream = options_.stream;
        options.frontier = receiver_->frontier();
        options.retry = {.first_wait = std::chrono::milliseconds{5}, .longest_wait = std::chrono::milliseconds{100}};
        options.knowledge.generated = [source = source_](RelationId id) {
            return source.rows(
                fmt::format("SELECT attname FROM pg_attribute WHERE attrelid = {} AND attgenerated <> ''", id));
        };
        options.knowledge.ancestors = [source = source_](RelationId id) {
            std::vector<catalog::QualifiedName> found;
            const auto rows = source.sql(fmt::format(
                "SELECT n.nspname, c.relname FROM pg_partition_ancestors({0}) a JOIN pg_class c ON c.oid = a.relid "
                "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid <> {0}",
                id));
            for (int row = 0; row < rows.rows(); ++row) found.push_back({rows.text(row, 0), rows.text(row, 1)});
            return found;
        };
        return options;
    }

private:
    harness::Database source_;
    snapshot::Names names_ = snapshot::Names::random();
    Lsn start_;
    migrate::ReceiverOptions options_;
    std::unique_ptr<migrate::Receiver> receiver_;
    std::exception_ptr failure_;
    std::jthread thread_;
};

/// A source and two targets that begin equal. What happens on the source is received once and applied twice: in
/// batches, as in
/// production, and to `single` a transaction at a time and a row at a time, so that a folding that changes the result
/// is seen.
class ApplyTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        source_server = std::make_unique<harness::TestServer>(
            harness::ServerOptions{.settings = {"wal_level=logical", "autovacuum=off", "max_replication_slots=200"}});
        target_server = std::make_unique<harness::TestServer>(
            harness::ServerOptions{.settings = {"autovacuum=off", "max_replication_slots=200"}});
    }
    static void TearDownTestSuite() {
        source_server.reset();
        target_server.reset();
    }
    void TearDown() override { stream.reset(); }

    /// Runs SQL on all three databases: what was there before the migration, or what the operator does on both sides.
    void everywhere(std::string_view sql) const {
        source.sql(sql);
        on_targets(sql);
    }
    void on_targets(std::string_view sql) const {
        target.sql(sql);
        single.sql(sql);
    }
    void start(spool::Options spool_options = {}) { stream = std::make_unique<Stream>(source, spool_options, adjust); }

    [[nodiscard]] ApplierOptions options() const { return stream->applier_options(target); }
    [[nodiscard]] ApplierOptions options_of_single() const {
        auto options = stream->applier_options(single);
        options.origin += "_single";
        options.limits = {.rows = 1, .buffer_bytes = 1};
        return options;
    }
    /// Applies everything up to now. @throws what the applier throws
    ApplierStatus apply_to(ApplierOptions chosen) const {
        Applier applier(std::move(chosen));
        applier.end_at(stream->mark());
        EXPECT_EQ(applier.run({}), Applier::Outcome::reached_end);
        return applier.status();
    }
    ApplierStatus apply() const { return apply_to(options()); }
    void apply_both() const {
        apply();
        apply_to(options_of_single());
    }
    /// What the applier of `target` fails with.
    [[nodiscard]] std::string failure() const {
        try {
            apply();
        } catch (const Error& error) {
            EXPECT_EQ(error.recovery(), Recovery::operator_action);
            return fmt::format("{} | {}", error.what(), error.remedy());
        }
        ADD_FAILURE() << "the applier did not fail";
        return {};
    }

    void expect_equal() const { EXPECT_TRUE(harness::databases_are_equal(source, target, contents)); }
    void expect_all_equal() const {
        expect_equal();
        EXPECT_TRUE(harness::databases_are_equal(source, single, contents)) << "a row at a time";
    }
    /// For tables whose rows cannot be compared as they are, such as those with another order of columns.
    void expect_same(std::string_view query) const {
        EXPECT_EQ(source.rows(query), target.rows(query)) << query;
        EXPECT_EQ(source.rows(query), single.rows(query)) << "a row at a time: " << query;
    }
    /// The whole of most tests: applies, compares.
    void apply_and_compare() const {
        ASSERT_NO_THROW(apply_both());
        expect_all_equal();
    }

    static inline std::unique_ptr<harness::TestServer> source_server, target_server;
    static inline const harness::CompareOptions contents{.schema = false, .sequences = false, .large_objects = false};
    static inline int databases = 0;

    std::string name = fmt::format("d{}", ++databases);
    harness::Database source = source_server->create_database(name);
    harness::Database target = target_server->create_database(name);
    harness::Database single = target_server->create_database(name + "_single");
    Stream::Adjust adjust;  ///< what a test wants to be different about the receiver; set it before start()
    std::unique_ptr<Stream> stream;
};

}  // namespace tslive::apply
