#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <string>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/result.hpp"

namespace tslive::catalog::detail {

/// Reads the columns of one row from left to right, so that the order of a SELECT list is the order of a struct's
/// members.
class Row {
public:
    Row(const pg::Result& result, int row) : result_(&result), row_(row) {}

    std::string text() { return result_->text(row_, column_++); }
    std::optional<std::string> optional_text() { return result_->optional(row_, column_++); }
    bool boolean() { return result_->boolean(row_, column_++); }
    /// The catalogs' one-byte enumerations; 0 where they hold an empty string.
    char letter() {
        const auto text = result_->at(row_, column_++);
        return text.empty() ? '\0' : text.front();
    }
    template <std::integral T>
    T number() {
        return result_->number<T>(row_, column_++);
    }
    RelationId relation() { return {number<std::uint32_t>()}; }
    std::optional<RelationId> optional_relation() {
        if (result_->is_null(row_, column_)) {
            ++column_;
            return std::nullopt;
        }
        return relation();
    }

private:
    const pg::Result* result_;
    int row_;
    int column_ = 0;
};

/// `{1,2,3}`, the value of a parameter that is cast to oid[].
[[nodiscard]] inline std::string oid_array(std::span<const RelationId> ids) {
    return fmt::format("{{{}}}", fmt::join(ids, ","));
}

/// `{"one","two"}`, the value of a parameter that is cast to an array of anything.
template <typename Values>
[[nodiscard]] std::string array_text(const Values& values) {
    std::string out;
    for (const auto& value : values) {
        out += out.empty() ? "{\"" : ",\"";
        for (const char c : fmt::format("{}", value)) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        out += '"';
    }
    return out.empty() ? "{}" : out + '}';
}

/// Law 7: a letter in a catalog that this release does not know.
[[noreturn]] inline void unknown_letter(const char* column, char letter) {
    throw Error(Recovery::operator_action,
                fmt::format("the catalog says {} = '{}', which this release does not know", column, letter),
                "Use a release that knows this version of PostgreSQL");
}

/// Where `n` is pg_namespace: neither a system schema nor another session's temporary one (pg_temp_3, pg_toast_temp_3).
inline constexpr const char* user_schema = "(n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')";

/// Where `c` is pg_class: makes `e.extname` the extension whose member the relation is, or NULL. A member is known by
/// its catalog and its OID, since OIDs repeat between catalogs (CASES E9).
inline constexpr const char* extension_join =
    "LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
    "  AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e' "
    "  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass "
    "LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid";

}  // namespace tslive::catalog::detail
