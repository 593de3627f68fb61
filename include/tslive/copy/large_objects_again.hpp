#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/copy/large_object.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/workers.hpp"
#include "tslive/pg/retry.hpp"

namespace tslive::copy {

/// What compare_large_objects() found.
struct LargeObjectChanges {
    std::int64_t compared = 0;
    std::int64_t sent = 0;       ///< new ones and those with another content
    std::int64_t removed = 0;    ///< unlinked on the source
    std::int64_t described = 0;  ///< owner, rights or comment alone
};

namespace detail {

/// What two servers can compare of an object without sending it.
struct LargeObjectState {
    LargeObject object;  ///< its grants are not filled in
    std::string content, rights;
};

/// The objects whose OID is after `after` and not after `last`, with a hash over the hashes of their pieces. One query.
inline std::map<std::uint32_t, LargeObjectState> large_object_states(pg::Connection& connection, std::int64_t after,
                                                                     std::int64_t last) {
    const auto found = connection.exec(
        "WITH RECURSIVE piece AS ("
        "  SELECT l.oid, 0::pg_catalog.int8 AS at, p.size, p.digest FROM pg_catalog.pg_largeobject_metadata l "
        "  CROSS JOIN LATERAL (SELECT pg_catalog.length(b) AS size, pg_catalog.sha256(b) AS digest "
        "    FROM (SELECT pg_catalog.lo_get(l.oid, 0, $3::pg_catalog.int4) AS b OFFSET 0) x) p "
        "  WHERE l.oid > $1::pg_catalog.oid AND l.oid <= $2::pg_catalog.oid "
        "  UNION ALL "
        "  SELECT piece.oid, piece.at + $3::pg_catalog.int4, p.size, p.digest FROM piece "
        "  CROSS JOIN LATERAL (SELECT pg_catalog.length(b) AS size, pg_catalog.sha256(b) AS digest "
        "    FROM (SELECT pg_catalog.lo_get(piece.oid, piece.at + $3::pg_catalog.int4, $3::pg_catalog.int4) AS b "
        "      OFFSET 0) x) p WHERE piece.size = $3::pg_catalog.int4) "
        "SELECT l.oid, r.rolname, pg_catalog.obj_description(l.oid, 'pg_largeobject'), "
        "  p.size || ' ' || pg_catalog.encode(p.digest, 'hex'), "
        "  coalesce((SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', coalesce(g.rolname, 'PUBLIC'), "
        "      a.privilege_type, a.is_grantable), ', ' ORDER BY g.rolname, a.privilege_type) "
        "    FROM pg_catalog.aclexplode(l.lomacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee "
        "    WHERE a.grantee <> l.lomowner AND (a.grantee = 0 OR g.oid IS NOT NULL)), '') "
        "FROM pg_catalog.pg_largeobject_metadata l JOIN pg_catalog.pg_roles r ON r.oid = l.lomowner "
        "JOIN (SELECT oid, pg_catalog.sum(size) AS size, "
        "    pg_catalog.sha256(pg_catalog.string_agg(digest, '\\x'::pg_catalog.bytea ORDER BY at)) AS digest "
        "  FROM piece GROUP BY oid) p ON p.oid = l.oid",
        pg::Params{}.number(after).number(last).number(large_object_piece_bytes));
    std::map<std::uint32_t, LargeObjectState> states;
    for (int r = 0; r < found.rows(); ++r)
        states.emplace(found.number<std::uint32_t>(r, 0),
                       LargeObjectState{.object = {.id = found.number<std::uint32_t>(r, 0),
                                                   .owner = found.text(r, 1),
                                                   .comment = found.optional(r, 2),
                                                   .grants = {}},
                                        .content = found.text(r, 3),
                                        .rights = found.text(r, 4)});
    return states;
}

/// Compares the large objects of both ends, range of OIDs by range, and makes the target's like the source's. Each range
/// is a transaction of the target.
class LargeObjectComparison {
public:
    LargeObjectComparison(const Options& options, Progress& progress) : options_(options), progress_(progress) {}

    LargeObjectChanges run(const std::stop_token& stop) {
        Workers workers(stop);
        for (int i = 0; i < std::max(options_.table_jobs, 1); ++i)
            workers.start([this](const std::stop_token& token) { work(token); });
        workers.join();
        make_durable(options_, stop);
        return {compared_, sent_, removed_, described_};
    }

private:
    static constexpr int range_objects = 200;

    struct Sessions {
        std::optional<pg::Connection> source, target;
    };
    struct Range {
        std::int64_t after = 0, last = 0;
    };

    void work(const std::stop_token& stop) {
        Waiter waiter(stop);
        Sessions sessions;
        const auto with_sessions = [&](const std::string& what, auto&& step) {
            return pg::retry(what, waiter, [&] {
                try {
                    if (!sessions.source)
                        sessions.source.emplace(pg::Connection::open(options_.source, "large objects", stop));
                    if (!sessions.target)
                        sessions.target.emplace(pg::Connection::open(options_.target, "large objects", stop));
                    return step();
                } catch (const Error& error) {
                    sessions = {};
                    // Comparing again finds out what the COMMIT without an answer did.
                    if (error.recovery() == Recovery::unknown_outcome)
                        throw Error(Recovery::reconnect, error.what(), error.remedy());
                    throw;
                }
            });
        };
        while (true) {
            const auto range = with_sessions("large objects", [&] { return take(sessions); });
            if (!range) return;
            with_sessions("comparison of large objects", [&] { compare(sessions, *range); });
        }
    }

    /// The next range, such that neither end has more than `range_objects` in it.
    std::optional<Range> take(Sessions& sessions) {
        constexpr std::int64_t end = std::numeric_limits<std::uint32_t>::max();
        const std::scoped_lock lock(mutex_);
        if (next_ >= end) return std::nullopt;
        auto last = end;
        for (auto* session : {&*sessions.source, &*sessions.target}) {
            const auto found = session->exec(
                "SELECT oid FROM pg_catalog.pg_largeobject_metadata WHERE oid > $1::pg_catalog.oid ORDER BY oid "
                "OFFSET $2 LIMIT 1",
                pg::Params{}.number(next_).number(range_objects - 1));
            if (!found.empty()) last = std::min(last, found.number<std::int64_t>(0, 0));
        }
        const Range range{next_, last};
        next_ = last;
        return range;
    }

    void compare(Sessions& sessions, const Range& range) {
        auto& target = *sessions.target;
        const auto wanted = large_object_states(*sessions.source, range.after, range.last);
        const auto there = large_object_states(target, range.after, range.last);
        LargeObjectChanges changes;
        pg::Transaction transaction(target);
        for (const auto& [id, state] : there)
            if (!wanted.contains(id)) {
                target.exec("SELECT pg_catalog.lo_unlink($1)", pg::Params{}.number(id));
                ++changes.removed;
            }
        for (const auto& [id, state] : wanted) {
            ++changes.compared;
            const auto found = there.find(id);
            if (found == there.end() || found->second.content != state.content) {
                send(sessions, state);
                ++changes.sent;
            } else if (!same_description(found->second, state)) {
                describe(sessions, state.object, what_to_revoke(target, found->second.object));
                ++changes.described;
            }
        }
        transaction.commit();
        compared_ += changes.compared;
        sent_ += changes.sent;
        removed_ += changes.removed;
        described_ += changes.described;
    }

    void send(Sessions& sessions, const LargeObjectState& state) {
        const auto id = state.object.id;
        const Progress::Running running(progress_, fmt::format("copy of large object {}", id));
        send_large_object(*sessions.source, *sessions.target, id);
        // Law 4: what arrived is what the source had when it was compared.
        const auto arrived = large_object_states(*sessions.target, std::int64_t{id} - 1, id);
        if (arrived.empty() || arrived.begin()->second.content != state.content)
            throw Error(Recovery::operator_action,
                        fmt::format("large object {} has another content on the target than it had on the source", id),
                        "Somebody writes it: stop the application on the source, then go on with --resume");
        describe(sessions, state.object, {});
    }
    void describe(Sessions& sessions, LargeObject object, std::vector<std::string> before) {
        auto grants = large_object_grants(*sessions.source, object.id);
        object.grants = std::move(before);
        object.grants.insert(object.grants.end(), grants.begin(), grants.end());
        describe_large_object(*sessions.target, object, progress_);
    }
    [[nodiscard]] static bool same_description(const LargeObjectState& a, const LargeObjectState& b) {
        return a.object.owner == b.object.owner && a.object.comment == b.object.comment && a.rights == b.rights;
    }
    [[nodiscard]] static std::vector<std::string> what_to_revoke(pg::Connection& target, const LargeObject& there) {
        const auto grantees = target.exec(
            "SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END "
            "FROM pg_catalog.pg_largeobject_metadata l CROSS JOIN LATERAL pg_catalog.aclexplode(l.lomacl) a "
            "LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee "
            "WHERE l.oid = $1 AND a.grantee <> l.lomowner AND (a.grantee = 0 OR g.oid IS NOT NULL)",
            pg::Params{}.number(there.id));
        std::vector<std::string> commands;
        if (there.comment) commands.push_back(fmt::format("COMMENT ON LARGE OBJECT {} IS NULL", there.id));
        for (int r = 0; r < grantees.rows(); ++r)
            commands.push_back(
                fmt::format("REVOKE ALL ON LARGE OBJECT {} FROM {} CASCADE", there.id, grantees.at(r, 0)));
        return commands;
    }

    const Options& options_;
    Progress& progress_;
    std::mutex mutex_;  // guards next_
    std::int64_t next_ = 0;
    std::atomic<std::int64_t> compared_{0}, sent_{0}, removed_{0}, described_{0};
};

}  // namespace detail

/// Makes the target's large objects like the source's are now: compares all of them by content, owner, rights and comment,
/// sends those that differ or are missing, and unlinks those that are gone. Both servers read all of their objects for
/// that; only what differs travels. For the switch-over, when nobody writes on the source any more: no change of a large
/// object is in the stream (CASES E18).
///
/// May be repeated. @throws Error  operator_action when an object changes while it is copied; Stopped
inline LargeObjectChanges compare_large_objects(const Options& options, Progress& progress, std::stop_token stop) {
    progress.enter("comparing large objects");
    Waiter waiter(stop);
    const bool some = pg::retry("large objects", waiter, [&] {
        for (const auto* end : {&options.source, &options.target}) {
            auto session = pg::Connection::open(*end, "large objects", stop);
            if (!session.exec("SELECT FROM pg_catalog.pg_largeobject_metadata LIMIT 1").empty()) return true;
        }
        return false;
    });
    if (!some) return {};
    return detail::LargeObjectComparison(options, progress).run(stop);
}

}  // namespace tslive::copy
