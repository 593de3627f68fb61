#pragma once

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "integration/random_workload/chance.hpp"
#include "integration/support/migration.hpp"

namespace tslive::random_workload {

/// Something that goes wrong in the middle of a run, when so many transactions have begun.
struct Fault {
    enum class Kind {
        kill_migrate,
        stop_migrate,
        freeze_migrate,
        kill_snapshot,
        stop_snapshot,
        cut_source,
        cut_receiver,
        cut_target,
        cut_applier,
        restart_source,
        kill_source,
        restart_target,
        kill_target,
        last = kill_target
    };
    Kind kind;
    std::int64_t at;

    [[nodiscard]] std::string_view name() const {
        switch (kind) {
            case Kind::kill_migrate: return "kill -9 of ts-migrate";
            case Kind::stop_migrate: return "SIGTERM to ts-migrate";
            case Kind::freeze_migrate: return "ts-migrate stands still";
            case Kind::kill_snapshot: return "kill -9 of ts-snapshot";
            case Kind::stop_snapshot: return "SIGINT to ts-snapshot";
            case Kind::cut_source: return "source connections cut";
            case Kind::cut_receiver: return "receiver cut";
            case Kind::cut_target: return "target connections cut";
            case Kind::cut_applier: return "applier cut";
            case Kind::restart_source: return "restart of the source";
            case Kind::kill_source: return "kill -9 of the source";
            case Kind::restart_target: return "restart of the target";
            case Kind::kill_target: return "kill -9 of the target";
        }
        return "";
    }
    /// Whether the snapshot may not outlive it. Before the schema is dumped that is the end of a migration.
    [[nodiscard]] bool ends_snapshot() const {
        return kind == Kind::kill_snapshot || kind == Kind::stop_snapshot || kind == Kind::cut_source ||
               kind == Kind::restart_source || kind == Kind::kill_source;
    }
};

[[nodiscard]] inline std::vector<Fault> draw_faults(Chance chance, std::int64_t transactions) {
    std::vector<Fault> faults;
    for (auto left = chance.between(1, 5); left > 0; --left)
        faults.push_back({static_cast<Fault::Kind>(chance.between(0, static_cast<std::int64_t>(Fault::Kind::last))),
                          chance.between(transactions / 20, transactions * 19 / 20)});
    std::sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.at < b.at; });
    return faults;
}

}  // namespace tslive::random_workload
