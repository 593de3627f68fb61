#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include <zstd.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"

namespace tslive::spool::detail {

/// Makes zstd frames with a content checksum, reusing one context.
class Compressor {
public:
    explicit Compressor(int level) : level_(level) {}

    [[nodiscard]] static std::size_t bound(std::size_t raw_bytes) noexcept { return ZSTD_compressBound(raw_bytes); }

    /// @pre      `out` has bound(raw.size()) bytes
    /// @returns  bytes written
    [[nodiscard]] std::size_t compress(Bytes raw, std::byte* out) {
        if (!context_) prepare();
        return checked(ZSTD_compress2(context_.get(), out, bound(raw.size()), raw.data(), raw.size()));
    }

    /// Gives the context's memory back; the next compress() takes it again.
    void release() noexcept { context_.reset(); }

private:
    void prepare() {
        context_.reset(ZSTD_createCCtx());
        if (!context_) throw std::bad_alloc();
        set(ZSTD_c_compressionLevel, level_);  // zstd itself moves it into its range
        set(ZSTD_c_checksumFlag, 1);
    }
    static std::size_t checked(std::size_t result) {
        if (ZSTD_isError(result) != 0)
            throw Error(Recovery::operator_action, std::string("zstd: ") + ZSTD_getErrorName(result));
        return result;
    }
    void set(ZSTD_cParameter parameter, int value) {
        checked(ZSTD_CCtx_setParameter(context_.get(), parameter, value));
    }

    struct Free {
        void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
    };
    int level_;
    std::unique_ptr<ZSTD_CCtx, Free> context_;
};

class Decompressor {
public:
    Decompressor() : context_(ZSTD_createDCtx()) {
        if (!context_) throw std::bad_alloc();
    }

    /// @returns false unless `stored` is one frame that gives exactly `raw_bytes` with the right checksum
    [[nodiscard]] bool decompress(Bytes stored, std::byte* out, std::size_t raw_bytes) noexcept {
        if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) return false;
        return ZSTD_decompressDCtx(context_.get(), out, raw_bytes, stored.data(), stored.size()) == raw_bytes;
    }

private:
    struct Free {
        void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
    };
    std::unique_ptr<ZSTD_DCtx, Free> context_;
};

}  // namespace tslive::spool::detail
