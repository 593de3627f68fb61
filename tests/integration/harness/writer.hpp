#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "integration/harness/database.hpp"
#include "integration/harness/eventually.hpp"
#include "integration/harness/failure.hpp"
#include "tslive/pg/error.hpp"

namespace tslive::harness {

/// Random choices of one writer thread.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}
    /// A number in [least, most].
    std::int64_t between(std::int64_t least, std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>{least, most}(engine_);
    }
    /// True once in `n` times.
    bool one_in(std::int64_t n) { return between(1, n) == 1; }

private:
    std::mt19937_64 engine_;
};

/// What writers do. One object serves all threads of a Writer, so it holds no state that changes.
class Workload {
public:
    Workload() = default;
    Workload(const Workload&) = delete;
    Workload& operator=(const Workload&) = delete;
    virtual ~Workload() = default;

    /// Makes the tables it writes to; called once by the test, before the migration starts.
    virtual void create(const Database& database) const = 0;
    /// The statements of one transaction, without BEGIN and COMMIT.
    virtual void run_transaction(pg::Connection& connection, Dice& dice) const = 0;
};

struct WriterOptions {
    int threads = 2;
    std::uint64_t seed = std::random_device{}();
    bool tolerate_restarts = false;         ///< go on, on a new connection, when the server goes away
    std::chrono::microseconds pause{1000};  ///< between transactions of a thread
};

/// Threads that run a workload's transactions on a database until stopped, as an application would.
///
/// Transactions that the server refuses for what others did (deadlock, serialization, a key that exists) are rolled
/// back and go uncounted. Any other failure ends the writer and comes out of `stop()` and `wait_for_commits()`. One
/// owning thread.
class Writer {
public:
    explicit Writer(Database database, std::shared_ptr<const Workload> workload, WriterOptions options = {})
        : database_(std::move(database)), workload_(std::move(workload)), options_(options) {
        for (int number = 0; number < options_.threads; ++number)
            threads_.emplace_back([this, number](const std::stop_token& stop) { write(number, stop); });
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() {
        threads_.clear();
        if (testing::Test::HasFailure() || failure_)
            fmt::print(stderr, "writer: seed {}, {} commits\n", options_.seed, commits());
    }

    /// Ends after the transactions under way.
    /// @throws the failure of a thread, if there was one
    void stop() {
        threads_.clear();
        rethrow_failure();
    }
    /// Waits for `count` more commits from now on.
    void wait_for_commits(std::int64_t count, std::chrono::milliseconds timeout = patience) {
        const auto wanted = commits() + count;
        eventually(
            fmt::format("the writer has {} commits", wanted),
            [&] {
                rethrow_failure();
                return commits() >= wanted;
            },
            timeout);
    }
    [[nodiscard]] std::int64_t commits() const noexcept { return commits_; }
    [[nodiscard]] std::uint64_t seed() const noexcept { return options_.seed; }

private:
    void write(int number, const std::stop_token& stop) {
        Dice dice{options_.seed + static_cast<std::uint64_t>(number)};
        while (!stop.stop_requested()) {
            try {
                auto connection = database_.connect("writer");
                while (!stop.stop_requested()) {
                    if (write_once(connection, dice)) ++commits_;
                    std::this_thread::sleep_for(options_.pause);
                }
            } catch (const Error& error) {
                if (options_.tolerate_restarts && error.recovery() != Recovery::operator_action) {
                    std::this_thread::sleep_for(std::chrono::milliseconds{20});
                    continue;
                }
                return keep_failure();
            } catch (const std::exception&) {
                return keep_failure();
            }
        }
    }
    bool write_once(pg::Connection& connection, Dice& dice) const {
        try {
            pg::Transaction transaction{connection};
            workload_->run_transaction(connection, dice);
            if (dice.one_in(20)) return false;  // the destructor rolls back
            transaction.commit();
            return true;
        } catch (const pg::ServerError& error) {
            const auto kind = error.state().code_class();
            if (kind == "40" || kind == "23") return false;
            throw;
        }
    }
    void keep_failure() {
        const std::scoped_lock lock(mutex_);
        failure_ = std::current_exception();
    }
    void rethrow_failure() {
        const std::scoped_lock lock(mutex_);
        if (failure_) std::rethrow_exception(failure_);
    }

    Database database_;
    std::shared_ptr<const Workload> workload_;
    WriterOptions options_;
    std::atomic<std::int64_t> commits_ = 0;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::vector<std::jthread> threads_;
};

}  // namespace tslive::harness
