#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

#include "tslive/core/bytes.hpp"

namespace tslive::apply {

/// Memory for the rows of one batch: given out in order, taken back all at once. One thread.
class Arena {
public:
    [[nodiscard]] Bytes copy(Bytes bytes) {
        if (bytes.empty()) return {};
        auto* to = take(bytes.size(), 1);
        std::memcpy(to, bytes.data(), bytes.size());
        return {to, bytes.size()};
    }

    template <typename T>
    requires std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>
    [[nodiscard]] std::span<T> array(std::size_t count) {
        auto* first = reinterpret_cast<T*>(take(count * sizeof(T), alignof(T)));
        for (std::size_t i = 0; i < count; ++i) new (first + i) T{};
        return {first, count};
    }

    /// What was given out since reset(), in bytes.
    [[nodiscard]] std::size_t used() const noexcept { return used_; }

    /// Everything given out is void. Keeps one block of the usual size.
    void reset() noexcept {
        std::erase_if(blocks_, [](const Block& block) { return block.size != block_bytes; });
        if (blocks_.size() > 1) blocks_.resize(1);
        at_ = 0;
        used_ = 0;
    }

private:
    static constexpr std::size_t block_bytes = 1U << 20;
    struct Block {
        std::unique_ptr<std::byte[]> bytes;
        std::size_t size = 0;
    };

    std::byte* take(std::size_t size, std::size_t alignment) {
        auto at = (at_ + alignment - 1) & ~(alignment - 1);
        if (blocks_.empty() || at + size > blocks_.back().size) {
            const auto wanted = std::max(block_bytes, size);
            blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(wanted), wanted});
            at = 0;
        }
        at_ = at + size;
        used_ += size;
        return blocks_.back().bytes.get() + at;
    }

    std::vector<Block> blocks_;
    std::size_t at_ = 0;
    std::size_t used_ = 0;
};

}  // namespace tslive::apply
