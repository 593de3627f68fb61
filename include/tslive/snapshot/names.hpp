#pragma once

#include <cstdint>
#include <random>
#include <string>

#include <fmt/format.h>

namespace tslive::snapshot {

/// What one migration's objects on the servers are called.
struct Names {
    std::string id;  ///< 8 hexadecimal digits

    [[nodiscard]] std::string slot() const { return "tslive_" + id; }
    [[nodiscard]] std::string publication_all() const { return "tslive_" + id + "_all"; }
    [[nodiscard]] std::string publication_identity() const { return "tslive_" + id + "_identity"; }
    /// The replication origin and the helper schema on the target, and the prefix of logical messages.
    [[nodiscard]] std::string origin() const { return "tslive_" + id; }

    [[nodiscard]] static Names random() {
        std::random_device device;
        return {fmt::format("{:08x}", static_cast<std::uint32_t>(device()))};
    }
};

}  // namespace tslive::snapshot
