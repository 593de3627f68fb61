#pragma once

#include "tslive/core/error.hpp"

namespace tslive::apps {

/// What a shell script can tell from `$?`. docs/exit-codes.md is the users' copy.
namespace exit_code {
inline constexpr int done = 0;
inline constexpr int failed = 1;          ///< something unexpected: a bug, please report
inline constexpr int usage = 2;           ///< the command line is wrong; nothing was done
inline constexpr int needs_operator = 3;  ///< stopped: mend what the message names, then run again (`--resume`)
inline constexpr int stopped = 4;         ///< stopped on request, resumable
inline constexpr int try_again =
    75;  ///< a connection could not be had for long; the same command later may work (EX_TEMPFAIL)
}  // namespace exit_code

[[nodiscard]] inline int exit_code_for(Recovery recovery) noexcept {
    return recovery == Recovery::operator_action ? exit_code::needs_operator : exit_code::try_again;
}

}  // namespace tslive::apps
