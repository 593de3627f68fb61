#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace tslive::harness {

/// The harness could not do, or did not see, what the test asked for. Not caught: gtest reports its text and ends the
/// test.
class Failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A system call that failed, with errno's text.
[[nodiscard]] inline Failure system_failure(std::string_view doing) {
    return Failure(fmt::format("{}: {}", doing, std::strerror(errno)));
}

}  // namespace tslive::harness
