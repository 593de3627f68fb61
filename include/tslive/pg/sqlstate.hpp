#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>

namespace tslive::pg {

/// The five characters that say which error it was; codes we do not know survive to the log.
/// Source: PostgreSQL documentation, appendix "PostgreSQL Error Codes".
class SqlState {
public:
    constexpr SqlState() = default;
    /// Text that is not five characters long becomes "no code".
    constexpr explicit SqlState(std::string_view code) noexcept {
        if (code.size() == code_.size())
            for (std::size_t i = 0; i < code_.size(); ++i) code_[i] = code[i];
    }

    [[nodiscard]] constexpr bool known() const noexcept { return code_[0] != '\0'; }
    [[nodiscard]] constexpr std::string_view code() const noexcept {
        return known() ? std::string_view{code_.data(), code_.size()} : std::string_view{};
    }
    /// The first two characters, such as "08" for connection exceptions.
    [[nodiscard]] constexpr std::string_view code_class() const noexcept { return code().substr(0, 2); }
    friend constexpr bool operator==(const SqlState&, const SqlState&) = default;

private:
    std::array<char, 5> code_{};
};

namespace sqlstate {
inline constexpr SqlState feature_not_supported{"0A000"};
inline constexpr SqlState unique_violation{"23505"};
inline constexpr SqlState foreign_key_violation{"23503"};
inline constexpr SqlState exclusion_violation{"23P01"};
inline constexpr SqlState serialization_failure{"40001"};
inline constexpr SqlState deadlock_detected{"40P01"};
inline constexpr SqlState insufficient_privilege{"42501"};
inline constexpr SqlState undefined_table{"42P01"};
inline constexpr SqlState undefined_object{"42704"};
inline constexpr SqlState duplicate_object{"42710"};
inline constexpr SqlState duplicate_table{"42P07"};
inline constexpr SqlState duplicate_schema{"42P06"};
inline constexpr SqlState invalid_catalog_name{"3D000"};
inline constexpr SqlState invalid_password{"28P01"};
inline constexpr SqlState too_many_connections{"53300"};
inline constexpr SqlState disk_full{"53100"};
inline constexpr SqlState object_in_use{"55006"};
inline constexpr SqlState object_not_in_prerequisite_state{"55000"};
inline constexpr SqlState lock_not_available{"55P03"};
inline constexpr SqlState query_canceled{"57014"};
inline constexpr SqlState admin_shutdown{"57P01"};
inline constexpr SqlState crash_shutdown{"57P02"};
inline constexpr SqlState cannot_connect_now{"57P03"};
}  // namespace sqlstate

}  // namespace tslive::pg

template <>
struct fmt::formatter<tslive::pg::SqlState> : fmt::formatter<std::string_view> {
    auto format(tslive::pg::SqlState state, format_context& context) const {
        return formatter<std::string_view>::format(state.known() ? state.code() : "no SQLSTATE", context);
    }
};
