#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/indexes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/timescale/incompatible.hpp"

/// What of the source's schema is not built on the target at the user's wish: indexes, foreign keys, triggers, rules. Decided once,
/// before the rows are copied, and kept in state.db, because many steps have to agree about it.
namespace tslive::migrate {

using LeftOut = std::vector<timescale::SourceObject>;

/// As text: a number, and each field as `length:value`.
[[nodiscard]] inline std::string save_left_out(const LeftOut& objects) {
    std::string out;
    const auto add = [&](std::string_view value) { out += fmt::format("{}:{}\n", value.size(), value); };
    for (const auto& object : objects) {
        add(fmt::format("{}", static_cast<int>(object.kind)));
        for (const auto& name : {object.table, object.index}) {
            add(name.schema);
            add(name.name);
        }
        add(object.name);
        for (const auto number : {object.catalog_oid, object.oid, object.constraint}) add(fmt::format("{}", number));
        add(object.definition);
    }
    return out;
}

/// @throws Error  (operator_action) when the text is not what save_left_out() writes
[[nodiscard]] inline LeftOut restore_left_out(std::string_view saved) {
    const auto broken = [] {
        return Error(Recovery::operator_action, "the list of what is left out, in state.db, cannot be read");
    };
    const auto number = [&](std::string_view text) {
        std::size_t value = 0;
        const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (text.empty() || code != std::errc{} || end != text.data() + text.size()) throw broken();
        return value;
    };
    const auto field = [&] {
        const auto colon = saved.find(':');
        if (colon == std::string_view::npos) throw broken();
        const auto length = number(saved.substr(0, colon));
        if (length >= saved.size() - colon - 1) throw broken();
        std::string value{saved.substr(colon + 1, length)};
        saved.remove_prefix(colon + 1 + length + 1);
        return value;
    };
    const auto oid = [&] { return static_cast<std::uint32_t>(number(field())); };
    LeftOut objects;
    while (!saved.empty()) {
        timescale::SourceObject object;
        object.kind = static_cast<timescale::ObjectKind>(number(field()));
        for (auto* name : {&object.table, &object.index}) {
            name->schema = field();
            name->name = field();
        }
        object.name = field();
        for (auto* value : {&object.catalog_oid, &object.oid, &object.constraint}) *value = oid();
        object.definition = field();
        objects.push_back(std::move(object));
    }
    return objects;
}

[[nodiscard]] inline std::set<catalog::QualifiedName> indexes_of(const LeftOut& objects) {
    std::set<catalog::QualifiedName> names;
    for (const auto& object : objects)
        if (object.kind == timescale::ObjectKind::index) names.insert(object.index);
    return names;
}
[[nodiscard]] inline std::set<std::pair<catalog::QualifiedName, std::string>> foreign_keys_of(const LeftOut& objects) {
    std::set<std::pair<catalog::QualifiedName, std::string>> names;
    for (const auto& object : objects)
        if (object.kind == timescale::ObjectKind::foreign_key) names.emplace(object.table, object.name);
    return names;
}
/// Catalog and OID of everything that a dump may have an entry for.
[[nodiscard]] inline std::set<std::pair<std::uint32_t, std::uint32_t>> oids_of(const LeftOut& objects) {
    std::set<std::pair<std::uint32_t, std::uint32_t>> oids;
    for (const auto& object : objects) {
        oids.emplace(object.catalog_oid, object.oid);
        if (object.constraint != 0) oids.emplace(timescale::detail::class_of_constraints, object.constraint);
    }
    return oids;
}

/// An index as an object to be left out.
[[nodiscard]] inline timescale::SourceObject left_out_index(const catalog::Index& index) {
    return {.kind = timescale::ObjectKind::index,
            .table = index.table_name,
            .name = index.constraint ? index.constraint->name : index.name.name,
            .index = index.name,
            .catalog_oid = timescale::detail::class_of_relations,
            .oid = index.id.value,
            .constraint = 0,
            .definition = index.constraint
                              ? fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", index.table_name.quoted(),
                                            pg::quote_identifier(index.constraint->name), index.constraint->definition)
                              : index.definition};
}

}  // namespace tslive::migrate
