#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/state/store.hpp"

/// Functions that find their tables by a search_path, which no session of a migration has (CASES E5). Giving it to the
/// function itself works wherever the target runs it: in a COPY, an index build, a REFRESH, whatever its version.
namespace tslive::migrate {

struct FunctionPath {
    std::string function;  ///< as to_regprocedure() reads it: `public.f(integer)`
    std::string path;      ///< quoted names with commas
};

/// Reads `public.f(integer)=app,public`. @throws Error  (operator_action) when it is not of that form
[[nodiscard]] inline FunctionPath parse_function_path(std::string_view text) {
    const auto sign = text.rfind('=');
    FunctionPath out;
    if (sign != std::string_view::npos) {
        out.function = text.substr(0, sign);
        auto rest = text.substr(sign + 1);
        while (!rest.empty()) {
            const auto comma = std::min(rest.find(','), rest.size());
            const auto name = rest.substr(0, comma);
            if (!name.empty()) out.path += (out.path.empty() ? "" : ", ") + pg::quote_identifier(name);
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    if (out.function.empty() || out.path.empty())
        throw Error(
            Recovery::operator_action,
            fmt::format("--search-path-for: '{}' is not of the form FUNCTION=SCHEMA,SCHEMA", text),
            "Write the function with its argument types, as ts-snapshot names it: 'public.f(integer)=app,public'");
    return out;
}

/// Sets the paths on the target, each with an entry in the undo journal. Harmless to repeat.
/// @throws Error  (operator_action) when the target has no such function
inline void set_search_paths(const std::vector<std::string>& wanted, state::Store& store, pg::Connection& target) {
    for (const auto& text : wanted) {
        const auto [function, path] = parse_function_path(text);
        const auto found = target.exec(
            "SELECT p.oid::pg_catalog.regprocedure, EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting "
            "LIKE 'search\\_path=%') FROM pg_catalog.pg_proc p WHERE p.oid = pg_catalog.to_regprocedure($1)",
            pg::Params{}.text(function));
        if (found.empty())
            throw Error(Recovery::operator_action,
                        fmt::format("--search-path-for: the target has no function {}", function),
                        "Write it with its schema and the types of its arguments, as ts-snapshot names it");
        if (found.boolean(0, 1)) continue;  // its own, or ours from an earlier run
        const auto name = found.text(0, 0);
        store.journal(state::Side::target, fmt::format("search_path of {}", name),
                      fmt::format("ALTER ROUTINE {} RESET search_path", name));
        target.exec(fmt::format("ALTER ROUTINE {} SET search_path = {}", name, path));
        log::info("{} runs with search_path = {} on the target until the switch-over", name, path);
    }
}

}  // namespace tslive::migrate
