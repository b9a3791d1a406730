// SPDX-License-Identifier: MIT
//
// The class that tests and examples drive from another process.
#ifndef REMOTEOBJ_TESTING_COUNTER_H_
#define REMOTEOBJ_TESTING_COUNTER_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "remoteobj/proxy/describe.h"

namespace app {

// [describe]
struct Config {
  int timeout = 3;
  std::string name;
};
REMOTEOBJ_DESCRIBE(Config, timeout, name)  // free-standing: works for types one cannot edit

class Counter {
 public:
  void Toggle(bool state = true) { on = state; }
  int Inc() { return ++count; }
  Counter& Chain() {
    ++count;
    return *this;
  }
  int Override() const { return 2; }

  int count = 0;
  bool on = false, stop = false;
  Config config;
  std::map<std::string, int> data{{"a", 5}};
  std::vector<int> another;
  std::optional<std::string> nickname;
};
REMOTEOBJ_DESCRIBE(Counter, Toggle, Inc, Chain, Override, count, on, stop, config, data, another,
                   nickname)
// [/describe]

}  // namespace app

#endif  // REMOTEOBJ_TESTING_COUNTER_H_
