#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::migrate {

/// Looks after the source while a migration runs (law 10): a table that loses its replica identity while it is published for UPDATE
/// would make the application's own UPDATE fail (CASES A1). It is taken out of the publication at once, and the migration stops: from
/// then on its changes are missing. One thread.
class SourceWatch {
public:
    explicit SourceWatch(const Context& context) : context_(context) {}

    /// Until stopped. @throws Error (operator_action) when a table had to be taken out
    void run(const std::stop_token& stop) {
        constexpr std::chrono::seconds look_every{2};
        constexpr int least_rest = 50;  // times as long as a look took: of 100,000 tables, it takes part of a second
        Waiter waiter(stop);
        std::optional<pg::Connection> source;
        std::chrono::milliseconds rest{look_every};
        do {
            const auto began = std::chrono::steady_clock::now();
            try {
                if (!source) source.emplace(open_end("source", context_.ends.source, "watch", stop));
                look(*source);
            } catch (const Error& error) {
                if (error.recovery() == Recovery::operator_action) throw;
                log::debug("the source cannot be looked after now: {}", error.what());
                source.reset();
            }
            rest = std::max<std::chrono::milliseconds>(
                look_every,
                least_rest * std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began));
        } while (waiter.sleep(rest));
    }

private:
    void look(pg::Connection& source) {
        // A partition is reached through the partitioned member above it, which is then what has to leave.
        const auto lost = source.exec(
            "WITH RECURSIVE member AS (SELECT r.prrelid AS root, r.prrelid AS relation FROM "
            "pg_catalog.pg_publication_rel r "
            "JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE p.pubname = $1 "
            "UNION ALL SELECT m.root, i.inhrelid FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = "
            "m.relation "
            "JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relispartition) "
            "SELECT rn.nspname, r.relname, r.relkind = 'p', c.oid::pg_catalog.regclass FROM member m "
            "JOIN pg_catalog.pg_class c ON c.oid = m.relation JOIN pg_catalog.pg_class r ON r.oid = m.root "
            "JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace "
            "WHERE c.relkind = 'r' AND c.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE "
            "i.indrelid = c.oid "
            "AND i.indisvalid AND i.indimmediate AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN "
            "i.indisreplident ELSE false END) "
            "LIMIT 1",
            pg::Params{}.text(context_.names.publication_identity()));
        if (lost.empty()) return;
        source.exec(fmt::format("ALTER PUBLICATION {} DROP TABLE {}{}",
                                pg::quote_identifier(context_.names.publication_identity()),
                                lost.boolean(0, 2) ? "" : "ONLY ", pg::qualified(lost.at(0, 0), lost.at(0, 1))));
        throw Error(Recovery::operator_action,
                    fmt::format("{} lost its replica identity on the source, where UPDATE and DELETE on it would have "
                                "failed: it was taken out of "
                                "the publication, so that they work, and are no longer replicated",
                                lost.at(0, 3)),
                    "Its changes from now on are missing on the target. Give it a primary key or REPLICA IDENTITY "
                    "again, remove this migration "
                    "with the clean command, and begin a new one");
    }

    const Context& context_;
};

}  // namespace tslive::migrate
