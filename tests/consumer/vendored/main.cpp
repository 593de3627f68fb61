// Prints the changes of a slot's stream: lines of `lsn xid hex`, as pg_logical_slot_peek_binary_changes() gives them.
#include <cstddef>
#include <fstream>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "tslive/pgoutput/decode.hpp"
#include "tslive/pgoutput/relation_cache.hpp"

namespace pgoutput = tslive::pgoutput;

struct Printer {
    pgoutput::RelationCache relations;

    void on(const pgoutput::Relation& relation, std::optional<tslive::Xid>) { relations.update(relation); }
    void on(const pgoutput::Insert& change, std::optional<tslive::Xid>) {
        print("INSERT", change.relation, change.new_row);
    }
    void on(const pgoutput::Update& change, std::optional<tslive::Xid>) {
        print("UPDATE", change.relation, change.new_row);
    }
    void on(const pgoutput::Delete& change, std::optional<tslive::Xid>) {
        print("DELETE", change.relation, change.old_row);
    }
    void on(const auto&, std::optional<tslive::Xid> = {}) {}  // boundaries, types, messages

    void print(const char* what, tslive::RelationId id, pgoutput::Row row) const {
        const auto& relation = relations.find(id);
        relation.expect_width_of(row);
        fmt::print("{} {}.{}", what, relation.schema, relation.name);
        for (std::size_t i = 0; i < row.size(); ++i)
            if (row[i].kind == pgoutput::ValueKind::text)
                fmt::print(" {}={}", relation.columns[i].name, tslive::as_text(row[i].data));
        fmt::print("\n");
    }
};

tslive::ByteBuffer from_hex(const std::string& digits) {
    tslive::ByteBuffer bytes(digits.size() / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
    return bytes;
}

int main(int argc, char** argv) {
    std::ifstream stream(argc == 2 ? argv[1] : "");
    pgoutput::Decoder decoder({.version = 1});
    Printer printer;
    for (std::string line; std::getline(stream, line);)
        if (!line.starts_with('#')) decoder.decode(from_hex(line.substr(line.rfind(' ') + 1)), printer);
}
