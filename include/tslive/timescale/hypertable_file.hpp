#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/quote.hpp"

/// The file that says which tables of a plain source become hypertables on the target: one directive a line, `hypertable` begins one.
///
///     # comment
///     hypertable public.conditions
///         time           ts
///         chunk_interval 1 day
///         space          device 4
///         segmentby      device
///         orderby        ts DESC
///         compress_after 7 days
///         retention      90 days
///
/// docs/ts-migrate.md is its reference. Here it is only read; whether it fits the source is hypertable_plan.hpp's business.
namespace tslive::timescale {

/// A dimension besides time: rows are spread over so many partitions by a hash of the column.
struct SpaceDimension {
    std::string column;
    int partitions = 0;
};

struct OrderBy {
    std::string column;
    std::string direction;  ///< empty, or ` DESC NULLS LAST`
};

/// A hypertable to be. Intervals are as they stand in the file: `1 day`, or a number where time is an integer.
struct HypertableSpec {
    catalog::QualifiedName table;
    int line = 0;  ///< of the file, for messages
    std::string time;
    std::string chunk_interval;  ///< empty: TimescaleDB's own
    std::vector<SpaceDimension> space;
    std::optional<catalog::QualifiedName> integer_now;
    std::vector<std::string> segment_by;
    std::vector<OrderBy> order_by;
    std::string compress_after;  ///< empty: no policy
    std::string retention;       ///< empty: no policy

    [[nodiscard]] bool compressed() const {
        return !segment_by.empty() || !order_by.empty() || !compress_after.empty();
    }
    [[nodiscard]] bool has_policies() const { return compressed() || !retention.empty(); }
    /// All partitioning columns, time first.
    [[nodiscard]] std::vector<std::string> dimensions() const {
        std::vector<std::string> columns{time};
        for (const auto& dimension : space) columns.push_back(dimension.column);
        return columns;
    }
};

namespace detail {

/// Takes words and names off the front of a line.
class LineReader {
public:
    explicit LineReader(std::string_view text) : rest_(text) { skip_blanks(); }

    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] std::string_view rest() const { return rest_; }

    /// Up to the next blank.
    std::string_view word() {
        const auto end = std::min(rest_.find_first_of(" \t"), rest_.size());
        const auto found = rest_.substr(0, end);
        rest_.remove_prefix(end);
        skip_blanks();
        return found;
    }
    bool take(char wanted) {
        if (!rest_.starts_with(wanted)) return false;
        rest_.remove_prefix(1);
        skip_blanks();
        return true;
    }
    /// As SQL reads a name: folded to lower case, unless it is quoted. @returns nothing when there is none
    std::optional<std::string> name() {
        std::string found;
        if (rest_.starts_with('"')) {
            std::size_t at = 1;
            for (;; ++at) {
                if (at == rest_.size()) return std::nullopt;
                if (rest_[at] == '"' && (at + 1 == rest_.size() || rest_[at + 1] != '"')) break;
                if (rest_[at] == '"') ++at;
                found += rest_[at];
            }
            rest_.remove_prefix(at + 1);
        } else {
            const auto end = std::min(rest_.find_first_of(" \t,.\""), rest_.size());
            for (const char c : rest_.substr(0, end))
                found += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            rest_.remove_prefix(end);
        }
        skip_blanks();
        if (found.empty()) return std::nullopt;
        return found;
    }
    /// `schema.name`
    std::optional<catalog::QualifiedName> qualified_name() {
        auto schema = name();
        if (!schema || !take('.')) return std::nullopt;
        auto own = name();
        if (!own) return std::nullopt;
        return catalog::QualifiedName{std::move(*schema), std::move(*own)};
    }

private:
    void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

    std::string_view rest_;
};

[[nodiscard]] inline bool is_word(std::string_view text, std::string_view wanted) {
    return std::ranges::equal(text, wanted,
                              [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
}

/// Reads one file. One use.
class HypertableFileReader {
public:
    explicit HypertableFileReader(std::string_view file) : file_(file) {}

    std::vector<HypertableSpec> read(std::string_view text) {
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            auto line = text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
            ++line_;
            while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
                line.remove_suffix(1);
            LineReader words(line);
            if (words.at_end() || words.rest().starts_with('#')) continue;
            directive(words);
        }
        complete();
        return std::move(specs_);
    }

private:
    void directive(LineReader& words) {
        const auto keyword = words.word();
        if (keyword == "hypertable") return begin(words);
        if (specs_.empty()) fail(fmt::format("'{}' stands before the first 'hypertable' line", keyword));
        auto& spec = specs_.back();
        if (words.at_end()) fail(fmt::format("'{}' without a value", keyword));
        if (keyword == "time") once(keyword, spec.time, column(words));
        else if (keyword == "chunk_interval") once(keyword, spec.chunk_interval, std::string{words.rest()});
        else if (keyword == "compress_after") once(keyword, spec.compress_after, std::string{words.rest()});
        else if (keyword == "retention") once(keyword, spec.retention, std::string{words.rest()});
        else if (keyword == "space") space(spec, words);
        else if (keyword == "segmentby") segment_by(spec, words);
        else if (keyword == "orderby") order_by(spec, words);
        else if (keyword == "integer_now") integer_now(spec, words);
        else
            fail(fmt::format("'{}' is not known", keyword),
                 "Use hypertable, time, chunk_interval, space, integer_now, segmentby, orderby, compress_after or "
                 "retention");
    }

    void begin(LineReader& words) {
        complete();
        auto table = words.qualified_name();
        if (!table || !words.at_end())
            fail("'hypertable' needs the name of a table with its schema",
                 "Write schema.table; a part with upper case or special characters stands in double quotes");
        for (const auto& spec : specs_)
            if (spec.table == *table) fail(fmt::format("{} was named in line {} already", *table, spec.line));
        specs_.emplace_back();
        specs_.back().table = std::move(*table);
        specs_.back().line = line_;
    }
    void complete() const {
        if (specs_.empty() || !specs_.back().time.empty()) return;
        throw Error(Recovery::operator_action,
                    fmt::format("{}, line {}: {} has no 'time' line", file_, specs_.back().line, specs_.back().table),
                    "Name the column that its rows are partitioned by: time COLUMN");
    }

    std::string column(LineReader& words) {
        auto name = words.name();
        if (!name || !words.at_end())
            fail("one column is needed", "A name with upper case or special characters stands in double quotes");
        return std::move(*name);
    }
    void once(std::string_view keyword, std::string& value, std::string given) const {
        if (!value.empty()) fail(fmt::format("a second '{}' line for {}", keyword, specs_.back().table));
        value = std::move(given);
    }
    void space(HypertableSpec& spec, LineReader& words) const {
        SpaceDimension dimension;
        auto name = words.name();
        const auto number = words.word();
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), dimension.partitions);
        if (!name || !words.at_end() || error != std::errc{} || end != number.data() + number.size() ||
            dimension.partitions < 1 || dimension.partitions > 32767)
            fail("'space' needs a column and a number of partitions from 1 to 32767", "Write, say: space device_id 4");
        dimension.column = std::move(*name);
        spec.space.push_back(std::move(dimension));
    }
    void segment_by(HypertableSpec& spec, LineReader& words) const {
        if (!spec.segment_by.empty()) fail(fmt::format("a second 'segmentby' line for {}", spec.table));
        do {
            auto name = words.name();
            if (!name) fail("'segmentby' needs columns", "Write, say: segmentby device_id, location");
            spec.segment_by.push_back(std::move(*name));
        } while (words.take(','));
        if (!words.at_end()) fail(fmt::format("'{}' is too much", words.rest()), "Separate columns by commas");
    }
    void order_by(HypertableSpec& spec, LineReader& words) const {
        if (!spec.order_by.empty()) fail(fmt::format("a second 'orderby' line for {}", spec.table));
        do {
            auto name = words.name();
            if (!name) fail("'orderby' needs columns", "Write, say: orderby ts DESC, device_id");
            spec.order_by.push_back({std::move(*name), direction(words)});
        } while (words.take(','));
    }
    /// `[ASC | DESC] [NULLS FIRST | LAST]`, up to a comma
    [[nodiscard]] std::string direction(LineReader& words) const {
        std::string found;
        while (!words.at_end() && !words.rest().starts_with(',')) {
            const auto word = words.name().value_or("");
            const auto is = [&](std::string_view wanted) { return is_word(word, wanted); };
            if (found.empty() && (is("ASC") || is("DESC"))) found = is("ASC") ? " ASC" : " DESC";
            else if (is("NULLS") && found.find("NULLS") == std::string::npos) {
                const auto place = words.name().value_or("");
                if (!is_word(place, "FIRST") && !is_word(place, "LAST")) fail("NULLS is followed by FIRST or LAST");
                found += is_word(place, "FIRST") ? " NULLS FIRST" : " NULLS LAST";
            } else fail(fmt::format("'{}' is no order", word), "Write, say: orderby ts DESC NULLS LAST, device_id");
        }
        return found;
    }
    void integer_now(HypertableSpec& spec, LineReader& words) const {
        if (spec.integer_now) fail(fmt::format("a second 'integer_now' line for {}", spec.table));
        spec.integer_now = words.qualified_name();
        if (!spec.integer_now || !words.at_end())
            fail("'integer_now' needs the name of a function with its schema", "Write, say: integer_now public.tick");
    }

    [[noreturn]] void fail(const std::string& what, std::string remedy = "Correct the line") const {
        throw Error(Recovery::operator_action, fmt::format("{}, line {}: {}", file_, line_, what), std::move(remedy));
    }

    std::string_view file_;
    int line_ = 0;
    std::vector<HypertableSpec> specs_;
};

}  // namespace detail

/// @param file  its name, for messages
/// @throws Error  (operator_action) naming file and line
[[nodiscard]] inline std::vector<HypertableSpec> parse_hypertables(std::string_view file, std::string_view text) {
    return detail::HypertableFileReader(file).read(text);
}

}  // namespace tslive::timescale
