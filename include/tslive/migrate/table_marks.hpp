#pragma once

#include <charconv>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/state/store.hpp"

namespace tslive::migrate {

/// Tables of the source that something has still to be done about, kept as one fact, so that no crash forgets them. By OID.
class TableMarks {
public:
    TableMarks(state::Store& store, std::string_view fact) : store_(store), fact_(fact) {}

    [[nodiscard]] std::set<RelationId> all() const {
        const auto text = store_.fact(fact_).value_or("");
        std::set<RelationId> marked;
        for (const char *at = text.data(), *end = at + text.size(); at != end;) {
            std::uint32_t id = 0;
            const auto [next, code] = std::from_chars(at, end, id);
            if (code != std::errc{} || (next != end && *next != ' '))
                throw Error(Recovery::operator_action,
                            fmt::format("the fact {} in state.db holds '{}' where OIDs are expected", fact_, text));
            marked.insert({id});
            at = next == end ? end : next + 1;
        }
        return marked;
    }
    void add(RelationId table) {
        auto marked = all();
        marked.insert(table);
        write(marked);
    }
    void remove(RelationId table) {
        auto marked = all();
        if (marked.erase(table) > 0) write(marked);
    }

private:
    void write(const std::set<RelationId>& marked) {
        store_.set_fact(fact_, fmt::format("{}", fmt::join(marked, " ")));
    }

    state::Store& store_;
    std::string fact_;
};

}  // namespace tslive::migrate
