#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace tslive::checks {

/// What a finding means for the migration; ordered, so that the worst one is the largest.
enum class Weight {
    passed,   ///< as it must be
    note,     ///< works, in a way the operator should know
    warning,  ///< works, unless what the text says happens
    fatal,    ///< will not work: nothing must be created before it is mended
};

[[nodiscard]] constexpr std::string_view name(Weight weight) noexcept {
    switch (weight) {
        case Weight::passed: return "ok";
        case Weight::note: return "note";
        case Weight::warning: return "warning";
        case Weight::fatal: return "error";
    }
    return "?";
}

/// What one check found.
struct Finding {
    std::string check;  ///< `source.wal_level`: a name to look up and to grep for
    Weight weight = Weight::passed;
    std::string text;    ///< what is the case
    std::string remedy;  ///< what to do about it; empty when there is nothing to do
};

/// A finding before it has the name of its check.
struct Verdict {
    Weight weight = Weight::passed;
    std::string text;
    std::string remedy;
};

[[nodiscard]] inline Verdict passed(std::string text) { return {Weight::passed, std::move(text), {}}; }
[[nodiscard]] inline Verdict note(std::string text, std::string remedy = {}) {
    return {Weight::note, std::move(text), std::move(remedy)};
}
[[nodiscard]] inline Verdict warning(std::string text, std::string remedy) {
    return {Weight::warning, std::move(text), std::move(remedy)};
}
[[nodiscard]] inline Verdict fatal(std::string text, std::string remedy) {
    return {Weight::fatal, std::move(text), std::move(remedy)};
}

[[nodiscard]] inline Weight worst(std::span<const Finding> findings) {
    auto weight = Weight::passed;
    for (const auto& finding : findings) weight = std::max(weight, finding.weight);
    return weight;
}

/// `a, b, c and 12 more`: enough to find them, whatever their number.
template <typename T>
[[nodiscard]] std::string listed(const std::vector<T>& items, std::size_t shown = 5) {
    const auto count = std::min(items.size(), shown);
    auto text = fmt::format("{}", fmt::join(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count), ", "));
    if (items.size() > count) text += fmt::format(" and {} more", items.size() - count);
    return text;
}

}  // namespace tslive::checks

/// `warning: source.slot_wal_limit: text. Remedy`
template <>
struct fmt::formatter<tslive::checks::Finding> : fmt::formatter<std::string_view> {
    auto format(const tslive::checks::Finding& finding, format_context& context) const {
        return fmt::format_to(context.out(), "{}: {}: {}{}{}", name(finding.weight), finding.check, finding.text,
                              finding.remedy.empty() ? "" : ". ", finding.remedy);
    }
};
