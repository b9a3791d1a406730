// SPDX-License-Identifier: MIT
//
// Three workers take jobs from a queue of a manager, and put what they make of them into a
// dictionary. One of them is killed in the middle of a job; another one does it then.
//
//   tools/bazel run //examples:jobs
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "remoteobj/remoteobj.h"

namespace {

using std::cout;

// [work]
void Work(remoteobj::JoinableQueue<int> jobs, remoteobj::Dict<int, int> squares,
          remoteobj::Event unlucky) {
  for (;;) {
    const int job = jobs->get();
    if (job < 0) return jobs->task_done();
    // The first worker that gets this one is killed with it.
    if (job == 13 && !unlucky->is_set()) {
      unlucky->set();
      raise(SIGKILL);
    }
    squares[job] = job * job;
    jobs->task_done();  // until then the job is this worker's, and comes back if it dies
  }
}
// [/work]

}  // namespace

int main() {
  // [manager]
  constexpr int kJobs = 100;
  remoteobj::Manager manager;
  auto jobs = manager.JoinableQueue<int>();
  auto squares = manager.Dict<int, int>();
  auto unlucky = manager.Event();
  // [/manager]

  std::vector<std::unique_ptr<remoteobj::Process<void>>> workers;
  for (int i = 0; i < 3; ++i) {
    workers.push_back(std::make_unique<remoteobj::Process<void>>(
        remoteobj::ProcessOptions{.name = "worker", .raises = false}, Work, jobs, squares,
        unlucky));
  }
  for (int job = 0; job < kJobs; ++job) jobs->put(job);
  jobs->join();  // until each job is done

  for (int i = 0; i < 3; ++i) jobs->put(-1);
  int killed = 0;
  for (auto& worker : workers) {
    worker->Join();
    if (worker->exit_code() == -SIGKILL) ++killed;
  }
  int right = 0;
  for (const auto& [job, square] : squares->items()) right += square == job * job ? 1 : 0;
  cout << killed << " worker was killed\n";
  cout << right << " of " << kJobs << " jobs are done\n";
}
