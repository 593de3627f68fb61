#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/pg/quote.hpp"

namespace tslive::catalog {

/// The name of a relation, type or function with its schema; how objects of the two servers are matched, since OIDs
/// differ.
struct QualifiedName {
    std::string schema;
    std::string name;

    friend auto operator<=>(const QualifiedName&, const QualifiedName&) = default;

    /// For SQL text: both parts quoted.
    [[nodiscard]] std::string quoted() const { return pg::qualified(schema, name); }
};

namespace detail {

/// A name as people write it: quoted only where it must be. Not for SQL, which would read a reserved word.
[[nodiscard]] inline std::string plain_identifier(std::string_view name) {
    const auto first = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    const auto rest = [first](char c) { return first(c) || (c >= '0' && c <= '9') || c == '$'; };
    if (name.empty() || !first(name.front())) return pg::quote_identifier(name);
    for (const char c : name)
        if (!rest(c)) return pg::quote_identifier(name);
    return std::string{name};
}

}  // namespace detail
}  // namespace tslive::catalog

template <>
struct std::hash<tslive::catalog::QualifiedName> {
    std::size_t operator()(const tslive::catalog::QualifiedName& name) const noexcept {
        const auto schema = std::hash<std::string>{}(name.schema);
        return std::hash<std::string>{}(name.name) ^ (schema + 0x9e3779b97f4a7c15U + (schema << 6) + (schema >> 2));
    }
};

/// For messages: `public.orders`, `public."Order Lines"`.
template <>
struct fmt::formatter<tslive::catalog::QualifiedName> : fmt::formatter<std::string_view> {
    auto format(const tslive::catalog::QualifiedName& name, format_context& context) const {
        using tslive::catalog::detail::plain_identifier;
        return formatter<std::string_view>::format(plain_identifier(name.schema) + '.' + plain_identifier(name.name),
                                                   context);
    }
};
