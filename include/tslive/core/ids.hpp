#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <fmt/format.h>

namespace tslive {

/// A transaction id of the source, without its epoch.
struct Xid {
    std::uint32_t value = 0;
    friend constexpr auto operator<=>(const Xid&, const Xid&) = default;
};

/// pg_class.oid on the server that the surrounding text names (in a change: the source).
struct RelationId {
    std::uint32_t value = 0;
    friend constexpr auto operator<=>(const RelationId&, const RelationId&) = default;
};

/// pg_type.oid. Below 16384 it is a built-in type and the same on every server.
struct TypeId {
    std::uint32_t value = 0;
    friend constexpr auto operator<=>(const TypeId&, const TypeId&) = default;
    [[nodiscard]] constexpr bool built_in() const noexcept { return value < 16384; }
};

}  // namespace tslive

template <>
struct std::hash<tslive::RelationId> {
    std::size_t operator()(tslive::RelationId id) const noexcept { return std::hash<std::uint32_t>{}(id.value); }
};
template <>
struct std::hash<tslive::Xid> {
    std::size_t operator()(tslive::Xid id) const noexcept { return std::hash<std::uint32_t>{}(id.value); }
};
template <>
struct fmt::formatter<tslive::Xid> : fmt::formatter<std::uint32_t> {
    auto format(tslive::Xid id, format_context& context) const {
        return formatter<std::uint32_t>::format(id.value, context);
    }
};
template <>
struct fmt::formatter<tslive::RelationId> : fmt::formatter<std::uint32_t> {
    auto format(tslive::RelationId id, format_context& context) const {
        return formatter<std::uint32_t>::format(id.value, context);
    }
};
template <>
struct fmt::formatter<tslive::TypeId> : fmt::formatter<std::uint32_t> {
    auto format(tslive::TypeId id, format_context& context) const {
        return formatter<std::uint32_t>::format(id.value, context);
    }
};
