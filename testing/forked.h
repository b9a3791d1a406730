// SPDX-License-Identifier: MIT
//
// A forked child for tests, which cannot outlive them or be forgotten.
//
//   remoteobj_testing::Forked child([&] { … });       // _exits with 0 when the function returns
//   child.Kill();                                     // SIGKILL, and reaps
//   EXPECT_EQ(child.Wait(), 0);                       // the exit code, or minus the signal
//
// Threads:  thread-compatible.
// Lifetime: the destructor kills and reaps; the child also dies with its parent.
#ifndef REMOTEOBJ_TESTING_FORKED_H_
#define REMOTEOBJ_TESTING_FORKED_H_

#include <sys/types.h>

#include <functional>

namespace remoteobj_testing {

class Forked {
 public:
  // A function that throws ends the child with 1, and says on stderr what it threw.
  explicit Forked(const std::function<void()>& body);
  ~Forked();
  Forked(const Forked&) = delete;
  Forked& operator=(const Forked&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  int Kill();
  // The exit code, or minus the signal. Waits for the end.
  int Wait();

 private:
  pid_t pid_ = 0;
  bool reaped_ = false;
  int status_ = 0;
};

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_FORKED_H_
