#include "tslive/tslive.hpp"

std::string_view version_seen_elsewhere();

std::string_view version_seen_elsewhere() { return tslive::version; }
