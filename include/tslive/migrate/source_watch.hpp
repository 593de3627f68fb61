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
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/table_marks.hpp"
#include "tslive/snapshot/publications.hpp"
#include "tslive/snapshot/retention.hpp"
#include "tslive/timescale/chunk_tables.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/source_identities.hpp"

namespace tslive::migrate {

/// Looks after the source while a migration runs (law 10): a table that loses its replica identity while it is published for UPDATE
/// would make the application's own UPDATE fail (CASES A1). It is taken out of the publication at once, and the migration stops: from
/// then on its changes are missing. Where a schema is published as a whole, it is given an identity instead. What the source has to keep for us is watched, too, and said before it hurts. One thread.
class SourceWatch {
public:
    explicit SourceWatch(const Context& context) : context_(context), retention_(context.names.slot()) {}

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
                if (!source) {
                    source.emplace(open_end("source", context_.ends.source, "watch", stop));
                    has_timescaledb_ = timescale::installation(*source).has_value();
                }
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
        expect_publications(source);
        if (has_timescaledb_) mend_identities(source);
        expect_identities(source);
        if (const auto kept = snapshot::retention(source, context_.names.slot()))
            for (const auto& warning : retention_.take(*kept)) log::warning("{}", warning);
    }

    /// The server finds out at the next change that it decodes, in words that help nobody (CASES B5).
    void expect_publications(pg::Connection& source) {
        for (const auto& name : {context_.names.publication_all(), context_.names.publication_identity()})
            if (source.exec("SELECT FROM pg_catalog.pg_publication WHERE pubname = $1", pg::Params{}.text(name))
                    .empty())
                throw Error(
                    Recovery::operator_action, fmt::format("somebody dropped the publication {} on the source", name),
                    "A slot does not find a publication that was made after the changes it decodes, so another one "
                    "of that name is of no use. Run ts-clean and begin a new migration");
    }

    /// A table in a schema that is published as a whole cannot be taken out: it is given an identity, if it has none (any more).
    /// Until then its UPDATEs and DELETEs were refused, so that none is missing.
    void mend_identities(pg::Connection& source) {
        const auto published = timescale::published_tables(source, context_.names.publication_identity());
        timescale::expect_chunks_published(source, published);
        timescale::give_identities(published, context_.store, source, source.waiter());
    }

    void expect_identities(pg::Connection& source) {
        const auto lost = snapshot::member_without_identity(source, context_.names.publication_identity());
        if (!lost) return;
        if (has_timescaledb_ && timescale::chunk_tables(source).hypertables.contains(lost->id)) return;  // next time
        // Before it is taken out: from then on its changes are missing, whatever ends us.
        TableMarks(context_.store, fact::lost_identity).add(lost->id);
        source.exec(snapshot::drop_member_sql(context_.names.publication_identity(), *lost));
        throw Error(
            Recovery::operator_action,
            fmt::format("{} lost its replica identity on the source, where UPDATE and DELETE on it would have "
                        "failed: it was taken out of "
                        "the publication, so that they work, and are no longer replicated",
                        lost->table),
            "Give it a primary key or REPLICA IDENTITY again, then go on with --resume: it is published again, and "
            "copied again under a snapshot of its own, for its changes from now on are missing");
    }

    const Context& context_;
    snapshot::RetentionWarnings retention_;
    bool has_timescaledb_ = false;
};

}  // namespace tslive::migrate
