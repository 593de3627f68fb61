#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "tslive/catalog/columns.hpp"
#include "tslive/copy/columns.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/copy/plan.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/relay.hpp"
#include "tslive/copy/source_session.hpp"
#include "tslive/copy/target_session.hpp"
#include "tslive/pg/copy.hpp"

/// One part, from its lock on the source to its marker on the target:
///
///   source   SAVEPOINT, LOCK TABLE, compare file nodes, COPY TO STDOUT ........ ROLLBACK TO SAVEPOINT
///   target                BEGIN, claim the marker, [TRUNCATE,] COPY FROM STDIN, count, COMMIT
///
/// Killed anywhere before the COMMIT, nothing of the part is there; after it, marker and rows are.
namespace tslive::copy {

struct PartOutcome {
    enum class Kind { copied, already_done, rewritten, gone };
    Kind kind = Kind::copied;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;  ///< as COPY sent them
};

namespace detail {

/// Below this a table's pages are not worth a TRUNCATE, which needs a stronger lock and a new file.
inline constexpr std::int64_t least_frozen_bytes = 1 << 20;

[[nodiscard]] inline Freeze prepare_target(TargetSession& target, const TableToCopy& table, const TargetTable& there,
                                           const Part& part) {
    if (table.configuration) {
        // CREATE EXTENSION on the target may have put its own rows there, and they are among the source's.
        target.connection().exec(fmt::format("DELETE FROM ONLY {} {}", table.table.name.quoted(), table.condition));
        return Freeze::no;
    }
    if (!part.range.whole() || part.bytes < least_frozen_bytes || !there.ordinary || !there.may_truncate)
        return Freeze::no;
    target.empty(table.there, there);
    return Freeze::yes;
}

/// Ends a COPY that the target could not take, so that the session and its snapshot live on.
inline void discard(pg::CopyOut& out, pg::Connection& source) noexcept {
    try {
        source.cancel();
        ByteBuffer block;
        while (out.read(block, relay_block_bytes)) block.clear();
        static_cast<void>(out.finish());
    } catch (const std::exception&) {  // the cancellation that we asked for; SourceSession::recover sees what is worse
        return;
    }
}

inline PartOutcome relay_part(pg::Connection& source, pg::Connection& target, const std::string& out_command,
                              const std::string& in_command, const std::string& what, Progress& progress) {
    pg::CopyOut out(source, out_command);
    std::int64_t bytes = 0;
    try {
        pg::CopyIn in(target, in_command);
        const auto rows = relay(out, in, what, [&](std::size_t count) {
            bytes += static_cast<std::int64_t>(count);
            progress.bytes.done += static_cast<std::int64_t>(count);
        });
        return {PartOutcome::Kind::copied, rows, bytes};
    } catch (const Stopped&) {
        throw;
    } catch (const std::exception&) {
        progress.bytes.done -= bytes;
        discard(out, source);
        throw;
    }
}

}  // namespace detail

/// Copies one part. May be repeated, also after a COMMIT without an answer.
///
/// @param read_as  Options::read_as
/// @param unmoved  asked before the rows are read, and after: whether they are where the snapshot shows them
/// @throws Error  of either end; call `SourceSession::recover` then, and open a new TargetSession
inline PartOutcome copy_part(SourceSession& source, TargetSession& target, const Ledger& ledger,
                             const TableToCopy& table, const Part& part, Progress& progress,
                             const std::function<bool()>& unmoved = {},
                             const std::map<std::string, std::string>& read_as = {}) {
    const auto& name = table.table.name;
    const auto sight = source.begin_part(table.table);
    if (sight != SourceSession::Sight::clear) {
        source.end_part();
        return {.kind = sight == SourceSession::Sight::gone ? PartOutcome::Kind::gone : PartOutcome::Kind::rewritten};
    }
    if (unmoved && !unmoved()) {
        source.end_part();
        return {.kind = PartOutcome::Kind::rewritten};
    }
    const auto there = target.table(table.there);
    const auto columns = columns_to_copy(name, catalog::columns(source.connection(), table.table.id),
                                         catalog::columns(target.connection(), there.id), read_as);

    pg::Transaction transaction(target.connection());
    if (!ledger.claim(target.connection(), part.key)) {
        source.end_part();
        return {.kind = PartOutcome::Kind::already_done,
                .rows = ledger.done_rows(target.connection(), part.key).value_or(0)};
    }
    const auto freeze = detail::prepare_target(target, table, there, part);
    const auto outcome =
        detail::relay_part(source.connection(), target.connection(), copy_out_command(table, part.range, columns),
                           copy_in_command(table.there, columns, freeze), part.key, progress);
    if (unmoved && !unmoved()) {
        transaction.rollback();
        source.end_part();
        return {.kind = PartOutcome::Kind::rewritten};
    }
    ledger.set_rows(target.connection(), part.key, outcome.rows);
    transaction.commit();
    source.end_part();
    return outcome;
}

}  // namespace tslive::copy
