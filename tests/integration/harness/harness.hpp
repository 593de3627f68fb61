#pragma once

#include "integration/harness/compare.hpp"
#include "integration/harness/eventually.hpp"
#include "integration/harness/mixed_workload.hpp"
#include "integration/harness/pair.hpp"
#include "integration/harness/programs.hpp"
#include "integration/harness/server.hpp"
#include "integration/harness/writer.hpp"
