#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace tslive::state {

/// Version of everything in the directory: state.db, the spool's segments, and the names below.
inline constexpr int format_version = 1;

/// Where things are in the directory that the programs of one migration share. docs/on-disk-layout.md is its reference.
struct Layout {
    std::filesystem::path root;

    [[nodiscard]] std::filesystem::path database() const { return root / "state.db"; }
    [[nodiscard]] std::filesystem::path snapshot() const { return root / "snapshot"; }
    [[nodiscard]] std::filesystem::path schema() const { return root / "schema"; }
    [[nodiscard]] std::filesystem::path spool() const { return root / "spool"; }
    [[nodiscard]] std::filesystem::path logs() const { return root / "logs"; }

    /// @param program  name of the executable, `ts-migrate`
    [[nodiscard]] std::filesystem::path lock(std::string_view program) const {
        return root / fmt::format("{}.lock", program);
    }
};

/// Whether an entry of the directory with this name is made by ts-live.
[[nodiscard]] inline bool is_layout_name(std::string_view name) {
    constexpr std::array names{"state.db",         "state.db-wal", "state.db-shm",
                               "state.db-journal", "snapshot",     "snapshot.new",
                               "schema",           "spool",        "logs"};
    for (const std::string_view known : names)
        if (name == known) return true;
    return name.starts_with("ts-") && name.ends_with(".lock");
}

}  // namespace tslive::state
