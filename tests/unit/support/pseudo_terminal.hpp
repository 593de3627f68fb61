#pragma once

#include <stdexcept>
#include <string_view>

#include <pty.h>
#include <unistd.h>

#include "tslive/core/stop.hpp"

namespace tslive::test {

/// A terminal and the user in front of it.
class PseudoTerminal {
public:
    PseudoTerminal() {
        int user = -1, program = -1;
        if (::openpty(&user, &program, nullptr, nullptr, nullptr) != 0) throw std::runtime_error("openpty");
        user_ = Descriptor{user};
        program_ = Descriptor{program};
    }

    /// What the program reads from; it is a terminal to it.
    [[nodiscard]] int descriptor() const noexcept { return program_.get(); }

    void type(std::string_view text) const {
        if (::write(user_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            throw std::runtime_error("pty");
    }
    /// The window is closed.
    void hang_up() { user_.reset(); }

private:
    Descriptor user_;
    Descriptor program_;
};

}  // namespace tslive::test
