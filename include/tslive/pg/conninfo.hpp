#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/pg/native.hpp"

namespace tslive::pg {

/// A parsed connection string: a URI, `key=value` pairs, or a bare database name, read by libpq alone.
///
/// Secrets stay inside: nothing prints them (law 9). A value type; any thread may read it.
/// Source: PostgreSQL documentation, "Connection Strings".
class ConnInfo {
public:
    ConnInfo() = default;

    /// @throws Error  (operator_action) when libpq cannot read it; the text itself is not repeated, it may hold a password
    [[nodiscard]] static ConnInfo parse(std::string_view text) {
        ConnInfo info;
        const std::string owned{text};
        const bool uri = text.starts_with("postgresql://") || text.starts_with("postgres://");
        if (!uri && text.find('=') == std::string_view::npos) {
            if (text.empty()) throw Error(Recovery::operator_action, "the connection string is empty", usage());
            info.values_["dbname"] = owned;
            return info;
        }
        char* raw_message = nullptr;
        const ConnOptionsHandle options{PQconninfoParse(owned.c_str(), &raw_message)};
        const LibpqMemory<char> message{raw_message};
        if (!options) throw Error(Recovery::operator_action, "the connection string cannot be read by libpq", usage());
        for (const auto* option = options.get(); option->keyword != nullptr; ++option)
            if (option->val != nullptr) info.values_[option->keyword] = option->val;
        return info;
    }

    [[nodiscard]] std::optional<std::string> value(std::string_view key) const {
        const auto found = values_.find(std::string{key});
        if (found == values_.end()) return std::nullopt;
        return found->second;
    }
    [[nodiscard]] ConnInfo with(std::string_view key, std::string_view text) const {
        auto copy = *this;
        copy.values_[std::string{key}] = text;
        return copy;
    }
    /// The same, unless the user has chosen a value.
    [[nodiscard]] ConnInfo with_default(std::string_view key, std::string_view text) const {
        return values_.contains(std::string{key}) ? *this : with(key, text);
    }
    [[nodiscard]] ConnInfo without(std::string_view key) const {
        auto copy = *this;
        copy.values_.erase(std::string{key});
        return copy;
    }
    /// Without what libpq itself marks as a password field.
    [[nodiscard]] ConnInfo without_secrets() const {
        auto copy = *this;
        for (const auto& key : secret_keys()) copy.values_.erase(key);
        return copy;
    }
    /// The values that libpq marks as passwords, to hand to a child in its environment, or to search logs for.
    [[nodiscard]] std::map<std::string, std::string> secrets() const {
        std::map<std::string, std::string> found;
        for (const auto& key : secret_keys())
            if (const auto text = value(key)) found[key] = *text;
        return found;
    }

    /// `key='value' …`, quoted as libpq reads it back. Without secrets it may stand in an argument list.
    [[nodiscard]] std::string to_string() const {
        std::string out;
        for (const auto& [key, text] : values_) {
            if (!out.empty()) out += ' ';
            out += key;
            out += "='";
            for (const char c : text) {
                if (c == '\'' || c == '\\') out += '\\';
                out += c;
            }
            out += '\'';
        }
        return out;
    }
    /// For people: where it leads, never with what secret.
    [[nodiscard]] std::string describe() const {
        std::string out;
        for (const std::string_view key : {"host", "hostaddr", "port", "dbname", "user", "service"})
            if (const auto text = value(key)) out += fmt::format("{}{}={}", out.empty() ? "" : " ", key, *text);
        return out.empty() ? "libpq's defaults" : out;
    }
    [[nodiscard]] const std::map<std::string, std::string>& values() const noexcept { return values_; }

private:
    [[nodiscard]] static std::vector<std::string> secret_keys() {
        std::vector<std::string> keys;
        const ConnOptionsHandle options{PQconndefaults()};
        if (!options) return {"password", "sslpassword"};
        for (const auto* option = options.get(); option->keyword != nullptr; ++option)
            if (option->dispchar != nullptr && option->dispchar[0] == '*') keys.emplace_back(option->keyword);
        return keys;
    }
    [[nodiscard]] static std::string usage() {
        return "Write it as postgresql://user@host:port/dbname?option=value, or as 'host=… port=… dbname=… user=…'; in "
               "a URI, "
               "reserved characters are percent-encoded";
    }

    std::map<std::string, std::string> values_;
};

}  // namespace tslive::pg
