// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/local_channel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/manager/server/entry.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/worker_pool.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::In;
using transport_internal::OutcomeIn;
using transport_internal::RequestOn;

class LocalAttachments final : public Attachments {
 public:
  explicit LocalAttachments(ObjectServer& server) : server_(server) {}
  // The caller keeps it alive.
  void Send(std::shared_ptr<Referent> referent) override {
    if (!server_.Has(*referent)) throw BadValue("a reference to an object of another manager");
  }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view) override {
    return server_.Find(id);
  }

 private:
  ObjectServer& server_;
};

// The states of a LocalCall. kItsTurn: the thread that waits for the call evaluates it.
enum State : std::uint32_t { kBegun, kItsTurn, kRunning, kDone };

class LocalCall final : public PendingCall {
 public:
  // `waits`: Finish() follows, and the call may run on this thread.
  LocalCall(ObjectServer& server, ClientId client, std::shared_ptr<Entry> entry, WriteRequest write,
            Deadline deadline, bool waits)
      : server_(server), state_(std::make_shared<std::atomic<std::uint32_t>>(kBegun)) {
    auto request = std::make_unique<HeapMessage>();
    {
      LocalAttachments attachments(server);
      const transport_internal::Attaching attaching(*request, attachments);
      write(RequestOn(*request, deadline));
    }
    const auto done = [state = state_] {
      state->store(kDone);
      transport_internal::FutexWakeAll(*state);
    };
    const auto turn = [state = state_] {
      std::uint32_t begun = kBegun;
      if (!state->compare_exchange_strong(begun, kItsTurn)) return false;
      transport_internal::FutexWakeAll(*state);
      return true;
    };
    call_ = server.Begin(client, std::move(entry), std::move(request), done,
                         waits ? Call::Turn(turn) : nullptr);
  }
  ~LocalCall() override {
    if (call_ == nullptr) return;
    call_->Cancel();
    // The calls that wait behind it go on.
    if (state_->exchange(kDone) == kItsTurn) server_.EvaluateHere(*call_);
  }

  bool ready() override { return call_ == nullptr || call_->finished(); }

  void Finish(ReadOutcome read, Deadline deadline) override {
    if (call_ == nullptr) throw std::logic_error("the outcome of this call was taken already");
    if (!call_->finished()) ServingAll::CheckMayBlock();
    std::optional<WorkerPool::Blocked> blocked;
    while (!call_->finished()) {
      std::uint32_t its_turn = kItsTurn;
      if (state_->compare_exchange_strong(its_turn, kRunning)) {
        blocked.reset();
        server_.EvaluateHere(*call_);
        continue;
      }
      // The calls before this one may wait for the thread that this call has.
      if (!blocked) blocked.emplace(server_.pool());
      // Wakes now and then to see if the server is being destroyed, since then nothing answers.
      constexpr absl::Duration kLook = absl::Milliseconds(200);
      const Deadline until = std::min({deadline, server_.NextTimeout(), Deadline::After(kLook)});
      transport_internal::FutexWait(*state_, kBegun, until.left());
      InterruptionPoint();
      server_.RunTimeouts();
      if (!call_->finished() && server_.closing()) {
        throw NotListening("the manager is shutting down");
      }
      if (!call_->finished() && deadline.expired()) {
        throw DeadlineExceeded("the outcome did not come in time");
      }
    }
    const std::shared_ptr<Call> call = std::exchange(call_, nullptr);
    LocalAttachments attachments(server_);
    In message = call->outcome().Read();
    message.attachments = &attachments;
    read(OutcomeIn(message));
    call->Received();
  }

 private:
  ObjectServer& server_;
  const std::shared_ptr<std::atomic<std::uint32_t>> state_;
  std::shared_ptr<Call> call_;
};

class LocalChannel final : public Channel {
 public:
  LocalChannel(ObjectServer& server, Entry& entry, ClientId client)
      : server_(server), entry_(entry), client_(client) {}

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    // A method can't be left at a deadline if it runs on this thread.
    const bool waits = deadline == Deadline::Never() && !ServingAll::active();
    LocalCall(server_, client_, entry_.shared_from_this(), write, deadline, waits)
        .Finish(read, deadline);
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override {
    return std::make_unique<LocalCall>(server_, client_, entry_.shared_from_this(), write, deadline,
                                       /*waits=*/false);
  }
  bool listening() override { return true; }
  pid_t listener_pid() override { return getpid(); }
  // Calls go through the server, not directly.
  bool listening_here() override { return false; }
  bool WaitUntilListening(Deadline) override { return true; }

 private:
  ObjectServer& server_;
  Entry& entry_;
  const ClientId client_;
};

}  // namespace

std::unique_ptr<Channel> NewLocalChannel(ObjectServer& server, Entry& entry, ClientId client) {
  return std::make_unique<LocalChannel>(server, entry, client);
}

}  // namespace remoteobj::manager_internal
