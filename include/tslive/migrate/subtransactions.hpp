#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "tslive/core/ids.hpp"

namespace tslive::migrate {

/// The subtransactions that something of one transaction belongs to, and which of them the source has told to be rolled
/// back. Of each a few bytes are kept, as many as the spool's record of the transaction holds of those that are void.
class Subtransactions {
public:
    void add(Xid xid) {
        if (!seen_.empty() && seen_.back() == xid) return;
        seen_.push_back(xid);
        if (seen_.size() < tidy_at_) return;
        tidy(seen_);
        tidy_at_ = std::max(least_to_tidy, 2 * seen_.size());
    }
    void rolled_back(Xid xid) { rolled_back_.push_back(xid); }

    /// Those of which no rollback was told, ascending.
    [[nodiscard]] std::vector<Xid> others() {
        tidy(seen_);
        tidy(rolled_back_);
        std::vector<Xid> result;
        std::ranges::set_difference(seen_, rolled_back_, std::back_inserter(result));
        return result;
    }

private:
    static constexpr std::size_t least_to_tidy = 1024;

    static void tidy(std::vector<Xid>& xids) {
        std::ranges::sort(xids);
        const auto [first, last] = std::ranges::unique(xids);
        xids.erase(first, last);
    }

    std::vector<Xid> seen_;  // with repetitions, so that adding costs next to nothing
    std::vector<Xid> rolled_back_;
    std::size_t tidy_at_ = least_to_tidy;
};

}  // namespace tslive::migrate
