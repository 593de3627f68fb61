#include <cstdio>
#include <string>

#include "tslive/tslive.hpp"

// One thing from each library that a consumer must be able to link.
int main() {
    const auto lsn = tslive::Lsn::parse("16/B374D848");
    if (!lsn) return 1;
    const std::string name = tslive::pg::quote_identifier("a \"table\"");
    std::printf("tslive %s, %s, %s\n", std::string(tslive::version).c_str(), fmt::format("{}", *lsn).c_str(),
                name.c_str());
    return name == R"("a ""table""")" ? 0 : 1;
}
