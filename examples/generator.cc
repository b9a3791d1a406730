// SPDX-License-Identifier: MIT
//
// A function that yields values in a process of its own, until something goes wrong there. Its
// values arrive here, then its exception, as its own type.
//
//   tools/bazel run //examples:generator
#include <iostream>
#include <stdexcept>

#include "remoteobj/remoteobj.h"

namespace {

using std::cout;

// [function]
remoteobj::Generator<int> Numbers() {
  for (int i = 0; i < 4; ++i) co_yield i;
  throw std::out_of_range("woah!!");
}
// [/function]

remoteobj::Generator<int> Endless() {
  for (int i = 0;; ++i) co_yield i;
}

}  // namespace

int main() {
  // [loop]
  remoteobj::Process numbers(Numbers);  // its name is "Numbers-1"
  try {
    for (int i : numbers.result()) cout << i << "\n";  // as they come
  } catch (const std::out_of_range& e) {
    cout << e.what() << "\n";  // woah!!
    const remoteobj::RemoteError* error = remoteobj::RemoteErrorOf(e);
    cout << error->type() << " in " << error->process() << "\n";
  }
  // [/loop]

  // [early]
  remoteobj::Process endless(Endless);
  for (int i : endless.result()) {
    if (i == 3) break;  // tells it to stop
  }
  endless.Join();  // throws nothing: it ended as it was asked to
  // [/early]
  cout << "stopped, with exit code " << *endless.exit_code() << "\n";
}
