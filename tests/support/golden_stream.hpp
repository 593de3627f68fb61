#pragma once

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tslive/core/bytes.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pgoutput/protocol.hpp"

namespace tslive::test {

/// A captured stream; tests/golden/README.md describes the file.
struct GoldenStream {
    struct Message {
        Lsn lsn;
        std::uint32_t xid = 0;
        ByteBuffer bytes;
    };

    pgoutput::Protocol protocol;
    std::vector<Message> messages;

    [[nodiscard]] static GoldenStream load(const std::filesystem::path& path) {
        std::ifstream file(path);
        if (!file) throw std::runtime_error("cannot open " + path.string());
        GoldenStream stream;
        std::string line;
        std::getline(file, line);
        stream.protocol = protocol_of(line);
        while (std::getline(file, line)) {
            if (!line.starts_with('#')) stream.messages.push_back(message_of(line));
        }
        return stream;
    }

private:
    /// From the first line, which repeats the options as they were given to the server.
    static pgoutput::Protocol protocol_of(const std::string& header) {
        const std::string option = "'proto_version', '";
        const auto at = header.find(option);
        if (at == std::string::npos) throw std::runtime_error("golden stream without proto_version: " + header);
        pgoutput::Protocol protocol{.version = header.at(at + option.size()) - '0'};
        if (header.find("'streaming', 'on'") != std::string::npos) protocol.streaming = pgoutput::Streaming::on;
        if (header.find("'streaming', 'parallel'") != std::string::npos)
            protocol.streaming = pgoutput::Streaming::parallel;
        return protocol;
    }

    static Message message_of(const std::string& line) {
        std::istringstream fields(line);
        std::string lsn, hex;
        Message message;
        if (!(fields >> lsn >> message.xid >> hex) || hex.size() % 2 != 0 || !Lsn::parse(lsn))
            throw std::runtime_error("not a golden message: " + line);
        message.lsn = *Lsn::parse(lsn);
        for (std::size_t at = 0; at < hex.size(); at += 2) {
            std::uint8_t byte = 0;
            const char* const end = hex.data() + at + 2;
            if (std::from_chars(hex.data() + at, end, byte, 16).ptr != end)
                throw std::runtime_error("not hexadecimal: " + line);
            message.bytes.push_back(std::byte{byte});
        }
        return message;
    }
};

/// tests/golden in the source tree.
[[nodiscard]] inline std::filesystem::path golden_folder() {
    return std::filesystem::path(TSLIVE_SOURCE_DIR) / "tests" / "golden";
}

/// All captured streams, of every server version.
[[nodiscard]] inline std::vector<std::filesystem::path> golden_streams() {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(golden_folder())) {
        if (entry.path().extension() == ".stream") found.push_back(entry.path());
    }
    return found;
}

}  // namespace tslive::test
