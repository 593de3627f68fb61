#pragma once

#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/pgoutput/decode.hpp"

namespace tslive::test {

/// Quoted, with everything that is not printable ASCII as \xhh.
[[nodiscard]] inline std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += {'\\', c};
        else if (c >= ' ' && c <= '~') out += c;
        else fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
    return out += '\'';
}

/// Visitor that writes one line a message. tests/golden/README.md describes the lines.
class Renderer {
public:
    [[nodiscard]] const std::string& text() const { return text_; }

    void on(const pgoutput::Begin& m) {
        line("begin final_lsn {} time {} xid {}", m.final_lsn, m.commit_time.microseconds, m.xid);
    }
    void on(const pgoutput::Commit& m) {
        line("commit flags {} commit_lsn {} end_lsn {} time {}", m.flags, m.commit_lsn, m.end_lsn,
             m.commit_time.microseconds);
    }
    void on(const pgoutput::Origin& m) { line("origin commit_lsn {} {}", m.commit_lsn, quoted(m.name)); }
    void on(const pgoutput::Relation& m, std::optional<Xid> xid) {
        std::string columns;
        for (const auto& c : m.columns) {
            columns += fmt::format(" {}{}:{}", quoted(c.name), c.key ? "!" : "", c.type);
            if (c.type_modifier != -1) columns += fmt::format("({})", c.type_modifier);
        }
        line("{}relation {} {}.{} identity {} columns{}", prefix(xid), m.id, quoted(m.schema), quoted(m.name),
             static_cast<char>(m.replica_identity), columns);
    }
    void on(const pgoutput::Type& m, std::optional<Xid> xid) {
        line("{}type {} {}.{}", prefix(xid), m.id, quoted(m.schema), quoted(m.name));
    }
    void on(const pgoutput::Insert& m, std::optional<Xid> xid) {
        line("{}insert {} new {}", prefix(xid), m.relation, row(m.new_row));
    }
    void on(const pgoutput::Update& m, std::optional<Xid> xid) {
        line("{}update {}{} new {}", prefix(xid), m.relation, old(m.old_kind, m.old_row), row(m.new_row));
    }
    void on(const pgoutput::Delete& m, std::optional<Xid> xid) {
        line("{}delete {}{}", prefix(xid), m.relation, old(m.old_kind, m.old_row));
    }
    void on(const pgoutput::Truncate& m, std::optional<Xid> xid) {
        std::string relations;
        for (const auto& id : m.relations) relations += fmt::format(" {}", id);
        line("{}truncate{}{}{}", prefix(xid), relations, m.cascade ? " cascade" : "",
             m.restart_identity ? " restart_identity" : "");
    }
    void on(const pgoutput::LogicalMessage& m, std::optional<Xid> xid) {
        line("{}message {}lsn {} {} {}", prefix(xid), m.transactional ? "transactional " : "", m.lsn, quoted(m.prefix),
             quoted(as_text(m.content)));
    }
    void on(const pgoutput::StreamStart& m) {
        line("stream_start xid {}{}", m.xid, m.first_segment ? " first_segment" : "");
    }
    void on(const pgoutput::StreamStop&) { line("stream_stop"); }
    void on(const pgoutput::StreamCommit& m) {
        line("stream_commit xid {} flags {} commit_lsn {} end_lsn {} time {}", m.xid, m.flags, m.commit_lsn, m.end_lsn,
             m.commit_time.microseconds);
    }
    void on(const pgoutput::StreamAbort& m) {
        line("stream_abort xid {} subxid {} abort_lsn {} time {}", m.xid, m.subxid, m.abort_lsn,
             m.abort_time.microseconds);
    }

private:
    template <typename... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
        text_ += '\n';
    }
    static std::string prefix(std::optional<Xid> xid) { return xid ? fmt::format("[{}] ", *xid) : std::string(); }
    static std::string old(pgoutput::OldRow kind, pgoutput::Row values) {
        return kind == pgoutput::OldRow::none ? std::string()
                                              : fmt::format(" {} {}", static_cast<char>(kind), row(values));
    }
    static std::string row(pgoutput::Row values) {
        std::string out = "(";
        for (const auto& value : values) {
            if (out.size() > 1) out += ", ";
            switch (value.kind) {
                case pgoutput::ValueKind::null: out += "null"; break;
                case pgoutput::ValueKind::unchanged_toast: out += "unchanged"; break;
                case pgoutput::ValueKind::text: out += quoted(as_text(value.data)); break;
                case pgoutput::ValueKind::binary: out += "b" + quoted(as_text(value.data)); break;
            }
        }
        return out += ')';
    }

    std::string text_;
};
static_assert(pgoutput::Visitor<Renderer>);

}  // namespace tslive::test
