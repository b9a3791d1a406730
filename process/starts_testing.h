// SPDX-License-Identifier: MIT
//
// For tests of what is the same for each way of starting a process:
//
//   class MyTest : public testing::TestWithParam<Start> {};
//   INSTANTIATE_TEST_SUITE_P(Starts, MyTest, EachStart(), NameOfStart);
#ifndef REMOTEOBJ_PROCESS_STARTS_TESTING_H_
#define REMOTEOBJ_PROCESS_STARTS_TESTING_H_

#include <string>

#include "gtest/gtest.h"
#include "remoteobj/process/options.h"

namespace remoteobj {

inline auto EachStart() { return testing::Values(Start::kFork, Start::kSpawn, Start::kForkServer); }

inline std::string NameOfStart(const testing::TestParamInfo<Start>& start) {
  return start.param == Start::kFork    ? "Fork"
         : start.param == Start::kSpawn ? "Spawn"
                                        : "ForkServer";
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_STARTS_TESTING_H_
