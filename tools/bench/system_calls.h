// SPDX-License-Identifier: MIT
//
// How many system calls processes make. Counted by ptrace, which needs no rights for one's own
// children, and costs nothing where there is no system call. Not among them: clock_gettime, which
// elsewhere is none, and sched_yield, of a side that waits for what takes longer than a moment.
//
//   SystemCalls counted;
//   counted.Trace([&] { for (;;) Serve(); });
//   counted.Trace([&] {
//     const std::int64_t before = counted.count();
//     remote->Inc();
//     … counted.count() - before …   // of all processes that are traced
//   });
//   ASSERT_TRUE(counted.Run());      // until the last one that was begun ends
//
// Threads:  for programs that have one thread.
#ifndef REMOTEOBJ_TOOLS_BENCH_SYSTEM_CALLS_H_
#define REMOTEOBJ_TOOLS_BENCH_SYSTEM_CALLS_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace bench {

class SystemCalls {
 public:
  SystemCalls();
  // Kills and reaps those that run.
  ~SystemCalls();
  SystemCalls(const SystemCalls&) = delete;
  SystemCalls& operator=(const SystemCalls&) = delete;

  // Forks a process, which begins in Run().
  pid_t Trace(const std::function<void()>& body);
  // False if the kernel lets nobody trace, or if the last process fails.
  bool Run();

  // So far, in all processes. To be asked in one of them. Reading the clock does not count: where
  // the machine's clock can't be read without the kernel, it is a system call.
  std::int64_t count() const { return shared_->count.load(); }
  // The last one's number.
  long last() const { return shared_->last.load(); }

 private:
  struct Shared {
    std::atomic<std::int64_t> count{0};
    std::atomic<long> last{0};
  };

  Shared* shared_;
  std::vector<pid_t> processes_;
};

}  // namespace bench

#endif  // REMOTEOBJ_TOOLS_BENCH_SYSTEM_CALLS_H_
