// Runs a fuzz target on files, for compilers without libFuzzer: every file of the folders that are named, and each
// input cut short, since a decoder's commonest mistake is to read past the end.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::uint8_t> read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The copy has no spare capacity, so that a sanitizer sees the first byte past the end.
void run(const std::vector<std::uint8_t>& input, std::size_t size) {
    const std::vector<std::uint8_t> exact(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
    constexpr std::size_t most_cuts = 512;
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
            if (!entry.is_regular_file()) continue;
            const auto input = read(entry.path());
            std::printf("%s (%zu bytes)\n", entry.path().c_str(), input.size());
            std::fflush(stdout);  // when the target aborts, the last line names the input
            const auto step = input.size() / most_cuts + 1;
            for (std::size_t size = 0; size < input.size(); size += step) run(input, size);
            run(input, input.size());
            ++files;
        }
    }
    if (files == 0) {
        std::fprintf(stderr, "no input: give folders that hold at least one file\n");
        return 1;
    }
    std::printf("%zu inputs replayed\n", files);
    return 0;
}
