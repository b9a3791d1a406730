// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/rpc_channel_testing.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/cond_var.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/rpc_server.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::ForkSafeMutex;
using transport_internal::HeapMessage;
using transport_internal::In;
using transport_internal::PeerInfo;
using transport_internal::RpcAnswer;
using transport_internal::RpcServer;
using transport_internal::RpcService;
using transport_internal::RpcSession;

// A request in the queue, and its outcome.
struct Queued {
  std::unique_ptr<HeapMessage> request;
  HeapMessage outcome;
  std::function<void()> done;  // Guarded by the queue's mutex, as what follows.
  bool ready = false;
  bool refused = false;
  bool given_up = false;
};

// Requests that have arrived, between the thread that receives them and the one that serves.
class Queue final : public RpcService {
 public:
  std::unique_ptr<RpcSession> Connected(const PeerInfo&) override;

  bool Serve(Listener::Handler handler, Deadline deadline) {
    std::shared_ptr<Queued> call;
    {
      const absl::MutexLock lock(&mutex_);
      while (!wake_ && calls_.empty() && !deadline.expired()) {
        work_.Wait(mutex_, deadline);
        InterruptionPoint();
      }
      if (calls_.empty()) {
        wake_ = false;
        return false;
      }
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    Answer(call, handler);
    return true;
  }
  void Wake() {
    const absl::MutexLock lock(&mutex_);
    wake_ = true;
    work_.NotifyAll();
  }
  // Requests that arrive later are refused.
  void Close(Final final, Listener::Handler handler) {
    std::deque<std::shared_ptr<Queued>> last;
    {
      const absl::MutexLock lock(&mutex_);
      closed_ = true;
      last.swap(calls_);
    }
    for (const std::shared_ptr<Queued>& call : last) {
      if (final == Final::kFulfill) {
        Answer(call, handler);
      } else {
        call->refused = true;
        Finish(call);
      }
    }
  }

  std::shared_ptr<Queued> Add(std::unique_ptr<HeapMessage> request, std::function<void()> done) {
    auto call = std::make_shared<Queued>();
    call->request = std::move(request);
    const absl::MutexLock lock(&mutex_);
    if (closed_) {
      call->ready = call->refused = true;
    } else {
      call->done = std::move(done);
      calls_.push_back(call);
      work_.NotifyAll();
    }
    return call;
  }
  void GiveUp(Queued& call) {
    const absl::MutexLock lock(&mutex_);
    call.given_up = true;
    call.done = nullptr;
  }
  bool ready(Queued& call) {
    const absl::MutexLock lock(&mutex_);
    return call.ready;
  }

 private:
  void Answer(const std::shared_ptr<Queued>& call, Listener::Handler handler) {
    OutcomeWriter outcome = Access::Outcome(call->outcome);
    try {
      In in = call->request->Read();
      const RequestReader request = transport_internal::RequestIn(in);
      bool given_up;
      {
        const absl::MutexLock lock(&mutex_);
        given_up = call->given_up;
      }
      if (given_up || request.deadline().expired()) {
        outcome.Error(
            {.type = "remoteobj::DeadlineExceeded", .message = "the request came too late"});
      } else {
        handler(request, outcome);
      }
    } catch (const BadValue& e) {
      outcome.Error({.type = "remoteobj::BadValue", .message = e.what()});
    } catch (...) {
      if (transport_internal::ThreadEnds()) {
        outcome.Error(transport_internal::EvaluatingThreadEnded());
        Finish(call);
      }
      throw;
    }
    if (call->outcome.used() == 0) outcome.Value().Null();
    Finish(call);
  }
  void Finish(const std::shared_ptr<Queued>& call) {
    const absl::MutexLock lock(&mutex_);
    call->ready = true;
    if (call->done != nullptr) std::exchange(call->done, nullptr)();
  }

  absl::Mutex mutex_;
  transport_internal::CondVar work_;  // A call has come, or Wake().
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool wake_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::shared_ptr<Queued>> calls_ ABSL_GUARDED_BY(mutex_);
};

class QueueAnswer final : public RpcAnswer {
 public:
  QueueAnswer(Queue& queue, std::shared_ptr<Queued> call) : queue_(queue), call_(std::move(call)) {}
  ~QueueAnswer() override { queue_.GiveUp(*call_); }
  bool ready() override { return queue_.ready(*call_); }
  bool refused() override { return call_->refused; }
  HeapMessage& outcome() override { return call_->outcome; }
  const std::vector<std::shared_ptr<Referent>>& references() override { return none_; }
  bool hands_over() override { return false; }
  void Received() override {}

 private:
  Queue& queue_;
  const std::shared_ptr<Queued> call_;
  const std::vector<std::shared_ptr<Referent>> none_;
};

// The one object that there is.
class Target final : public Referent {
 public:
  Target() : Referent(0, "") {}
  Channel& channel() override { throw std::logic_error("a listener does not call itself"); }
};

class QueueSession final : public RpcSession {
 public:
  explicit QueueSession(Queue& queue) : queue_(queue) {}
  std::shared_ptr<Referent> Find(std::uint64_t id) override {
    if (id != 0) throw StaleReference("there is one object only");
    return std::make_shared<Target>();
  }
  std::unique_ptr<RpcAnswer> Begin(const std::shared_ptr<Referent>&,
                                   std::unique_ptr<HeapMessage> request,
                                   std::function<void()> done) override {
    return std::make_unique<QueueAnswer>(queue_, queue_.Add(std::move(request), std::move(done)));
  }
  std::unique_ptr<RpcAnswer> TryNow(const RequestReader&) override { return nullptr; }

 private:
  Queue& queue_;
};

std::unique_ptr<RpcSession> Queue::Connected(const PeerInfo&) {
  return std::make_unique<QueueSession>(*this);
}

class RpcChannelImpl final : public RpcChannel, public Listener {
 public:
  explicit RpcChannelImpl(Options options)
      : options_(std::move(options)),
        client_(
            std::make_shared<transport_internal::RpcClient>(transport_internal::RpcClientOptions{
                .address = options_.address, .key = options_.key, .shared_memory = false})) {}
  ~RpcChannelImpl() override {
    if (is_open()) Close(Final::kRefuse, [](const RequestReader&, OutcomeWriter&) {});
    Leak(std::move(open_));  // In a fork its parent's.
  }

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    object(deadline)->channel().Call(write, read, deadline);
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override {
    return object(deadline)->channel().Start(write, deadline);
  }
  bool listening() override { return client_->Ping(Deadline::After(absl::Seconds(5))); }
  pid_t listener_pid() override { return listening() ? client_->server_pid() : 0; }
  bool listening_here() override { return is_open(); }
  bool WaitUntilListening(Deadline deadline) override {
    while (!listening()) {
      if (deadline.expired()) return false;
      absl::SleepFor(absl::Milliseconds(2));
    }
    return true;
  }

  Listener& listener() override { return *this; }

  void Open() override {
    if (is_open()) throw std::logic_error("this channel has a listener already");
    auto open = std::make_shared<OpenEnd>();
    try {
      open->server = std::make_unique<RpcServer>(
          open->queue,
          transport_internal::RpcServerOptions{
              .address = options_.address, .key = options_.key, .shared_memory = false});
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::address_in_use) throw;
      throw std::logic_error(absl::StrCat("this channel has a listener already: ", e.what()));
    }
    open->thread = std::thread([server = open->server.get()] { server->Run(); });
    SwapOpen(open);
    opener_.store(getpid());
    Leak(std::move(open));  // In a fork its parent's, if it had one.
  }
  bool is_open() override { return opener_.load() == getpid(); }
  bool Serve(Handler handler, Deadline deadline) override {
    return open_->queue.Serve(handler, deadline);
  }
  void Wake() override {
    if (!is_open()) return;
    std::shared_ptr<OpenEnd> open;
    {
      const std::scoped_lock lock(ForkSafeMutex<Mutex>());
      open = open_;
    }
    if (open != nullptr) open->queue.Wake();
  }
  void Close(Final final, Handler handler) override {
    if (!is_open()) return;
    open_->server->Sync();  // All earlier calls have arrived.
    open_->queue.Close(final, handler);
    open_->server->Stop();
    open_->thread.join();
    opener_.store(0);
    std::shared_ptr<OpenEnd> end;
    SwapOpen(end);
  }

 private:
  struct OpenEnd {
    Queue queue;
    std::unique_ptr<RpcServer> server;
    std::thread thread;
  };

  void SwapOpen(std::shared_ptr<OpenEnd>& open) {
    const std::scoped_lock lock(ForkSafeMutex<Mutex>());
    open_.swap(open);
  }
  static void Leak(std::shared_ptr<OpenEnd> open) {
    if (open != nullptr) new std::shared_ptr<OpenEnd>(std::move(open));
  }

  // Known since the first call.
  std::shared_ptr<Referent> object(Deadline deadline) {
    {
      const std::scoped_lock lock(ForkSafeMutex<Mutex>());
      if (object_ != nullptr) return object_;
    }
    std::shared_ptr<Referent> object = client_->Object(0, "", deadline);
    const std::scoped_lock lock(ForkSafeMutex<Mutex>());
    if (object_ == nullptr) object_.swap(object);
    return object_;
  }

  const Options options_;
  const std::shared_ptr<transport_internal::RpcClient> client_;
  struct Mutex;
  // Guarded by ForkSafeMutex<Mutex>(): a child may be forked while a thread calls. The channel is
  // opened and closed by one thread, and woken by any.
  std::shared_ptr<Referent> object_;
  std::shared_ptr<OpenEnd> open_;
  std::atomic<pid_t> opener_{0};  // 0 while it is not open.
};

}  // namespace

std::shared_ptr<RpcChannel> RpcChannel::Create(Options options) {
  return std::make_shared<RpcChannelImpl>(std::move(options));
}

}  // namespace remoteobj
