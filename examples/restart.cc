// SPDX-License-Identifier: MIT
//
// A worker that crashes, and another one that goes on where it was. The results from before the
// crash have arrived, and its owner learns how it died.
//
//   tools/bazel run //examples:restart
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "remoteobj/remoteobj.h"

namespace {

using std::cout;

// [work]
std::string Convert(const std::string& file) {
  if (file == "broken.png") raise(SIGKILL);  // such as happens to who takes too much memory
  if (file == "odd.png") std::_Exit(3);      // a library that thinks the program is its own
  return file + " is converted";
}

remoteobj::Generator<std::string> Work(std::vector<std::string> files, std::size_t next) {
  for (; next < files.size(); ++next) co_yield Convert(files[next]);
}
// [/work]

}  // namespace

int main() {
  const std::vector<std::string> files = {"a.png", "b.png", "broken.png", "c.png", "odd.png"};
  // [restart]
  for (std::size_t next = 0; next < files.size();) {
    remoteobj::Process worker({.name = "worker"}, Work, files, next);
    try {
      for (const std::string& done : worker.result()) {
        cout << done << "\n";
        ++next;
      }
    } catch (const remoteobj::ProcessDied& e) {
      cout << e.what() << "\n";  // process worker (pid 123) was ended by signal 9 (Killed), …
      cout << "leaving " << files[next++] << " out\n";
    }
  }
  // [/restart]
}
