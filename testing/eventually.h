// SPDX-License-Identifier: MIT
//
// Waits until a condition holds that another thread or process brings about.
//
//   remoteobj_testing::Eventually("the client waits", [&] { return server.waiting() == 1; });
//   remoteobj_testing::AwaitAsleep(process.pid());
//
// The limit is a watchdog against hanging, not an expectation of how long it takes. It is below the
// 60 seconds of a small test.
//
// Threads:  any.
// Errors:   throws std::runtime_error, which names what was awaited, if the condition does not hold
//           within the limit. The exception fails a test, and ends a Forked child with a message.
#ifndef REMOTEOBJ_TESTING_EVENTUALLY_H_
#define REMOTEOBJ_TESTING_EVENTUALLY_H_

#include <sys/types.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj_testing {

// Returns false if the condition does not hold within the limit. Looks every millisecond.
template <typename Condition>
[[nodiscard]] bool TryEventually(Condition&& condition, absl::Duration limit = absl::Seconds(30),
                                 absl::Duration pause = absl::Milliseconds(1)) {
  const auto end = remoteobj::Deadline::After(limit);
  while (!condition()) {
    if (end.expired()) return false;
    absl::SleepFor(pause);
  }
  return true;
}

template <typename Condition>
void Eventually(std::string_view what, Condition&& condition,
                absl::Duration limit = absl::Seconds(30),
                absl::Duration pause = absl::Milliseconds(1)) {
  if (TryEventually(condition, limit, pause)) return;
  throw std::runtime_error(
      absl::StrCat("waited ", absl::FormatDuration(limit), " in vain until ", std::string(what)));
}

// Waits until a thread sleeps in the kernel; for a process, its main thread. It must be seen asleep
// three times in a row, so that a short sleep on the way to the awaited one does not count. Source:
// proc(5), /proc/pid/stat.
inline void AwaitAsleep(pid_t thread) {
  int seen = 0;
  Eventually("thread " + std::to_string(thread) + " sleeps", [&] {
    std::ifstream file("/proc/" + std::to_string(thread) + "/stat");
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    // The state follows the name, which ends at the last parenthesis.
    const std::size_t name_end = stat.rfind(") ");
    const bool asleep = name_end != std::string::npos && stat[name_end + 2] == 'S';
    seen = asleep ? seen + 1 : 0;
    return seen == 3;
  });
}

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_EVENTUALLY_H_
