// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/pool_workers.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/manager/internal/pool_calls.h"
#include "remoteobj/manager/pool.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/internal/evaluate.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/direct_call.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

// The owner sends it by sigqueue() to the supervisor, which then kills and reaps the processes. If
// the supervisor were killed, they would be left to process 1, which may not reap.
constexpr int kEnd = SIGTERM;

// Evaluates calls on a worker in this process.
class WorkerChannel final : public Channel {
  auto Handler() {
    return [this](const RequestReader& signed_request, OutcomeWriter& outcome) {
      EvaluateSigned(signed_request, pool_, used_, [&](const RequestReader& request) {
        proxy_internal::Evaluate(&worker_, proxy_internal::TypeOf<PoolWorker>(), request, outcome);
      });
    };
  }

 public:
  WorkerChannel(std::string_view pool, UsedNumbers& used) : pool_(pool), used_(used) {}

  void Call(WriteRequest write, ReadOutcome read, Deadline) override {
    CallDirectly(write, Handler(), read);
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline) override {
    return StartDirectly(write, Handler());
  }
  bool listening() override { return true; }
  pid_t listener_pid() override { return getpid(); }
  bool listening_here() override { return true; }
  bool WaitUntilListening(Deadline) override { return true; }

 private:
  const std::string_view pool_;
  UsedNumbers& used_;
  PoolWorker worker_;
};

// The supervisor: keeps `count` processes running until the pool ends, or its owner sends the
// signal. Yields once, when they have been started and the pool is kept, so that callers are told
// when this process ends.
Generator<int> Supervise(RelayProxy relay, std::string secret, int count, ProcessOptions options) {
  signal(SIGCHLD, SIG_DFL);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGCHLD, kEnd}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  relay->keep.Timeout(RelayProxy::kSoon)(secret);
  const std::string identity = IdentityOf(secret);
  UsedNumbers used;
  const auto work = [&] {
    WorkerChannel channel(identity, used);
    return Serve(relay, secret, channel);
  };
  int started = 0;
  const auto start = [&] {
    ProcessOptions one = options;
    one.name = absl::StrCat(options.name, "-", ++started);
    one.daemon = true;
    one.raises = false;
    return Process<bool>(std::move(one), work);
  };
  std::list<Process<bool>> workers;
  for (int i = 0; i < count; ++i) workers.push_back(start());
  co_yield count;
  // Pauses if a process ends at once, so as not to spin.
  constexpr absl::Duration kPause = absl::Milliseconds(100);
  Deadline next_start = Deadline::After(kPause);
  for (auto wanted = workers.size(); wanted > 0;) {
    for (auto at = workers.begin(); at != workers.end();) {
      if (!at->Join(absl::ZeroDuration())) {
        ++at;
        continue;
      }
      const bool over = at->result().value_or(false);
      if (over) --wanted;
      at = workers.erase(at);
    }
    absl::Duration pause = absl::InfiniteDuration();
    if (workers.size() < wanted) {
      pause = next_start.left();
      if (pause <= absl::ZeroDuration()) {
        next_start = Deadline::After(kPause);
        try {
          workers.push_back(start());
        } catch (const std::system_error&) {
          // No further process can be started now.
        }
        continue;
      }
    }
    const timespec limit = absl::ToTimespec(std::min(pause, absl::Hours(1)));
    siginfo_t signal = {};
    // Not a signal to the whole process group.
    if (sigtimedwait(&signals, &signal, &limit) == kEnd && signal.si_code == SI_QUEUE) break;
  }
  for (Process<bool>& worker : workers) worker.Kill();
  for (Process<bool>& worker : workers) worker.Join();
}

}  // namespace

class PoolWorkers::Impl {
 public:
  Impl(RelayProxy relay, std::string secret, int count, const ProcessOptions& options)
      : relay_(std::move(relay)),
        supervisor_(OptionsOf(options), Supervise, relay_, std::move(secret), count, options),
        kept_(supervisor_.result()) {
    if (kept_.begin() == kept_.end()) {
      supervisor_.errors().RaiseAny();
      throw NotListening("the processes of the pool could not be started");
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (owner_ != getpid()) return;
    try {
      relay_->terminate();
    } catch (const std::exception&) {  // The manager is gone.
    }
    try {
      constexpr absl::Duration kMost = absl::Seconds(5);
      if (sigqueue(supervisor_.pid(), kEnd, {}) == 0 && supervisor_.Join(kMost)) return;
      supervisor_.Kill();
    } catch (const std::exception&) {  // The way in which it ended does not matter.
    }
  }

 private:
  static ProcessOptions OptionsOf(const ProcessOptions& options) {
    if (options.start != Start::kFork) {
      throw std::invalid_argument(
          "the processes of a pool are forks: that is how they know its functions");
    }
    if ((options.sandbox & Sandbox::kNoNetwork) != Sandbox::kNone) {
      throw std::invalid_argument(
          "the processes of a pool connect to its manager: they can't have Sandbox::kNoNetwork");
    }
    return {.name = options.name, .daemon = true, .raises = false};
  }

  const pid_t owner_ = getpid();
  const RelayProxy relay_;
  Process<Generator<int>> supervisor_;
  Generator<int> kept_;
};

PoolWorkers::PoolWorkers(RelayProxy relay, std::string secret, int count,
                         const ProcessOptions& options)
    : impl_(std::make_unique<Impl>(std::move(relay), std::move(secret), count, options)) {}
PoolWorkers::~PoolWorkers() = default;

}  // namespace remoteobj::manager_internal
