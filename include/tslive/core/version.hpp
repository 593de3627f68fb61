#pragma once

#include <string_view>

// CMake reads the version from these three lines.
#define TSLIVE_VERSION_MAJOR 0
#define TSLIVE_VERSION_MINOR 1
#define TSLIVE_VERSION_PATCH 0

namespace tslive {
inline constexpr std::string_view version = "0.1.0";
}
