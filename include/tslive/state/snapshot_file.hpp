#pragma once

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "tslive/core/error.hpp"
#include "tslive/state/files.hpp"
#include "tslive/state/layout.hpp"

/// The file `snapshot`: the name of the exported snapshot, one line of text, there only while the snapshot is believed
/// to live. It is a hint: who imports it must be ready to hear from the server that it is gone.
namespace tslive::state {

namespace detail {
inline constexpr std::size_t longest_snapshot_name = 63;

[[nodiscard]] inline bool is_snapshot_name(std::string_view name) {
    constexpr std::string_view allowed = "0123456789ABCDEFabcdef-";
    return !name.empty() && name.size() <= longest_snapshot_name &&
           name.find_first_not_of(allowed) == std::string_view::npos;
}
}  // namespace detail

/// @param name  as pg_export_snapshot() gave it: `00000003-0000001B-1`
/// @throws StateError  when the name is none, or the file cannot be written; the old file is whole then
inline void write_snapshot_name(const Layout& layout, std::string_view name) {
    if (!detail::is_snapshot_name(name))
        throw StateError(layout.snapshot().string(), "refusing to write what is not the name of a snapshot");
    write_atomically(layout.snapshot(), std::string{name} + '\n');
}

/// @returns            nothing when no snapshot is being held
/// @throws StateError  when the file cannot be read or holds something else
[[nodiscard]] inline std::optional<std::string> read_snapshot_name(const Layout& layout) {
    const Descriptor file{::open(layout.snapshot().c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file && errno == ENOENT) return std::nullopt;
    if (!file) throw file_error(layout.snapshot(), "open", errno);
    auto text = read_some(file, detail::longest_snapshot_name + 2, layout.snapshot());
    if (!text.empty() && text.back() == '\n') text.pop_back();
    if (!detail::is_snapshot_name(text))
        throw StateError(layout.snapshot().string(), "does not hold the name of a snapshot",
                         "Delete this file and start ts-snapshot again; tables that were copied stay copied.");
    return text;
}

/// Harmless when there is none.
inline void remove_snapshot_name(const Layout& layout) {
    if (::unlink(layout.snapshot().c_str()) == 0) sync_directory(layout.root);
    else if (errno != ENOENT) throw file_error(layout.snapshot(), "delete", errno);
}

}  // namespace tslive::state
