#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tslive::random_workload {

/// The one source of all choices of a run: the same seed gives the same numbers, with every standard library.
class Chance {
public:
    explicit Chance(std::uint64_t seed) : seed_(seed), engine_(seed) {}

    /// A source of its own for one purpose. It does not depend on what was drawn here before.
    [[nodiscard]] Chance branch(std::string_view purpose, std::uint64_t number = 0) const {
        std::uint64_t hash = 14695981039346656037U ^ seed_;  // FNV-1a
        const auto mix = [&](std::uint64_t byte) { hash = (hash ^ byte) * 1099511628211U; };
        for (const char c : purpose) mix(static_cast<unsigned char>(c));
        for (int shift = 0; shift < 64; shift += 8) mix(number >> shift & 0xFF);
        return Chance{hash};
    }

    /// A number in [least, most].
    std::int64_t between(std::int64_t least, std::int64_t most) {
        const auto range = static_cast<std::uint64_t>(most - least) + 1;
        return least + static_cast<std::int64_t>(range == 0 ? engine_() : engine_() % range);
    }
    bool percent(std::int64_t chance) { return between(1, 100) <= chance; }
    bool one_in(std::int64_t n) { return between(1, n) == 1; }
    /// Small numbers often, large ones seldom: [least, most].
    std::int64_t skewed(std::int64_t least, std::int64_t most) {
        auto top = most - least;
        for (int halvings = static_cast<int>(between(0, 6)); halvings > 0; --halvings) top /= 2;
        return least + between(0, top);
    }
    template <typename T>
    const T& pick(const std::vector<T>& from) {
        return from[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(from.size()) - 1))];
    }
    template <typename T>
    T pick(std::initializer_list<T> from) {
        return from.begin()[between(0, static_cast<std::int64_t>(from.size()) - 1)];
    }
    /// An index, each as often as its weight says.
    std::size_t weighted(const std::vector<int>& weights) {
        std::int64_t sum = 0;
        for (const int weight : weights) sum += weight;
        auto left = between(1, sum);
        for (std::size_t i = 0; i < weights.size(); ++i)
            if ((left -= weights[i]) <= 0) return i;
        return weights.size() - 1;
    }
    template <typename T>
    void shuffle(std::vector<T>& items) {
        for (std::size_t i = items.size(); i > 1; --i)
            std::swap(items[i - 1], items[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(i) - 1))]);
    }

private:
    std::uint64_t seed_;
    std::mt19937_64 engine_;
};

}  // namespace tslive::random_workload
