#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/core/ids.hpp"

namespace tslive::catalog {

namespace detail {

struct BinaryType {
    std::uint32_t oid;
    std::uint32_t array_oid;
    std::string_view name;
};

// Left out on purpose: the reg* types, whose binary form is an OID of the source; xml, whose binary form names an
// encoding; record and composite types, which carry OIDs of user types; aclitem, which has none.
inline constexpr std::array binary_types{
    BinaryType{16, 1000, "bool"},          BinaryType{17, 1001, "bytea"},       BinaryType{18, 1002, "char"},
    BinaryType{19, 1003, "name"},          BinaryType{20, 1016, "int8"},        BinaryType{21, 1005, "int2"},
    BinaryType{23, 1007, "int4"},          BinaryType{25, 1009, "text"},        BinaryType{26, 1028, "oid"},
    BinaryType{28, 1011, "xid"},           BinaryType{114, 199, "json"},        BinaryType{600, 1017, "point"},
    BinaryType{601, 1018, "lseg"},         BinaryType{602, 1019, "path"},       BinaryType{603, 1020, "box"},
    BinaryType{604, 1027, "polygon"},      BinaryType{628, 629, "line"},        BinaryType{650, 651, "cidr"},
    BinaryType{700, 1021, "float4"},       BinaryType{701, 1022, "float8"},     BinaryType{718, 719, "circle"},
    BinaryType{774, 775, "macaddr8"},      BinaryType{790, 791, "money"},       BinaryType{829, 1040, "macaddr"},
    BinaryType{869, 1041, "inet"},         BinaryType{1042, 1014, "bpchar"},    BinaryType{1043, 1015, "varchar"},
    BinaryType{1082, 1182, "date"},        BinaryType{1083, 1183, "time"},      BinaryType{1114, 1115, "timestamp"},
    BinaryType{1184, 1185, "timestamptz"}, BinaryType{1186, 1187, "interval"},  BinaryType{1266, 1270, "timetz"},
    BinaryType{1560, 1561, "bit"},         BinaryType{1562, 1563, "varbit"},    BinaryType{1700, 1231, "numeric"},
    BinaryType{2950, 2951, "uuid"},        BinaryType{3220, 3221, "pg_lsn"},    BinaryType{3614, 3643, "tsvector"},
    BinaryType{3802, 3807, "jsonb"},       BinaryType{3904, 3905, "int4range"}, BinaryType{3906, 3907, "numrange"},
    BinaryType{3908, 3909, "tsrange"},     BinaryType{3910, 3911, "tstzrange"}, BinaryType{3912, 3913, "daterange"},
    BinaryType{3926, 3927, "int8range"},
};

inline constexpr auto binary_oids = [] {
    std::array<std::uint32_t, binary_types.size() * 2> oids{};
    std::size_t at = 0;
    for (const auto& type : binary_types) {
        oids[at++] = type.oid;
        oids[at++] = type.array_oid;
    }
    std::sort(oids.begin(), oids.end());
    return oids;
}();

}  // namespace detail

/// Whether a value of the type may travel in binary form: a built-in type (or array of one) whose send and receive
/// functions agree from version 12 to 18. For everything else text is the form that the type's owner keeps readable.
[[nodiscard]] constexpr bool binary_copy_safe(TypeId type) noexcept {
    return std::binary_search(detail::binary_oids.begin(), detail::binary_oids.end(), type.value);
}

/// Their OIDs, arrays' included, as the text of an `oid[]`.
[[nodiscard]] inline std::string binary_type_list() {
    return fmt::format("{{{}}}", fmt::join(detail::binary_oids, ","));
}

}  // namespace tslive::catalog
