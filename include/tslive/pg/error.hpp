#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/pg/native.hpp"
#include "tslive/pg/sqlstate.hpp"

namespace tslive::pg {

/// What the server said about a failed statement. what() is its primary message with SQLSTATE, detail and hint.
class ServerError : public Error {
public:
    struct Report {
        SqlState state;
        std::string severity, primary, detail, hint, context;
    };

    ServerError(Recovery recovery, Report report, std::string_view doing = {}, const std::string& remedy = {})
        : Error(recovery, text(report, doing), remedy.empty() ? report.hint : remedy), report_(std::move(report)) {}

    [[nodiscard]] SqlState state() const noexcept { return report_.state; }
    [[nodiscard]] const std::string& primary() const noexcept { return report_.primary; }
    [[nodiscard]] const Report& report() const noexcept { return report_; }

    /// The same failure with words in front that say what was being done, and a remedy of ours.
    [[nodiscard]] ServerError with_context(std::string_view doing, const std::string& remedy = {}) const {
        return {recovery(), report_, doing, remedy.empty() ? this->remedy() : remedy};
    }

private:
    static std::string text(const Report& report, std::string_view doing) {
        std::string out;
        if (!doing.empty()) out = fmt::format("{}: ", doing);
        out += report.primary;
        if (!report.detail.empty()) out += fmt::format(" ({})", report.detail);
        if (report.state.known()) out += fmt::format(" [SQLSTATE {}]", report.state);
        return out;
    }

    Report report_;
};

/// The table behind the retry loop: which SQLSTATEs go away by themselves.
[[nodiscard]] constexpr Recovery recovery_for(SqlState state) noexcept {
    if (state == sqlstate::serialization_failure || state == sqlstate::deadlock_detected)
        return Recovery::retry_transaction;
    if (state.code_class() == "08" || state == sqlstate::admin_shutdown || state == sqlstate::crash_shutdown ||
        state == sqlstate::cannot_connect_now || state == sqlstate::too_many_connections)
        return Recovery::reconnect;
    return Recovery::operator_action;
}

namespace detail {

[[nodiscard]] inline std::string field(const PGresult* result, int code) {
    const char* text = PQresultErrorField(result, code);
    return text == nullptr ? std::string{} : std::string{text};
}

[[nodiscard]] inline std::string trimmed(const char* text) {
    std::string out = text == nullptr ? "" : text;
    while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
    return out;
}

[[nodiscard]] inline Error connection_lost(PGconn* conn, std::string_view doing = {}) {
    const auto message = trimmed(PQerrorMessage(conn));
    return {Recovery::reconnect, fmt::format("{}{}connection lost: {}", doing, doing.empty() ? "" : ": ", message)};
}

[[noreturn]] inline void throw_result_error(PGconn* conn, const PGresult* result) {
    ServerError::Report report{.state = SqlState{field(result, PG_DIAG_SQLSTATE)},
                               .severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED),
                               .primary = field(result, PG_DIAG_MESSAGE_PRIMARY),
                               .detail = field(result, PG_DIAG_MESSAGE_DETAIL),
                               .hint = field(result, PG_DIAG_MESSAGE_HINT),
                               .context = field(result, PG_DIAG_CONTEXT)};
    if (report.primary.empty()) report.primary = trimmed(PQresultErrorMessage(result));
    if (report.primary.empty()) report.primary = trimmed(PQerrorMessage(conn));
    const bool gone = PQstatus(conn) == CONNECTION_BAD || report.severity == "FATAL" || report.severity == "PANIC";
    const auto recovery = gone || !report.state.known() ? Recovery::reconnect : recovery_for(report.state);
    throw ServerError(recovery, std::move(report));
}

}  // namespace detail
}  // namespace tslive::pg
