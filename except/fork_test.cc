// SPDX-License-Identifier: MIT
//
// A fork finds every lock free, whatever the other threads of its parent are at.
#include <signal.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/internal/child_end.h"
#include "remoteobj/transport/internal/identity.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;

constexpr int kForks = 2000;
constexpr absl::Duration kWatchdog = absl::Seconds(30);

// Threads that do something over and over.
class Meanwhile {
 public:
  explicit Meanwhile(const std::vector<std::function<void()>>& all) {
    for (const std::function<void()>& one : all) {
      threads_.emplace_back([one](const std::stop_token& stop) {
        while (!stop.stop_requested()) one();
      });
    }
  }

 private:
  std::vector<std::jthread> threads_;
};

// False if it hangs.
bool Ends(Forked& child) {
  const auto ended = [&] { return transport_internal::PeekChild(child.pid()).has_value(); };
  return remoteobj_testing::TryEventually(ended, kWatchdog, absl::Microseconds(50));
}

void CaptureOne() {
  try {
    throw std::out_of_range("captured");
  } catch (...) {
    CaptureCurrentException();
  }
}

// Each process is new, so that the library's first use in one of its threads is under way while
// another one forks. The first test, since what has been used is in use in all forks.
TEST(ForkTest, AnErrorIsRecordedInAChildOfThreadsThatRecordTheirFirst) {
  for (int i = 0; i < kForks / 4; ++i) {
    Forked process([] {
      const Except shared({.raises = false});
      const auto record = [&] {
        CaptureOne();
        shared([] { throw std::out_of_range("recorded"); });
      };
      const Meanwhile meanwhile({record, record});
      Forked child(record);
      if (!Ends(child)) throw std::runtime_error("the child hangs");
      if (child.Wait() != 0) throw std::runtime_error("the child fails");
    });
    ASSERT_EQ(process.Wait(), 0) << "process " << i;
  }
}

// The wall clock of Abseil is read under a lock.
TEST(ForkTest, AnErrorIsRecordedInAChildOfThreadsThatReadTheClockAndRecordErrors) {
  const Except shared({.raises = false});
  const LocalExcept local({.raises = false});
  const auto fail = [] { throw std::out_of_range("recorded"); };
  const Meanwhile meanwhile({
      [] { absl::Now(); },
      [] { absl::Now(); },
      [] { CaptureOne(); },
      [&] {
        for (int i = 0; i < 50; ++i) {
          shared("parent", fail);
          local("parent", fail);
        }
        shared.Clear();
        local.Clear();
      },
  });
  for (int i = 0; i < kForks; ++i) {
    Forked child([&] {
      CaptureOne();
      shared("child", fail);
      local("child", fail);
      if (local.size() == 0) throw std::runtime_error("nothing was recorded");
    });
    ASSERT_TRUE(Ends(child)) << "fork " << i << " hangs";
    ASSERT_EQ(child.Wait(), 0);
  }
}

// Some builds of Abseil look for deadlocks, under a lock that all mutexes share.
TEST(ForkTest, AMutexOfAbseilWorksInAChildOfThreadsThatLockOthers) {
  transport_internal::Self();  // A process that uses the library.
  const auto lock_two = [] {
    absl::Mutex one, other;
    const absl::MutexLock first(&one);
    const absl::MutexLock second(&other);
  };
  const Meanwhile meanwhile({lock_two, lock_two, lock_two, lock_two});
  for (int i = 0; i < kForks / 10; ++i) {
    Forked child(lock_two);
    ASSERT_TRUE(Ends(child)) << "fork " << i << " hangs";
    ASSERT_EQ(child.Wait(), 0);
  }
}

}  // namespace
}  // namespace remoteobj
