// SPDX-License-Identifier: MIT
#include "remoteobj/transport/in_process_channel_testing.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/direct_call.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/cond_var.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::CondVar;
using transport_internal::EvaluateDirectly;
using transport_internal::HeapMessage;
using transport_internal::RequestOn;

enum class Phase { kRequested, kTaken, kDone, kRefused };

struct CallState {
  HeapMessage request;              // Written before it is queued.
  HeapMessage outcome;              // Written between kTaken and kDone.
  Phase phase = Phase::kRequested;  // Guarded by the channel's mutex.
  CondVar changed;                  // The phase is kDone or kRefused.
  Deadline deadline = Deadline::Never();
};

class InProcessChannelImpl final : public InProcessChannel, public Listener {
 public:
  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    Start(write, deadline)->Finish(read, deadline);
  }

  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override;

  bool listening() override {
    absl::MutexLock lock(&mutex_);
    return open_;
  }
  bool listening_here() override { return listening(); }
  pid_t listener_pid() override { return listening() ? getpid() : 0; }
  bool WaitUntilListening(Deadline deadline) override {
    absl::MutexLock lock(&mutex_);
    return Await(opened_, deadline,
                 [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_; });
  }

  Listener& listener() override { return *this; }

  void Open() override {
    absl::MutexLock lock(&mutex_);
    if (open_) throw std::logic_error("this channel has a listener already");
    open_ = true;
    wake_ = false;
    opened_.NotifyAll();
  }

  bool is_open() override { return listening(); }

  bool Serve(Handler handler, Deadline deadline) override {
    std::shared_ptr<CallState> call;
    {
      absl::MutexLock lock(&mutex_);
      Await(work_, deadline,
            [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return wake_ || !queue_.empty(); });
      if (queue_.empty()) {
        wake_ = false;
        return false;
      }
      call = std::move(queue_.front());
      queue_.pop_front();
      call->phase = Phase::kTaken;
    }
    Answer(*call, handler);
    return true;
  }

  void Wake() override {
    absl::MutexLock lock(&mutex_);
    wake_ = true;
    work_.NotifyAll();
  }

  void Close(Final final, Handler handler) override {
    std::deque<std::shared_ptr<CallState>> last;
    {
      absl::MutexLock lock(&mutex_);
      open_ = false;
      last.swap(queue_);
      for (auto& call : last) {
        call->phase = final == Final::kFulfill ? Phase::kTaken : Phase::kRefused;
        call->changed.NotifyAll();
      }
    }
    if (final == Final::kRefuse) return;
    for (auto& call : last) Answer(*call, handler);
  }

  // Waits for the outcome of `call`. Throws DeadlineExceeded.
  void AwaitOutcome(CallState& call, Deadline deadline) {
    absl::MutexLock lock(&mutex_);
    const auto answered = [&call] {
      return call.phase == Phase::kDone || call.phase == Phase::kRefused;
    };
    if (!Await(call.changed, deadline, answered)) {
      throw DeadlineExceeded("the outcome did not come in time");
    }
  }

  Phase PhaseOf(const CallState& call) {
    absl::MutexLock lock(&mutex_);
    return call.phase;
  }

  // Withdraws a call that is not yet taken.
  void Withdraw(const std::shared_ptr<CallState>& call) {
    absl::MutexLock lock(&mutex_);
    queue_.erase(std::remove(queue_.begin(), queue_.end(), call), queue_.end());
  }

 private:
  // Returns false if `condition` is not true at the deadline.
  bool Await(CondVar& changed, Deadline deadline, absl::FunctionRef<bool()> condition)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!condition()) {
      if (deadline.expired()) return false;
      changed.Wait(mutex_, deadline);
      InterruptionPoint();
    }
    return true;
  }

  void Answer(CallState& call, Handler handler) {
    if (!call.deadline.expired()) {
      try {
        EvaluateDirectly(call.request, handler, call.outcome);
      } catch (...) {
        if (transport_internal::ThreadEnds()) Done(call);
        throw;
      }
    } else {
      Access::Outcome(call.outcome)
          .Error({.type = "remoteobj::DeadlineExceeded", .message = "the request came too late"});
    }
    Done(call);
  }

  void Done(CallState& call) {
    absl::MutexLock lock(&mutex_);
    call.phase = Phase::kDone;
    call.changed.NotifyAll();
  }

  absl::Mutex mutex_;
  CondVar opened_;
  CondVar work_;  // A call has come, or Wake().
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  bool wake_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::shared_ptr<CallState>> queue_ ABSL_GUARDED_BY(mutex_);
};

class InProcessPendingCall final : public PendingCall {
 public:
  InProcessPendingCall(InProcessChannelImpl& channel, std::shared_ptr<CallState> call)
      : channel_(channel), call_(std::move(call)) {}
  ~InProcessPendingCall() override {
    if (call_ != nullptr) channel_.Withdraw(call_);
  }

  bool ready() override {
    if (call_ == nullptr) return true;
    const Phase phase = channel_.PhaseOf(*call_);
    return phase == Phase::kDone || phase == Phase::kRefused;
  }

  void Finish(ReadOutcome read, Deadline deadline) override {
    if (call_ == nullptr) throw std::logic_error("this call was finished already");
    channel_.AwaitOutcome(*call_, deadline);
    const std::shared_ptr<CallState> call = std::exchange(call_, nullptr);
    if (channel_.PhaseOf(*call) == Phase::kRefused) {
      throw NotListening(
          "the listener closed before it evaluated the call (call again when a process listens)");
    }
    transport_internal::ReadDirectly(call->outcome, read);
  }

 private:
  InProcessChannelImpl& channel_;
  std::shared_ptr<CallState> call_;
};

std::unique_ptr<PendingCall> InProcessChannelImpl::Start(WriteRequest write, Deadline deadline) {
  auto call = std::make_shared<CallState>();
  call->deadline = deadline;
  write(RequestOn(call->request, deadline));
  absl::MutexLock lock(&mutex_);
  if (!open_) throw NotListening("no thread listens");
  queue_.push_back(call);
  work_.NotifyAll();
  return std::make_unique<InProcessPendingCall>(*this, std::move(call));
}

}  // namespace

std::shared_ptr<InProcessChannel> InProcessChannel::Create() {
  return std::make_shared<InProcessChannelImpl>();
}

}  // namespace remoteobj
