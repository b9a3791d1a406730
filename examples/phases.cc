// SPDX-License-Identifier: MIT
//
// A worker that does its work in phases, each of which may fail. The errors are gathered by phase,
// wherever they happen; one that only matters to one phase ends there.
//
//   tools/bazel run //examples:phases
#include <iostream>
#include <stdexcept>
#include <string>

#include "remoteobj/remoteobj.h"

namespace {

using std::cout;

void Init() { cout << "init: ready" << std::endl; }

void Work(int item) {
  if (item % 2 != 0) throw std::invalid_argument("item " + std::to_string(item) + " is odd");
  cout << "work: did item " << item << std::endl;
}

void CleanUp() { throw std::runtime_error("the disk is full"); }

int Add(int x, int y) { return x + y; }

}  // namespace

int main() {
  // [phases]
  remoteobj::Except exc;  // before the processes part
  remoteobj::Process worker({.name = "worker"}, [&] {
    exc({.raises = false}, [&] {
      exc("init", [] { Init(); });  // an error would be recorded, and end all of it
      for (int item = 0; item < 4; ++item) {
        exc("work", {.raises = false}, [&] { Work(item); });  // is recorded, and we go on
      }
      exc("cleanup", [] { CleanUp(); });
    });
  });
  worker.Join();
  // [/phases]

  // [gathered]
  for (const remoteobj::RemoteError& e : exc) {  // in the order in which they happened
    cout << e.group() << ": " << e.type() << ": " << e.message() << "\n";
  }
  exc.RaiseAny("init");  // there is none
  try {
    exc.RaiseAny("work");
  } catch (const std::invalid_argument& e) {
    cout << "the last one at work: " << e.what() << "\n";
  }
  // [/gathered]
  cout << exc << "\n";

  // [wrap]
  auto add = exc.Wrap(Add);
  remoteobj::Process adder([&] { add(5, 6); });
  adder.Join();
  cout << "5 + 6 = " << *add.result() << "\n";
  // [/wrap]

  // [local]
  remoteobj::LocalExceptFor<std::invalid_argument, std::out_of_range> local({.raises = false});
  local([] { Work(7); });
  try {
    local([] { CleanUp(); });  // not one of these types
  } catch (const std::runtime_error& e) {
    cout << "passed through: " << e.what() << "\n";
  }
  cout << local << "\n";
  // [/local]
}
