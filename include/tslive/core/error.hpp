#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace tslive {

/// What the caller can do. The retry loop and main() switch on this and on nothing else.
enum class Recovery {
    retry_transaction,  ///< same connection, same work (SQLSTATE 40001, 40P01)
    reconnect,          ///< new connection, then resume from the durable position
    operator_action,    ///< stop; remedy() says what to change
    unknown_outcome,    ///< COMMIT may have happened: read the origin's progress before anything else
};

/// A failure. what() tells what happened, to which object, at which position; remedy() what to do next.
///
/// Ordinary outcomes (end of stream, timeout, nothing found) are values, never an Error.
class Error : public std::runtime_error {
public:
    Error(Recovery recovery, const std::string& what, std::string remedy = {})
        : std::runtime_error(what), recovery_(recovery), remedy_(std::move(remedy)) {}

    [[nodiscard]] Recovery recovery() const noexcept { return recovery_; }
    [[nodiscard]] const std::string& remedy() const noexcept { return remedy_; }

private:
    Recovery recovery_;
    std::string remedy_;
};

/// Bytes that are not what the protocol or the file format allows; always operator_action.
class DecodeError : public Error {
public:
    /// @param offset        bytes from the beginning of the message where reading failed
    /// @param message_type  the message's type byte as a character, '\0' when it is not known
    DecodeError(const std::string& what, std::size_t offset, char message_type = '\0')
        : Error(Recovery::operator_action, what), offset_(offset), message_type_(message_type) {}

    [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
    [[nodiscard]] char message_type() const noexcept { return message_type_; }

private:
    std::size_t offset_;
    char message_type_;
};

/// Something in the state directory is not as it must be; always operator_action.
class StateError : public Error {
public:
    StateError(std::string path, const std::string& what, std::string remedy = {})
        : Error(Recovery::operator_action, path + ": " + what, std::move(remedy)), path_(std::move(path)) {}

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

/// The user, or a failure elsewhere, asked this thread to stop. Not a failure itself: it unwinds a wait that is deep inside
/// an operation (a CREATE INDEX of hours) to the thread's top, where it is an ordinary end.
class Stopped : public std::exception {
public:
    [[nodiscard]] const char* what() const noexcept override { return "stop requested"; }
};

}  // namespace tslive
