// SPDX-License-Identifier: MIT
//
// What the tests of the data types have in common.
#ifndef REMOTEOBJ_MANAGER_TESTS_TEST_HELPERS_H_
#define REMOTEOBJ_MANAGER_TESTS_TEST_HELPERS_H_

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace remoteobj::manager_internal {

// That it throws an E, whose message has `message` in it.
template <typename E, typename F>
void ExpectThrows(F f, const std::string& message) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown, not even: " << message;
  } catch (const E& e) {
    EXPECT_NE(std::string(e.what()).find(message), std::string::npos) << e.what();
  }
}

// Calls f(0) to f(799), on four threads.
template <typename F>
void InFourThreads(F f) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&f, t] {
      for (int i = 0; i < 200; ++i) f(200 * t + i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_TESTS_TEST_HELPERS_H_
