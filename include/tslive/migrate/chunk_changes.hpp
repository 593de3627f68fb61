#pragma once

#include <algorithm>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/apply/chunk_knowledge.hpp"
#include "tslive/apply/encode.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/timescale/chunk.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/source_chunks.hpp"

namespace tslive::migrate {

/// Where the changes of a TimescaleDB source go (docs/decisions/0013-timescaledb.md). One thread: the applier's.
class ChunkChanges final : public apply::ChunkKnowledge {
    /// What a failure leaves behind is void: the batch is rolled back, and its changes come again.
    template <typename Work>
    auto with_chunks(Work&& work) {
        try {
            if (!chunks_)
                chunks_.emplace(open_end("target", target_end_, "chunks", stop_), helper_schema_, source_release_);
            return work(*chunks_);
        } catch (const Error&) {
            chunks_.reset();
            throw;
        }
    }

public:
    /// @param source  the release of the source, @param target that of the target
    ChunkChanges(const Context& context, timescale::Installation source, timescale::Installation target,
                 const std::stop_token& stop)
        : stop_(stop), target_(std::move(target)), source_release_(source.release),
          helper_schema_(fmt::format("tslive_{}", context.names.id)), target_end_(context.ends.target) {}

    [[nodiscard]] apply::Route route(const pgoutput::CachedRelation& relation) override {
        return with_chunks([&](timescale::SourceChunks& chunks) { return route(chunks, relation, chunks.session()); });
    }

    [[nodiscard]] apply::Route settle(const pgoutput::CachedRelation& relation, pg::Connection& target,
                                      bool by_content) override {
        const auto look = [&] {
            return with_chunks([&](timescale::SourceChunks& chunks) { return route(chunks, relation, target); });
        };
        auto found = look();
        if (found.kind == apply::Route::Kind::shadow && found.chunk) refuse_half_a_truncate(relation);
        if (found.kind != apply::Route::Kind::chunk || !by_content) return found;
        std::vector<catalog::QualifiedName> compressed;
        if (!found.chunk)  // the whole hypertable is searched
            compressed = timescale::chunks_with_compressed_rows(target, target_.release, found.table);
        else if (found.through_table) compressed.push_back(*found.chunk);
        if (compressed.empty()) return found;
        for (const auto& chunk : compressed) {
            log::info("{} is decompressed on the target: rows without a key are changed in it", chunk);
            target.exec(fmt::format("SELECT {}({}::pg_catalog.regclass, if_compressed => true)",
                                    target_.function("decompress_chunk"), pg::quote_literal(chunk.quoted())));
        }
        return look();
    }

    void observe(const pgoutput::CachedRelation& relation, apply::ChangeKind kind, apply::Row identity,
                 apply::Row row) override {
        using apply::ChangeKind;
        with_chunks([&](timescale::SourceChunks& chunks) {
            if (kind == ChangeKind::insert && relation.name == "chunk") judge_removals(chunks);
            if (kind == ChangeKind::insert) return chunks.changed(relation.name, named(relation, row));
            const auto before = named(relation, identity);
            const auto after = named(relation, row);
            if (relation.name == "chunk") note_drop(chunks, kind, before, after);
            if (kind == ChangeKind::remove) chunks.removed(relation.name, before);
            else chunks.changed(relation.name, after);
        });
    }

    [[nodiscard]] std::vector<std::string> statements_to_follow() override {
        if (removed_.empty() && statements_.empty()) return {};
        return with_chunks([&](timescale::SourceChunks& chunks) {
            judge_removals(chunks);
            return std::exchange(statements_, {});
        });
    }

    void forget_observed() override {
        removed_.clear();
        statements_.clear();
        if (chunks_) chunks_->forget();
    }

    [[nodiscard]] bool has_compressed_rows(const catalog::QualifiedName& hypertable) override {
        return with_chunks([&](timescale::SourceChunks& chunks) { return chunks.has_compressed_rows(hypertable); });
    }

    [[nodiscard]] std::optional<bool> hides_changes(std::string_view prefix) const override {
        for (const std::string_view kind : {"::timescaledb-compression-", "::timescaledb-decompression-"}) {
            if (!prefix.starts_with(kind)) continue;
            const auto word = prefix.substr(kind.size());
            if (word == "start") return true;
            if (word == "end") return false;
        }
        if (prefix.starts_with("::timescaledb-"))
            throw Error(
                Recovery::operator_action,
                fmt::format("TimescaleDB on the source wrote a message of a kind that is not known: {}", prefix),
                "Its release is newer than this ts-live: use a newer one");
        return std::nullopt;
    }

private:
    [[nodiscard]] apply::Route route(timescale::SourceChunks& chunks, const pgoutput::CachedRelation& relation,
                                     pg::Connection& target) {
        using Kind = apply::Route::Kind;
        const catalog::QualifiedName name{relation.schema, relation.name};
        if (name.schema == "_timescaledb_catalog" && timescale::SourceChunks::mirrored(name.name))
            return {.kind = Kind::elsewhere, .table = {helper_schema_, timescale::SourceChunks::mirror_of(name.name)}};
        for (const std::string_view schema : {"_timescaledb_catalog", "_timescaledb_config", "_timescaledb_cache"})
            if (name.schema == schema) return {.kind = Kind::left_out};
        if (const auto chunk = chunks.find(name)) {
            if (chunk->holds == timescale::Holds::rows) return to_chunk(Kind::chunk, *chunk, target);
            // Whose rows it has may be told only after them.
            const auto owner = chunks.owner_of(chunk->id);
            return owner ? to_chunk(Kind::shadow, *owner, target) : apply::Route{.kind = Kind::shadow};
        }
        if (chunks.hypertable(name) == timescale::Holds::compressed) return {.kind = Kind::shadow};
        return {.kind = Kind::ordinary};
    }

    /// TRUNCATE of a chunk that has rows of both kinds empties what is compressed, and nothing else. Which rows that are, is not the same on
    /// the target.
    void refuse_half_a_truncate(const pgoutput::CachedRelation& relation) {
        const auto owner = with_chunks([&](timescale::SourceChunks& chunks) -> std::optional<timescale::SourceChunk> {
            const auto chunk = chunks.find({relation.schema, relation.name});
            return chunk ? chunks.owner_of(chunk->id) : std::nullopt;
        });
        if (!owner || !owner->partly_compressed) return;
        throw Error(
            Recovery::operator_action,
            fmt::format("the chunk {} of {} was truncated on the source while it had rows that were compressed and "
                        "others that were not: TimescaleDB then removes the compressed ones only",
                        owner->name, owner->hypertable),
            "Begin the migration anew with ts-clean and a new snapshot. To empty a range of time, use drop_chunks "
            "or DELETE");
    }

    [[nodiscard]] apply::Route to_chunk(apply::Route::Kind kind, const timescale::SourceChunk& chunk,
                                        pg::Connection& target) const {
        apply::Route found{.kind = kind, .table = chunk.hypertable};
        if (const auto there = timescale::find_chunk(target, target_.release, chunk.hypertable, chunk.ranges)) {
            found.chunk = there->name;
            found.through_table = there->compressed;
        } else {
            found.pieces = timescale::chunks_within(target, target_.release, chunk.hypertable, chunk.ranges);
        }
        return found;
    }

    [[nodiscard]] static timescale::CatalogRow named(const pgoutput::CachedRelation& relation, apply::Row row) {
        timescale::CatalogRow named;
        for (std::size_t i = 0; i < row.size(); ++i)
            if (row[i].kind == apply::ValueKind::text || row[i].kind == apply::ValueKind::binary)
                if (auto value = as_text_form(relation.columns[i].type, row[i]))
                    named.emplace(relation.columns[i].name, std::move(*value));
        return named;
    }
    /// Nothing for values in binary form of types that no column has which we read.
    [[nodiscard]] static std::optional<std::string> as_text_form(TypeId type, const apply::Value& value) {
        if (value.kind == apply::ValueKind::text) return std::string{as_text(value.data)};
        constexpr TypeId boolean{16}, name{19}, int8{20}, int2{21}, int4{23}, text{25};
        if (type == name || type == text) return std::string{as_text(value.data)};
        if (type == boolean && value.data.size() == 1) return value.data[0] == std::byte{0} ? "f" : "t";
        if (type == int8 && value.data.size() == 8)
            return fmt::format("{}", static_cast<std::int64_t>(load_be<std::uint64_t>(value.data.data())));
        if (type == int4 && value.data.size() == 4)
            return fmt::format("{}", static_cast<std::int32_t>(load_be<std::uint32_t>(value.data.data())));
        if (type == int2 && value.data.size() == 2)
            return fmt::format("{}", static_cast<std::int16_t>(load_be<std::uint16_t>(value.data.data())));
        return std::nullopt;
    }

    /// A chunk that a continuous aggregate has seen keeps its row, which says that it was dropped.
    void note_drop(timescale::SourceChunks& chunks, apply::ChangeKind kind, const timescale::CatalogRow& before,
                   const timescale::CatalogRow& after) {
        if (kind != apply::ChangeKind::remove && timescale::SourceChunks::text(after, "dropped") != "t") return;
        // While its ranges are known: they go in the same transaction.
        if (auto chunk = chunks.find(timescale::SourceChunks::number(before, "id")))
            removed_.push_back(std::move(*chunk));
    }

    /// A chunk also goes when it is merged into another one, which then has other ranges, and the rows. Nothing moves on the target: from
    /// then on, one chunk of the source stands for several there.
    void judge_removals(timescale::SourceChunks& chunks) {
        for (const auto& chunk : std::exchange(removed_, {})) {
            if (chunk.holds == timescale::Holds::compressed || chunk.ranges.empty()) continue;
            if (const auto merged = chunks.merged_into(chunk)) {
                log::info("chunk {} of {} was merged into {} on the source", chunk.name, chunk.hypertable,
                          merged->name);
                continue;
            }
            log::info("chunk {} of {} was dropped on the source; what is in its ranges goes on the target", chunk.name,
                      chunk.hypertable);
            statements_.push_back(timescale::drop_chunks_sql(target_.release, chunk.hypertable, chunk.ranges));
            statements_.push_back(chunks.delete_sql(chunk, target_.release));
        }
    }

    std::stop_token stop_;
    timescale::Installation target_;
    timescale::Release source_release_;
    std::string helper_schema_;
    pg::ConnInfo target_end_;
    std::optional<timescale::SourceChunks> chunks_;
    std::vector<timescale::SourceChunk> removed_;  // of which it is not known whether they were dropped
    std::vector<std::string> statements_;
};

}  // namespace tslive::migrate
