// SPDX-License-Identifier: MIT
//
// Drives an object that lives in another process, and prints what was called and what came back.
//
//   tools/bazel run //examples:counter
#include <cstdlib>
#include <iostream>
#include <mutex>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "remoteobj/remoteobj.h"

namespace app {

// Counts, while it is on.
// [describe]
class Counter {
 public:
  void Toggle(bool state = true) { on = state; }
  int count = 0;
  bool on = false, stop = false;
};
REMOTEOBJ_DESCRIBE(Counter, Toggle, count, on, stop)
// [/describe]

}  // namespace app

namespace {

using std::cout;

int wrong = 0;

// Says whether what must hold does.
void Check(bool holds, const char* what) {
  cout << (holds ? "  as it should be: " : "  WRONG, this does not hold: ") << what << "\n";
  wrong += !holds;
}

// Reads the count, and again after half a second, or later if it has not changed by then but
// should: on a busy machine the other process may have had no turn.
bool Counts(const remoteobj::Proxy<app::Counter>& remote, bool should) {
  const int before = remote->count.Get();
  cout << "remote->count.Get()         -> " << before << "\n";
  int after;
  do {
    absl::SleepFor(absl::Milliseconds(500));
    after = *remote->count;  // The same, shorter.
  } while (should && after == before);
  cout << "*remote->count, later       -> " << after << "\n";
  return after > before;
}

}  // namespace

int main() {
  cout << std::boolalpha;
  // [example]
  app::Counter counter;
  remoteobj::Proxy<app::Counter> remote(counter);  // made before the process starts
  remoteobj::Process worker({.name = "counter"}, [&] {
    auto listening = remote.ListenInBackground();  // a thread answers until the scope ends
    while (remote.listening()) {
      {
        std::scoped_lock lock(remote);  // excludes remote evaluation
        if (counter.stop) break;
        if (counter.on) ++counter.count;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
  });
  remote.WaitUntilListening(worker);  // throws if the process dies first
  // [/example]
  cout << "remote                      -> " << remote << "\n";
  cout << "remote.listening()          -> " << remote.listening() << "\n\n";

  cout << "remote->Toggle(true)\n";
  remote->Toggle(true);
  Check(Counts(remote, true), "the counter is on, and counts");

  cout << "\nremote->Toggle(false)\n";
  remote->Toggle(false);
  Check(!Counts(remote, false), "the counter is off, and stays where it is");

  cout << "\nremote->Toggle()               // its default argument is true\n";
  remote->Toggle();
  Check(Counts(remote, true), "it counts again");

  cout << "\ncounter.count, in this process -> " << counter.count << "\n";
  Check(counter.count == 0, "all this happened to the other process's object");

  cout << "\nremote->stop = true\n";
  remote->stop = true;
  worker.Join();
  cout << "worker.Join()               -> exit code " << worker.exit_code().value_or(-1) << "\n";
  cout << "remote                      -> " << remote << "\n";
  cout << "remote->count.GetOr(-1)     -> " << remote->count.GetOr(-1) << "\n";
  Check(!remote.listening(), "nobody listens any more, and a call says so at once");
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
