// SPDX-License-Identifier: MIT
#include <vector>

#include "remoteobj/tools/bench/bench.h"

namespace bench {

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> all;
  for (const auto& some :
       {LimitScenarios(), CallScenarios(), ProcessScenarios(), ManagerScenarios()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace bench
