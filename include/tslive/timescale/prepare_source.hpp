#pragma once

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tslive/core/stop.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/state/store.hpp"
#include "tslive/timescale/chunk_tables.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/source_identities.hpp"
#include "tslive/timescale/source_jobs.hpp"
#include "tslive/timescale/source_settings.hpp"

namespace tslive::timescale {

/// What has to be done to a source before its publications and its slot are made, so that nothing of the application fails and nothing
/// is missing in the stream.
struct SourceWork {
    Installation timescaledb;
    PublishedTables published;
    std::vector<MissingIdentity> missing;

    /// Those that the user has to be asked about.
    [[nodiscard]] std::vector<catalog::QualifiedName> to_consent() const {
        std::vector<catalog::QualifiedName> names;
        for (const auto& table : missing)
            if (table.needs_consent()) names.push_back(table.name);
        return names;
    }
    [[nodiscard]] std::unordered_set<RelationId> to_be_given() const {
        std::unordered_set<RelationId> ids;
        for (const auto& table : missing) ids.insert(table.id);
        return ids;
    }
};

/// Changes nothing.
/// @param schemas_may_be_published  else all tables are, and each needs an identity
[[nodiscard]] inline SourceWork plan_source_work(pg::Connection& source, Installation timescaledb,
                                                 bool schemas_may_be_published) {
    SourceWork work{.timescaledb = std::move(timescaledb), .published = {}, .missing = {}};
    if (schemas_may_be_published) work.published.schemas = chunk_tables(source).schemas;
    else work.published.all = true;
    work.missing = missing_identities(source, work.published);
    return work;
}

/// Each change is journalled before it is made.
/// @throws Stopped
inline void prepare_source(const SourceWork& work, const pg::ConnInfo& info, state::Store& store,
                           pg::Connection& source, Waiter& waiter) {
    switch_off(disturbing_jobs(source, work.timescaledb), work.timescaledb, store, source, waiter);
    give_identities(work.published, store, source, waiter);
    set_needed_settings(needed_settings(work.timescaledb.release), info, store, source, waiter);
}

}  // namespace tslive::timescale
