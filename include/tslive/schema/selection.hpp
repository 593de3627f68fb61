#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tslive/schema/toc.hpp"

namespace tslive::schema {

/// When a part of the schema goes to the target.
enum class Section {
    pre_data,  ///< before the rows: schemas, extensions, types, functions, tables, sequences, views, their comments and
               ///< grants
    dependents,  ///< what of pre-data is built upon objects that somebody else makes after the rest of it
    post_data,  ///< after rows, indexes and keys: triggers, rules, policies, statistics, default privileges, views that
                ///< need a key
    after_switch_over,  ///< event triggers, which would act on what we do ourselves, and comments on what
                        ///< is made last
};

/// As it stands in messages and in the target's record of what is restored.
[[nodiscard]] constexpr std::string_view name(Section section) noexcept {
    switch (section) {
        case Section::pre_data: return "pre-data";
        case Section::dependents: return "pre-data, dependents";
        case Section::post_data: return "post-data";
        case Section::after_switch_over: return "after switch-over";
    }
    return "?";
}

struct Choices {
    bool no_acl = false;
    bool skip_all_extensions = false;
    std::vector<std::string> skip_extensions = {};
    std::set<std::uint32_t> made_before =
        {};  ///< schemas, by OID on the source, that the target has been given already
    std::set<std::pair<std::uint32_t, std::uint32_t>> skip_objects = {};    ///< the catalog's OID and the object's
    std::set<std::pair<std::uint32_t, std::uint32_t>> skip_wholly = {};     ///< with all that is built upon them
    std::set<std::pair<std::uint32_t, std::uint32_t>> made_elsewhere = {};  ///< see Section::dependents
};

/// An entry in the order of restoring.
struct Selected {
    const TocEntry* entry = nullptr;
    /// Its failure is a warning: what the target's provider or a missing role withholds must not end a migration, and
    /// must not be silent.
    bool may_fail = false;
    const TocEntry* subject = nullptr;  ///< of a comment or a grant: what it is about
};

namespace detail {

[[nodiscard]] inline bool is_one_of(std::string_view kind, std::initializer_list<std::string_view> kinds) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}
[[nodiscard]] inline bool is_grant(const TocEntry& entry) {
    return is_one_of(entry.kind, {"ACL", "ACL LANGUAGE", "DEFAULT ACL"});
}
/// Says something about another entry, the first it depends on.
[[nodiscard]] inline bool is_attachment(const TocEntry& entry) {
    return is_grant(entry) || is_one_of(entry.kind, {"COMMENT", "SECURITY LABEL"});
}
/// Every database has one. What an entry can change about it is its owner.
[[nodiscard]] inline bool is_schema_public(const TocEntry& entry) {
    return entry.kind == "SCHEMA" && entry.rest.starts_with("- public ");
}
/// Not part of a migration, or (data) none of a schema's.
[[nodiscard]] inline bool is_foreign(std::string_view kind) {
    return kind.starts_with("PUBLICATION") || kind.starts_with("SUBSCRIPTION") || kind.starts_with("DATABASE") ||
           kind.starts_with("BLOB") || kind.ends_with(" DATA") || kind == "SEQUENCE SET";
}
/// Objects, then what is said about them; grants last, so that none takes a right from us that the next statement
/// needs, and default privileges after everything that they must not touch. As pg_restore's own passes.
[[nodiscard]] inline int rank(const TocEntry& entry) {
    if (is_schema_public(entry)) return 1;
    if (!is_attachment(entry)) return 0;
    if (entry.kind == "DEFAULT ACL") return 4;
    return is_grant(entry) ? 3 : 2;
}
/// `- hstore ` → `hstore`: extensions have neither schema nor owner in a listing.
[[nodiscard]] inline std::string_view extension_name(std::string_view rest) {
    if (rest.starts_with("- ")) rest.remove_prefix(2);
    while (rest.ends_with(' ')) rest.remove_suffix(1);
    return rest;
}

using EntriesById = std::map<int, const TocEntry*>;

[[nodiscard]] inline const TocEntry* subject_of(const TocEntry& entry, const EntriesById& by_id) {
    if (!is_attachment(entry) || entry.depends_on.empty()) return nullptr;
    const auto found = by_id.find(entry.depends_on.front());
    return found == by_id.end() ? nullptr : found->second;
}

/// Event triggers with what is said about them, and comments on foreign keys, which may be made as late as the
/// switch-over.
[[nodiscard]] inline bool is_last(const TocEntry& entry, const TocEntry* subject) {
    if (subject == nullptr) return entry.kind == "EVENT TRIGGER";
    return is_one_of(subject->kind, {"EVENT TRIGGER", "FK CONSTRAINT"});
}

/// Indexes and the constraints over tables are built by copy/, when the rows are there. But a materialized view whose
/// query leans on a primary key is made after that key, in post-data, and its indexes with it.
[[nodiscard]] inline bool is_built_by_copy(const TocEntry& entry, const EntriesById& by_id,
                                           const std::set<int>& section_ids) {
    const auto is_late_view = [&](int id) {
        const auto found = by_id.find(id);
        return section_ids.contains(id) && found != by_id.end() && found->second->kind == "MATERIALIZED VIEW";
    };
    if (entry.kind == "INDEX") return std::ranges::none_of(entry.depends_on, is_late_view);
    return is_one_of(entry.kind, {"INDEX ATTACH", "CONSTRAINT", "FK CONSTRAINT"});
}

[[nodiscard]] inline EntriesById by_id(const Toc& toc) {
    EntriesById map;
    for (const auto& entry : toc.entries) map[entry.dump_id] = &entry;
    return map;
}

}  // namespace detail

/// The entries of a section in the order of restoring. Choices do not change the order, so that a position in it
/// survives a change of mind.
///
/// @param section_ids  what pg_restore itself puts into the section (after_switch_over is a part of its post-data): it
///                     alone knows where comments and kinds of later versions belong
[[nodiscard]] inline std::vector<Selected> in_order(const Toc& toc, const std::vector<int>& section_ids,
                                                    Section section) {
    const auto by_id = detail::by_id(toc);
    const std::set<int> wanted(section_ids.begin(), section_ids.end());
    std::vector<Selected> selected;
    for (const auto& entry : toc.entries) {
        const auto* subject = detail::subject_of(entry, by_id);
        const auto& decisive = subject == nullptr ? entry : *subject;
        if (!wanted.contains(entry.dump_id) || detail::is_foreign(decisive.kind) ||
            detail::is_built_by_copy(entry, by_id, wanted))
            continue;
        if (detail::is_last(entry, subject) != (section == Section::after_switch_over)) continue;
        // CREATE EXTENSION brings the comment along, and only an extension's owner may repeat it.
        if (entry.kind == "COMMENT" && decisive.kind == "EXTENSION") continue;
        selected.push_back({&entry, detail::rank(entry) > 0 || section == Section::after_switch_over, subject});
    }
    std::ranges::stable_sort(selected, {}, [](const Selected& one) { return detail::rank(*one.entry); });
    return selected;
}

/// Whether the user wants it.
[[nodiscard]] inline bool wanted(const TocEntry& entry, const Choices& choices) {
    if (choices.no_acl && detail::is_grant(entry)) return false;
    if (entry.kind == "SCHEMA") return !choices.made_before.contains(entry.object_oid);
    if (entry.kind != "EXTENSION") return true;
    const auto name = detail::extension_name(entry.rest);
    return !choices.skip_all_extensions &&
           std::ranges::find(choices.skip_extensions, name) == choices.skip_extensions.end();
}
/// The same, of an entry and of what it is about.
[[nodiscard]] inline bool wanted(const Selected& selected, const Choices& choices) {
    const auto skipped = [&](const TocEntry* entry) {
        return entry != nullptr && choices.skip_objects.contains({entry->catalog_oid, entry->object_oid});
    };
    return wanted(*selected.entry, choices) && !skipped(selected.entry) && !skipped(selected.subject);
}

/// Dump ids of what the choices are about, and of what depends on that.
struct Dependents {
    std::set<int> skipped;
    std::set<int> made_elsewhere, upon_elsewhere;

    /// @param section  whose turn it is
    [[nodiscard]] bool wanted(const TocEntry& entry, Section section) const {
        const auto id = entry.dump_id;
        if (skipped.contains(id) || made_elsewhere.contains(id)) return false;
        const bool early = section == Section::pre_data;
        return (!early && section != Section::dependents) || upon_elsewhere.contains(id) != early;
    }
};

[[nodiscard]] inline Dependents dependents(const Toc& toc, const Choices& choices) {
    Dependents found;
    if (choices.skip_wholly.empty() && choices.made_elsewhere.empty()) return found;
    std::map<int, std::vector<int>> upon;
    std::vector<int> skip, elsewhere;
    for (const auto& entry : toc.entries) {
        for (const auto id : entry.depends_on) upon[id].push_back(entry.dump_id);
        const std::pair oids{entry.catalog_oid, entry.object_oid};
        if (choices.skip_wholly.contains(oids)) skip.push_back(entry.dump_id);
        if (choices.made_elsewhere.contains(oids)) elsewhere.push_back(entry.dump_id);
    }
    found.made_elsewhere.insert(elsewhere.begin(), elsewhere.end());
    // What is made elsewhere stands on what is skipped, and what stands on it is not skipped for that.
    const auto gather = [&](std::vector<int> open, std::set<int>& into) {
        while (!open.empty()) {
            const auto id = open.back();
            open.pop_back();
            for (const auto next : upon[id])
                if (!found.made_elsewhere.contains(next) && into.insert(next).second) open.push_back(next);
        }
    };
    found.skipped.insert(skip.begin(), skip.end());
    gather(skip, found.skipped);
    gather(elsewhere, found.upon_elsewhere);
    return found;
}

}  // namespace tslive::schema
