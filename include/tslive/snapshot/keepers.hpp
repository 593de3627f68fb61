#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::snapshot {

/// One session that has imported a snapshot and exported it again under a name of its own. The name is importable while this lives.
/// Source: PostgreSQL documentation, "Snapshot Synchronization Functions".
class Keeper {
public:
    /// @throws ServerError  when `snapshot` is no longer there
    Keeper(const pg::ConnInfo& source, std::string_view snapshot, const std::stop_token& stop)
        : session_(pg::Connection::open(source, "snapshot keeper", stop)) {
        session_.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        session_.exec(fmt::format("SET TRANSACTION SNAPSHOT {}", pg::quote_literal(snapshot)));
        name_ = session_.exec("SELECT pg_catalog.pg_export_snapshot()").text(0, 0);
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Notices at once that the server has ended the session. @throws Error when the session is gone
    void look() {
        if (session_.has_news()) touch();
    }
    /// Keeps firewalls and servers from taking the session for idle. @throws Error when the session is gone
    void touch() { session_.exec("SELECT 1"); }
    /// After its answer no import works any more.
    void release() { session_.exec("ROLLBACK"); }

private:
    pg::Connection session_;
    std::string name_;
};

/// Several keepers of one snapshot: it lives while one of them does, and lost ones are replaced (CASES A10, B1). One thread.
class Keepers {
public:
    Keepers(pg::ConnInfo source, std::string_view snapshot, std::stop_token stop, std::size_t count = 2)
        : source_(std::move(source)), stop_(std::move(stop)), wanted_(count) {
        for (std::size_t i = 0; i < wanted_; ++i)
            keepers_.push_back(std::make_unique<Keeper>(source_, snapshot, stop_));
    }

    /// Of the keeper that has lived longest: what others import.
    [[nodiscard]] const std::string& name() const { return keepers_.front()->name(); }

    enum class Care { look, touch };
    /// Looks at each session, or talks to it, and replaces lost ones from a living one.
    /// @returns            whether name() has changed
    /// @throws Error       (operator_action) when no keeper is left: the snapshot is lost
    bool keep_alive(Care care) {
        const auto before = name();
        std::erase_if(keepers_, [care](const std::unique_ptr<Keeper>& keeper) {
            try {
                if (care == Care::touch) keeper->touch();
                else keeper->look();
                return false;
            } catch (const Error& error) {
                log::warning("A session that keeps the snapshot is gone: {}", error.what());
                return true;
            }
        });
        if (keepers_.empty())
            throw Error(Recovery::operator_action,
                        "every session that kept the snapshot is gone, and the snapshot with them",
                        "Tables that were copied stay copied. If the base copy was not finished, ts-migrate --resume "
                        "copies the others under a "
                        "new snapshot of its own");
        while (keepers_.size() < wanted_) {
            try {
                keepers_.push_back(std::make_unique<Keeper>(source_, name(), stop_));
            } catch (const Error& error) {
                log::warning("The lost session cannot be replaced now: {}", error.what());
                break;
            }
        }
        return name() != before;
    }

    void release() {
        for (const auto& keeper : keepers_) keeper->release();
        keepers_.clear();
    }

private:
    pg::ConnInfo source_;
    std::stop_token stop_;
    std::size_t wanted_;
    std::vector<std::unique_ptr<Keeper>> keepers_;
};

}  // namespace tslive::snapshot
