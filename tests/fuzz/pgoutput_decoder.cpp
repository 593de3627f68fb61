// Any bytes: only DecodeError leaves the decoder, and what it accepts comes out of an encoder as it went in.
//
// Input: one byte for the protocol (its place in the list below), then messages, each as a length of two bytes (big
// endian) and so many bytes. One decoder reads them all, so that the fuzzer can walk into streamed blocks.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <optional>

#include "support/pgoutput_encode.hpp"
#include "tslive/pgoutput/decode.hpp"
#include "tslive/pgoutput/peek.hpp"
#include "tslive/pgoutput/relation_cache.hpp"

namespace {

using namespace tslive;
using namespace tslive::pgoutput;

constexpr Protocol protocols[] = {{},
                                  {.version = 2, .streaming = Streaming::on},
                                  {.version = 4, .streaming = Streaming::parallel},
                                  {.version = 3, .streaming = Streaming::off}};

/// Encodes what it sees, and keeps relations and checks rows as the applier does.
struct Target : test::Encoder {
    explicit Target(Protocol protocol) : Encoder(protocol) {}
    using Encoder::on;

    void on(const Relation& relation, std::optional<Xid> xid) {
        Encoder::on(relation, xid);
        const bool known = cache.knows(relation);
        const auto before = known ? cache.find(relation.id).version : 0;
        const auto after = cache.update(relation).version;
        if (known != (before == after) || !cache.knows(relation)) std::abort();
        spelled_out = relation.schema == "pg_catalog";
    }
    void on(const Type& type, std::optional<Xid> xid) {
        Encoder::on(type, xid);
        spelled_out = type.schema == "pg_catalog";
    }

    RelationCache cache;
    bool spelled_out = false;  // pg_catalog has two forms on the wire, and we write the short one
};

void run(Decoder& decoder, Target& target, Bytes message) {
    target.spelled_out = false;
    try {
        decoder.decode(message, target);
    } catch (const DecodeError& error) {
        if (error.offset() > message.size()) std::abort();
        return;
    }
    if (!target.spelled_out && as_text(target.message()) != as_text(message)) std::abort();
    (void)peek(message);  // what decodes has a type
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes input(reinterpret_cast<const std::byte*>(data), size);
    if (input.empty()) return 0;
    const Protocol protocol = protocols[std::to_integer<unsigned>(input[0]) % std::size(protocols)];
    input = input.subspan(1);
    Decoder decoder(protocol);
    Target target(protocol);
    while (input.size() >= 2) {
        const std::size_t length = std::min<std::size_t>(load_be<std::uint16_t>(input.data()), input.size() - 2);
        // A copy of its own, so that the sanitizer sees a read past the end of the message.
        const ByteBuffer message(input.begin() + 2, input.begin() + 2 + static_cast<std::ptrdiff_t>(length));
        run(decoder, target, message);
        input = input.subspan(2 + length);
    }
    return 0;
}
