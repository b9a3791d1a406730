// SPDX-License-Identifier: MIT
//
// The leader decides to leave, finds the queue empty, and gives up the lead in one critical
// section. So work that is posted while a thread leads is always run by that thread: it came before
// that section, and the leader runs it; or after it, and its sender sees that nobody leads.
#include "remoteobj/transport/rpc/internal/leader_followers.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "remoteobj/transport/interruption.h"

namespace remoteobj::transport_internal {
namespace {

// How soon a leader notices that it was interrupted. A follower is woken by the interruption.
constexpr absl::Duration kInterruptionSlice = absl::Milliseconds(20);

}  // namespace

// Releases the mutex for its own lifetime.
class LeaderFollowers::Unlocked {
 public:
  explicit Unlocked(Lock& lock) : lock_(lock) { lock_.unlock(); }
  ~Unlocked() { lock_.lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  Lock& lock_;
};

LeaderFollowers::~LeaderFollowers() {
  if (!of_this_process()) static_cast<void>(new std::vector<Work>(std::move(posted_)));
}

void LeaderFollowers::CheckProcess() const {
  if (!of_this_process())
    throw std::logic_error("this call was begun by another process: a fork can't wait for it");
}

void LeaderFollowers::Post(Work work) {
  const std::scoped_lock lock(mutex_);
  PostLocked(std::move(work));
}

void LeaderFollowers::PostLocked(Work work) {
  posted_.push_back(std::move(work));
  if (leading_) loop_.Wake();
}

void LeaderFollowers::RunUntil(Condition done, Deadline deadline) {
  CheckProcess();
  Lock lock(mutex_);
  RunUntilLocked(lock, nullptr, done, deadline);
}

void LeaderFollowers::RunUntilLocked(Lock& lock, Own own, Condition done, Deadline deadline) {
  while (!done() && !ended()) {
    if (leading_) {
      changed_.Wait(lock, deadline);
    } else {
      Lead(lock, std::exchange(own, nullptr), done, deadline);
    }
    if (deadline.expired() || Interrupted()) return;
  }
}

// REQUIRES: the mutex is held and no thread leads.
void LeaderFollowers::Lead(Lock& lock, Own own, Condition done, Deadline deadline) {
  // The mutex is held when this is destroyed, also after an exception.
  struct Resignation {
    ~Resignation() {
      threads.leading_ = false;
      threads.changed_.NotifyAll();
    }
    LeaderFollowers& threads;
  };
  leading_ = true;
  const Resignation resign{*this};
  loop_.Enter([&] {
    for (bool expired = false;;) {
      std::vector<Work> posted = std::exchange(posted_, {});
      {
        const Unlocked unlocked(lock);
        RunReady(std::move(posted), std::exchange(own, nullptr));
      }
      const bool leave = done() || ended() || expired || Interrupted();
      if (!posted_.empty() && !ended()) continue;
      if (leave) return;
      {
        const Unlocked unlocked(lock);
        absl::Duration timeout = std::clamp(deadline.left(), absl::ZeroDuration(), absl::Hours(1));
        if (interruption != nullptr) timeout = std::min(timeout, kInterruptionSlice);
        loop_.Sleep(timeout);
        // Events that came just before the deadline are run once more.
        expired = deadline.expired();
      }
    }
  });
}

// The senders of work that throws would wait for ever, so it ends the loop for all of them.
void LeaderFollowers::RunReady(std::vector<Work> posted, Own own) {
  bool failed = false;
  const auto run = [&failed](const auto& work) {
    try {
      work();
    } catch (...) {
      failed = true;
    }
  };
  for (const Work& work : posted) run(work);
  if (own != nullptr) run(*own);
  if (!loop_.RunReady() || failed) ended_.store(true);
}

void LeaderFollowers::Flush() noexcept {
  try {
    RunUntil([] { return false; }, Deadline::Passed());
  } catch (...) {
    // This thread can't enter the loop: the next leader runs the work.
  }
}

void LeaderFollowers::Update(absl::FunctionRef<void()> change) {
  const std::scoped_lock lock(mutex_);
  change();
  changed_.NotifyAll();
}

bool LeaderFollowers::Check(Condition condition) {
  CheckProcess();
  const std::scoped_lock lock(mutex_);
  return condition();
}

}  // namespace remoteobj::transport_internal
