#pragma once

#include <concepts>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"

namespace tslive::pg {

/// The values of one statement, in order. Text and binary values are copied unless the name says `view`.
class Params {
public:
    Params() = default;
    Params(const Params&) = delete;  // a copy would point into the original
    Params& operator=(const Params&) = delete;
    Params(Params&&) = default;
    Params& operator=(Params&&) = default;
    ~Params() = default;

    Params& text(std::string_view value) {
        owned_.emplace_back(value);
        return add(owned_.back().c_str(), static_cast<int>(value.size()), 0);
    }
    template <std::integral T>
    Params& number(T value) {
        return text(fmt::format("{}", value));
    }
    Params& boolean(bool value) { return text(value ? "t" : "f"); }
    Params& null() { return add(nullptr, 0, 0); }
    Params& binary(Bytes value) {
        owned_.emplace_back(as_text(value));
        return add(owned_.back().data(), static_cast<int>(value.size()), 1);
    }
    /// @pre the bytes outlive the statement's sending
    Params& binary_view(Bytes value) {
        return add(reinterpret_cast<const char*>(value.data()), static_cast<int>(value.size()), 1);
    }
    /// A value in text form without a copy. @pre it ends with a zero byte and outlives the statement's sending
    Params& text_view(const char* value, std::size_t bytes) { return add(value, static_cast<int>(bytes), 0); }

    /// Length of all values, to bound what is buffered.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] int count() const noexcept { return static_cast<int>(values_.size()); }
    [[nodiscard]] const char* const* values() const noexcept { return values_.data(); }
    [[nodiscard]] const int* lengths() const noexcept { return lengths_.data(); }
    [[nodiscard]] const int* formats() const noexcept { return formats_.data(); }
    void clear() {
        owned_.clear();
        values_.clear();
        lengths_.clear();
        formats_.clear();
        bytes_ = 0;
    }

private:
    Params& add(const char* value, int length, int format) {
        values_.push_back(value);
        lengths_.push_back(length);
        formats_.push_back(format);
        bytes_ += static_cast<std::size_t>(length);
        return *this;
    }

    std::deque<std::string> owned_;  // a deque: growing it leaves the pointers valid
    std::vector<const char*> values_;
    std::vector<int> lengths_;
    std::vector<int> formats_;
    std::size_t bytes_ = 0;
};

}  // namespace tslive::pg
