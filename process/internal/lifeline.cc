// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <mutex>
#include <system_error>
#include <vector>

#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj::process_internal {
namespace {

using transport_internal::OwnDescriptor;

struct LifelinesMutex;
// All Lifelines of this process. Guarded by the mutex.
std::vector<Lifeline*>& Lifelines() {
  return transport_internal::MadeOnce([] { return new std::vector<Lifeline*>; });
}

// The Lifeline whose Fork() is running on this thread.
constinit thread_local const Lifeline* kept_in_child = nullptr;

}  // namespace

const int Lifeline::closed_in_child_ = pthread_atfork(nullptr, nullptr, &CloseInChild);

// In the child; the mutex was free at the fork.
void Lifeline::CloseInChild() {
  for (Lifeline* const lifeline : Lifelines()) {
    lifeline->write_.Close();
    if (lifeline != kept_in_child) lifeline->read_.Close();
  }
  Lifelines().clear();
}

Lifeline::Lifeline() {
  const std::scoped_lock lock(transport_internal::ForkSafeMutex<LifelinesMutex>());
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) == 0) {
    read_ = OwnDescriptor(ends[0]);
    write_ = OwnDescriptor(ends[1]);
    if (write_.get() < read_.get()) {
      write_ = OwnDescriptor(fcntl(write_.get(), F_DUPFD_CLOEXEC, read_.get() + 1));
    }
  }
  if (read_.get() < 0 || write_.get() < 0) {
    throw std::system_error(errno, std::generic_category(), "remoteobj: pipe of a daemon");
  }
  Lifelines().push_back(this);
}

Lifeline::~Lifeline() {
  const std::scoped_lock lock(transport_internal::ForkSafeMutex<LifelinesMutex>());
  std::erase(Lifelines(), this);
  write_.Close();
  read_.Close();
}

pid_t Lifeline::Fork() const {
  kept_in_child = this;
  const pid_t pid = fork();
  kept_in_child = nullptr;
  return pid;
}

void EndWithParent(int lifeline) {
  if (fcntl(lifeline, F_SETSIG, SIGKILL) != 0 || fcntl(lifeline, F_SETOWN, getpid()) != 0 ||
      fcntl(lifeline, F_SETFL, O_ASYNC) != 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // A weaker substitute.
  }
  // The parent may have ended before that.
  pollfd ended{.fd = lifeline, .events = POLLIN, .revents = 0};
  if (poll(&ended, 1, 0) > 0 && (ended.revents & POLLHUP) != 0) raise(SIGKILL);
}

}  // namespace remoteobj::process_internal
