// SPDX-License-Identifier: MIT
//
// The smallest whole program.
//
//   tools/bazel run //examples:hello
// [example]
#include <iostream>

#include "remoteobj/remoteobj.h"

struct Counter {
  int Inc() { return ++count; }
  int count = 0;
};
REMOTEOBJ_DESCRIBE(Counter, Inc, count)

int main() {
  Counter counter;
  remoteobj::Proxy<Counter> remote(counter);  // before the processes part

  remoteobj::Process worker([&] {
    auto listening = remote.Listen();
    while (counter.count < 10) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(worker);

  std::cout << remote->Inc() << "\n";              // 1: evaluated in the worker
  remote->count = 9;                               // sets the worker's
  std::cout << remote->Inc() << "\n";              // 10
  std::cout << "here: " << counter.count << "\n";  // 0: this process has its own
  worker.Join();                                   // throws if it failed
}
// [/example]
