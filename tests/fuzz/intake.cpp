// Transactions in progress on their way into the spool and out of it: whatever is received, only DecodeError and
// StateError come out, and what was taken is read back whole, in the order of the commits.
//
// The first byte chooses: even: the rest is a record that refers to a streamed transaction; odd: messages, each as a
// length of two bytes (big endian) and so many bytes. An empty message: the session with the source begins anew.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <stdlib.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/migrate/intake.hpp"
#include "tslive/pgoutput/peek.hpp"
#include "tslive/spool/reader.hpp"
#include "tslive/spool/streamed.hpp"
#include "tslive/spool/streamed_writer.hpp"
#include "tslive/spool/writer.hpp"

namespace {

using namespace tslive;

constexpr spool::StreamId stream{std::byte{1}};
constexpr pgoutput::Protocol protocol{.version = 2, .streaming = pgoutput::Streaming::on};
constexpr spool::Options small{.segment_bytes = 300, .block_bytes = 64, .compression_level = 1};

void expect(bool holds) {
    if (!holds) std::abort();
}

/// Files that a disk cannot hold up: what is tested is where the bytes go.
struct UnsyncedFile {
    explicit UnsyncedFile(const std::filesystem::path& path) : file(path) {}
    void append(Bytes bytes) { file.append(bytes); }
    void sync() {}
    spool::PosixFile file;
};

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

void check_record(Bytes payload) {
    try {
        const auto transaction = spool::decode_streamed(payload, directory());
        expect(as_text(spool::encode(transaction)) == as_text(payload));
    } catch (const StateError&) {
    }
}

/// Reads the spool as the applier does.
/// @returns how many streamed transactions there are
std::size_t read_back(const std::filesystem::path& path) {
    std::size_t transactions = 0;
    spool::Reader reader(path, stream, nullptr, {});
    while (const auto record = reader.next()) {
        if (record->kind != spool::RecordKind::streamed) continue;
        ++transactions;
        const auto transaction = spool::decode_streamed(record->payload, path);
        expect(transaction.end == record->lsn);
        expect(pgoutput::read_stream_commit(transaction.commit).end_lsn == transaction.end);
        auto messages = spool::open_streamed(path, stream, transaction);
        bool inside = false;
        std::uint64_t last = 0;
        while (const auto message = messages.next()) {
            expect(message->kind == spool::RecordKind::message && message->lsn.value > last);
            last = message->lsn.value;
            const auto type = pgoutput::peek(message->payload);
            inside =
                type != pgoutput::MessageType::stream_stop;  // what a block may not hold is the decoder's to refuse
        }
        expect(!inside && last > 0);
    }
    return transactions;
}

void check_session(Bytes input) {
    const auto path = directory() / "spool";
    std::filesystem::remove_all(path);
    {
        auto main = spool::Writer<UnsyncedFile>::open(path, stream, small);
        spool::StreamedWriter<UnsyncedFile> streamed(path, stream, small);
        migrate::Intake<UnsyncedFile> intake(main, streamed, protocol, [](std::span<const Xid> asked, Lsn) {
            std::vector<Xid> rolled_back;
            for (const auto xid : asked)
                if (xid.value % 2 == 0) rolled_back.push_back(xid);
            return rolled_back;
        });
        intake.session_begins({1});
        std::uint64_t lsn = 1;
        std::size_t committed = 0;
        try {
            while (input.size() >= 2) {
                const std::size_t length =
                    std::min<std::size_t>(load_be<std::uint16_t>(input.data()), input.size() - 2);
                // A copy of its own, so that the sanitizer sees a read past the end of the message.
                const ByteBuffer message(input.begin() + 2, input.begin() + 2 + static_cast<std::ptrdiff_t>(length));
                input = input.subspan(2 + length);
                if (message.empty()) {
                    intake.session_begins({++lsn});
                    continue;
                }
                const bool commits =
                    !intake.inside_block() && pgoutput::peek(message) == pgoutput::MessageType::stream_commit;
                intake.take({++lsn}, message);
                committed += commits ? 1 : 0;
            }
        } catch (const DecodeError&) {
        }
        main.sync();
        expect(read_back(path) == committed);
        streamed.retire_before({~std::uint64_t{0}});
        // What is left, or was going on, is not in the way of the next run.
        streamed.forget_open();
        expect(streamed.bytes_on_disk() == 0);
    }
    spool::StreamedWriter<UnsyncedFile> again(path, stream, small);
    expect(again.bytes_on_disk() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Bytes input(reinterpret_cast<const std::byte*>(data + 1), size - 1);
    if (data[0] % 2 == 0) check_record(input);
    else check_session(input);
    return 0;
}
