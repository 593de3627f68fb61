#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "integration/harness/child.hpp"
#include "integration/harness/failure.hpp"
#include "integration/harness/scratch.hpp"

namespace tslive::harness {

/// Makes data directories quickly: initdb runs once, the rest are copies of what it made. Any thread may call.
///
/// A copy gets a system identifier of its own, as initdb would have given it: our programs tell databases apart by it.
/// It stands in pg_control (whose CRC-32C is made good) and in the header of the one WAL segment.
/// Source: PostgreSQL, src/include/catalog/pg_control.h and src/include/access/xlog_internal.h
/// (XLogLongPageHeaderData).
class TemplateCluster {
public:
    static void clone_to(const std::filesystem::path& data_dir, const std::filesystem::path& bin_dir) {
        run_tool_or_fail({.arguments = {"cp", "-a", "--sparse=always", made_for(bin_dir).string(), data_dir.string()}});
        give_identity(data_dir);
    }

private:
    static std::filesystem::path made_for(const std::filesystem::path& bin_dir) {
        static std::mutex mutex;
        static std::map<std::filesystem::path, std::filesystem::path> made;
        const std::scoped_lock lock(mutex);
        auto& data_dir = made[bin_dir];
        if (data_dir.empty()) data_dir = initialise(bin_dir);
        return data_dir;
    }

    static std::filesystem::path initialise(const std::filesystem::path& bin_dir) {
        const auto parent = Scratch::instance().make_directory("t");
        const auto account = Account::for_servers();
        if (account && ::chown(parent.c_str(), account->uid, account->gid) != 0) throw system_failure("chown");
        auto data_dir = parent / "data";
        run_tool_or_fail({.arguments = {(bin_dir / "initdb").string(), "-D", data_dir.string(), "-U", "postgres", "-A",
                                        "trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8"},
                          .account = account});
        return data_dir;
    }

    static void give_identity(const std::filesystem::path& data_dir) {
        std::random_device random;
        const std::uint64_t identity = (std::uint64_t{random()} << 32 | random()) >> 1;  // read as bigint in places

        const auto control_file = data_dir / "global" / "pg_control";
        auto control = read(control_file);
        const auto crc_offset = find_crc(control);
        if (!crc_offset) throw Failure(fmt::format("{}: no checksum found", control_file.string()));
        std::memcpy(control.data(), &identity, sizeof identity);
        const auto crc = crc32c(control, *crc_offset);
        std::memcpy(control.data() + *crc_offset, &crc, sizeof crc);
        write(control_file, 0, control.data(), control.size());

        constexpr std::streamoff identity_in_page_header = 24;
        for (const auto& entry : std::filesystem::directory_iterator(data_dir / "pg_wal"))
            if (entry.is_regular_file())
                write(entry.path(), identity_in_page_header, reinterpret_cast<const char*>(&identity), sizeof identity);
    }

    /// The checksum's place differs between versions; it is where the checksum of all that stands before it is found.
    static std::optional<std::size_t> find_crc(const std::vector<char>& control) {
        for (std::size_t offset = 64; offset + 4 <= 512; offset += 4) {
            std::uint32_t stored = 0;
            std::memcpy(&stored, control.data() + offset, sizeof stored);
            if (stored == crc32c(control, offset)) return offset;
        }
        return std::nullopt;
    }
    static std::uint32_t crc32c(const std::vector<char>& bytes, std::size_t count) {
        std::uint32_t crc = 0xFFFFFFFF;
        for (std::size_t i = 0; i < count; ++i) {
            crc ^= static_cast<unsigned char>(bytes[i]);
            for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0x82F63B78 & (0U - (crc & 1)));
        }
        return ~crc;
    }

    static std::vector<char> read(const std::filesystem::path& file) {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>{in}, {}};
    }
    static void write(const std::filesystem::path& file, std::streamoff offset, const char* bytes, std::size_t count) {
        std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
        out.seekp(offset);
        out.write(bytes, static_cast<std::streamsize>(count));
        out.flush();
        if (!out) throw Failure(fmt::format("cannot write {}", file.string()));
    }
};

}  // namespace tslive::harness
