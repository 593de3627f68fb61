#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include "integration/random_workload/chance.hpp"

namespace tslive::random_workload {

/// Names for tables, columns and schemas: half of them plain, half such as break tools that paste them. No two are alike.
class Names {
public:
    explicit Names(Chance chance) : chance_(chance) {}

    /// @returns the name itself, not quoted, of at most 63 bytes
    std::string next(std::string_view plain) {
        ++count_;
        if (chance_.percent(50)) return fmt::format("{}_{}", plain, count_);
        auto name = fmt::format("{}{}", count_, chance_.pick(odd()));
        while (name.size() > 63 || (!name.empty() && is_cut(name))) name.pop_back();
        return name;
    }

private:
    /// Whether the last character lacks bytes.
    static bool is_cut(const std::string& name) {
        std::size_t continued = 0;
        while (continued < name.size() && (name[name.size() - 1 - continued] & 0xC0) == 0x80) ++continued;
        if (continued == name.size()) return true;
        const auto lead = static_cast<unsigned char>(name[name.size() - 1 - continued]);
        const std::size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
        return continued != wanted;
    }
    static const std::vector<std::string>& odd() {
        static const std::vector<std::string> names = {
            "MixedCase",
            "with space",
            " blanks around ",
            ".dot.ted",
            "com,ma",
            "semi;colon",
            "quo\"te",
            "\"\"",
            "apo'strophe",
            "back\\slash",
            "new\nline",
            "tab\t",
            "per%cent%s%n",
            "$1",
            "$$",
            "{}",
            "{0}",
            "brack[et]",
            "--dashes",
            "/* slashes */",
            "select",
            "ünï-cödé",
            "表表表",
            "😀",
            "\\N",
            "\\.",
            "a=b|c&d",
            "*?#!",
            "`cmd`",
            "$(cmd)",
            "ı",
            "(paren",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "ééééééééééééééééééééééééééééééééééééééééé",
            "表表表表表表表表表表表表表表表表表表表表表表表表表表"};
        return names;
    }

    Chance chance_;
    int count_ = 0;
};

}  // namespace tslive::random_workload
