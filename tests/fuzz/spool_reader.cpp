// The spool's reader and recovery on bytes that nobody wrote. Whatever they are: StateError, or records.
//
// The first byte chooses how much of the format is given, because a fuzzer does not guess checksums:
//   even: the rest is a segment's frames, after a good header
//   odd:  the rest is cut into blocks, each `length u16, content`, which become good frames
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <stdlib.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/reader.hpp"
#include "tslive/spool/writer.hpp"

namespace {

namespace spool = tslive::spool;
using tslive::ByteBuffer;
using tslive::Bytes;

constexpr spool::StreamId stream{std::byte{1}};

const std::filesystem::path& directory() {
    static const std::filesystem::path path = [] {
        const std::filesystem::path memory = "/dev/shm";
        const auto base = std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
        auto name = (base / "tslive-fuzz-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        return std::filesystem::path(name);
    }();
    static const int removed_at_exit = std::atexit([] {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    });
    static_cast<void>(removed_at_exit);
    return path;
}

void append_frame(ByteBuffer& out, Bytes raw, std::uint64_t seed) {
    static spool::detail::Compressor compressor(1);
    const auto at = out.size();
    out.resize(at + spool::detail::frame_header_bytes + spool::detail::Compressor::bound(raw.size()));
    const auto stored = compressor.compress(raw, out.data() + at + spool::detail::frame_header_bytes);
    spool::detail::encode({.stored_bytes = static_cast<std::uint32_t>(stored),
                           .raw_bytes = static_cast<std::uint32_t>(raw.size()),
                           .synced_bytes = at,
                           .remaining_bytes = 0},
                          out.data() + at, seed, at);
    out.resize(at + spool::detail::frame_header_bytes + stored);
}

/// Reads everything, then goes back and reads it again: both must be the same.
void read_twice() {
    spool::Reader reader(directory(), stream, nullptr, tslive::Lsn{~std::uint64_t{0}});
    const auto start = reader.position();
    std::uint64_t sums[2] = {0, 0};
    for (auto& sum : sums) {
        while (const auto record = reader.next())
            sum =
                spool::detail::checksum(record->payload, sum + record->lsn.value + static_cast<unsigned>(record->kind));
        reader.seek(start);
    }
    if (sums[0] != sums[1]) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Bytes input(reinterpret_cast<const std::byte*>(data + 1), size - 1);

    spool::detail::SegmentHeader header{.stream = stream, .sequence = 1, .start_boundary = {}};
    const auto encoded = spool::detail::encode(header);
    ByteBuffer segment(encoded.begin(), encoded.end());
    if (data[0] % 2 == 0) {
        tslive::append(segment, input);
    } else {
        for (auto rest = input; rest.size() > 2;) {
            const auto length = std::min<std::size_t>(tslive::load_le<std::uint16_t>(rest.data()), rest.size() - 2);
            if (length > 0) append_frame(segment, rest.subspan(2, length), header.seed);
            rest = rest.subspan(2 + length);
        }
    }
    {
        std::ofstream out(directory() / header.file_name(), std::ios::binary | std::ios::trunc);
        out.write(reinterpret_cast<const char*>(segment.data()), static_cast<std::streamsize>(segment.size()));
    }
    try {
        read_twice();
    } catch (const tslive::StateError&) {
    }
    try {
        auto writer = spool::Writer<>::open(directory(), stream);
        writer.append(spool::RecordKind::session, writer.durable_boundary(), {});
        writer.sync();
        read_twice();
    } catch (const tslive::StateError&) {
    }
    return 0;
}
