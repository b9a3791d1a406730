// SPDX-License-Identifier: MIT
//
// A connection is: accepted, the hello, then Cap'n Proto RPC until either side hangs up.
//
//   Link        what one client has here: its session, and its calls that are not answered yet
//   Connection  the stream of it; owns the RPC system, and closes the link when it ends
//   ObjectCap   an object as one client has it
//
// Capabilities and calls may outlive their connection by a turn of the loop; they hold the link,
// which says then that it is closed.
#include "remoteobj/transport/rpc/internal/rpc_server.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "capnp/capability.h"
#include "capnp/rpc-twoparty.h"
#include "kj/async-io.h"
#include "kj/async-unix.h"
#include "kj/async.h"
#include "kj/exception.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/log_line.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/internal/tls_stream.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/shared_memory/internal/spin.h"
#include "remoteobj/transport/wire/message.capnp.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

// Of the two write() of KJ's streams each version has one, so neither is marked override.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Winconsistent-missing-override"
#endif

namespace remoteobj::transport_internal {
namespace {

// A goodbye is given time to be written; and on a network to be read, where a reset, for what the
// client has sent meanwhile, could take it away again.
constexpr kj::Duration kGoodbyeHere = 5 * kj::MILLISECONDS;
constexpr kj::Duration kGoodbyeThere = 50 * kj::MILLISECONDS;
// How long a client that was let in just now may take to ask for it.
constexpr kj::Duration kAsk = 1 * kj::SECONDS;
// How long an object is kept that is on its way to another process.
constexpr kj::Duration kKept = 60 * kj::SECONDS;

kj::Duration ToKj(absl::Duration duration) {
  // What is armed for longer is armed again: beyond some centuries KJ's time overflows.
  return absl::ToInt64Nanoseconds(std::clamp(duration, absl::ZeroDuration(), absl::Hours(1))) *
         kj::NANOSECONDS;
}

// A call that is not answered yet.
struct Waiting {
  std::unique_ptr<RpcAnswer> answer;
  kj::Own<kj::PromiseFulfiller<void>> fulfiller;
};

// Objects that are on their way from one client to another.
class Kept {
 public:
  // Gives a number, to Forget() it by.
  std::uint64_t Keep(std::shared_ptr<Referent> object) {
    objects_.emplace(++last_, std::move(object));
    return last_;
  }
  void Forget(std::uint64_t number) { objects_.erase(number); }
  // It has arrived.
  void Arrived(std::uint64_t id) {
    const auto at = std::find_if(objects_.begin(), objects_.end(),
                                 [id](const auto& kept) { return kept.second->id() == id; });
    if (at != objects_.end()) objects_.erase(at);
  }

 private:
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Referent>> objects_;
};

// What one client has here. Closed, when the client has gone, by taking the session away.
struct Link {
  explicit Link(RpcServer& loop) : server(loop) {}

  RpcServer& server;
  std::function<void()> after_call;
  std::function<void(std::shared_ptr<Referent>)> keep;
  std::shared_ptr<Kept> kept;
  std::unique_ptr<RpcSession> session;
  std::unordered_map<std::uint64_t, std::shared_ptr<Waiting>> waiting;
  // The client has asked to be told when the server closes; and is told.
  kj::PromiseFulfillerPair<void> asked = kj::newPromiseAndFulfiller<void>();
  kj::PromiseFulfillerPair<void> closed = kj::newPromiseAndFulfiller<void>();

  void Cancel(std::uint64_t call) {
    const auto at = waiting.find(call);
    if (at == waiting.end()) return;
    const std::shared_ptr<Waiting> ended = std::move(at->second);
    waiting.erase(at);
    ended->answer.reset();
    ended->fulfiller->fulfill();
  }
  void Close() {
    while (!waiting.empty()) Cancel(waiting.begin()->first);
    session.reset();
    // Else the call of closed() would keep this link, and the link that call.
    closed.fulfiller->reject(KJ_EXCEPTION(DISCONNECTED, "the client has gone"));
  }
};

constinit thread_local RpcServer* this_loop = nullptr;

template <typename Context>
void SetFailure(Context& context, schema::Failure::Kind kind, const char* text) {
  auto failure = context.getResults().initFailure();
  failure.setKind(kind);
  failure.setText(text);
}

// Calls `work`. Returns true, or reports in the results of `context` that it failed.
template <typename Context, typename Work>
bool OrFailure(Context& context, Work&& work) {
  try {
    work();
    return true;
  } catch (const StaleReference& e) {
    SetFailure(context, schema::Failure::Kind::STALE, e.what());
  } catch (const std::bad_alloc& e) {
    SetFailure(context, schema::Failure::Kind::NO_MEMORY, e.what());
  }
  return false;
}

class ReceiptCap final : public schema::Receipt::Server {
 public:
  ReceiptCap(std::shared_ptr<Link> link, std::unique_ptr<RpcAnswer> answer)
      : link_(std::move(link)), answer_(std::move(answer)) {}

  kj::Promise<void> received(ReceivedContext) override {
    if (answer_ != nullptr) answer_->Received();
    answer_.reset();
    return kj::READY_NOW;
  }

 private:
  const std::shared_ptr<Link> link_;
  std::unique_ptr<RpcAnswer> answer_;
};

class ObjectCap final : public schema::Object::Server {
 public:
  ObjectCap(std::shared_ptr<Link> link, std::shared_ptr<Referent> object)
      : link_(std::move(link)), object_(std::move(object)) {}

  kj::Promise<void> call(CallContext context) override {
    if (link_->session == nullptr) KJ_FAIL_REQUIRE("the client has gone");
    auto params = context.getParams();
    auto request = std::make_unique<HeapMessage>();
    CopyTo(*request, params.getRequest());
    SetDeadline(*request, params.getLeft());
    const std::uint64_t number = params.getCall();
    context.releaseParams();

    auto waiting = std::make_shared<Waiting>();
    const bool begun = OrFailure(context, [&] {
      waiting->answer = link_->session->Begin(object_, std::move(request), DoneFor(waiting));
    });
    link_->after_call();
    if (!begun) return kj::READY_NOW;
    if (waiting->answer->ready()) {
      OrFailure(context, [&] { Reply(link_, *waiting, context); });
      return kj::READY_NOW;
    }
    auto ready = kj::newPromiseAndFulfiller<void>();
    waiting->fulfiller = kj::mv(ready.fulfiller);
    link_->waiting[number] = waiting;
    return ready.promise.then([link = link_, number, waiting, context]() mutable {
      const auto at = link->waiting.find(number);
      if (at != link->waiting.end() && at->second == waiting) link->waiting.erase(at);
      if (waiting->answer == nullptr) KJ_FAIL_REQUIRE("the call was given up");
      OrFailure(context, [&] { Reply(link, *waiting, context); });
    });
  }

 private:
  // Called from any thread, where nothing of the answer may go: so it does not hold on to it.
  std::function<void()> DoneFor(const std::shared_ptr<Waiting>& waiting) {
    return [server = &link_->server, weak = std::weak_ptr<Waiting>(waiting)] {
      const auto fulfill = [weak] {
        const std::shared_ptr<Waiting> waiting = weak.lock();
        if (waiting != nullptr && waiting->fulfiller.get() != nullptr) {
          waiting->fulfiller->fulfill();
        }
      };
      if (this_loop == server) {
        fulfill();
      } else {
        server->Post(fulfill);
      }
    };
  }

  // The request's deadline is by the sender's clock, which on another machine is another.
  static void SetDeadline(HeapMessage& request, std::int64_t left) {
    In in = request.Read();
    const StructIn root = Root(in);
    if (root.Get<std::int64_t>(8) == 0) return;  // Also where the struct has no room for it.
    const Deadline here = left == 0 ? Deadline::Never() : Deadline::After(absl::Nanoseconds(left));
    request.Set(root.at, 8, here.nanos());
  }

  static void Reply(const std::shared_ptr<Link>& link, Waiting& waiting, CallContext& context) {
    RpcAnswer& answer = *waiting.answer;
    if (answer.refused()) return SetFailure(context, schema::Failure::Kind::REFUSED, "");
    HeapMessage& outcome = answer.outcome();
    const std::vector<std::shared_ptr<Referent>>& references = answer.references();
    auto results = context
                       .getResults(capnp::MessageSize{outcome.used() + 16,
                                                      static_cast<unsigned>(references.size() + 1)})
                       .initAnswer();
    results.setOutcome(OwnMessage(outcome.words()).Root<schema::Outcome>());
    if (!references.empty()) {
      auto list = results.initReferences(static_cast<unsigned>(references.size()));
      for (unsigned i = 0; i < references.size(); ++i) {
        list[i].setId(references[i]->id());
        list[i].setObject(kj::heap<ObjectCap>(link, references[i]));
      }
    }
    if (answer.hands_over()) {
      results.setReceipt(kj::heap<ReceiptCap>(link, std::move(waiting.answer)));
    }
  }

  const std::shared_ptr<Link> link_;
  const std::shared_ptr<Referent> object_;
};

class SessionCap final : public schema::Session::Server {
 public:
  explicit SessionCap(std::shared_ptr<Link> link) : link_(std::move(link)) {}

  kj::Promise<void> closed(ClosedContext) override {
    KJ_REQUIRE(link_->asked.fulfiller->isWaiting(), "this was asked already");
    link_->asked.fulfiller->fulfill();
    return kj::mv(link_->closed.promise);
  }
  kj::Promise<void> object(ObjectContext context) override {
    if (link_->session == nullptr) KJ_FAIL_REQUIRE("the client has gone");
    OrFailure(context, [&] {
      const std::uint64_t id = context.getParams().getId();
      context.getResults().setObject(kj::heap<ObjectCap>(link_, link_->session->Find(id)));
      link_->kept->Arrived(id);
    });
    return kj::READY_NOW;
  }
  kj::Promise<void> cancel(CancelContext context) override {
    link_->Cancel(context.getParams().getCall());
    return kj::READY_NOW;
  }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> keep(KeepContext context) override {
    if (link_->session == nullptr) KJ_FAIL_REQUIRE("the client has gone");
    OrFailure(context, [&] {
      link_->keep(link_->session->Find(context.getParams().getId()));
      context.getResults().setKept();
    });
    return kj::READY_NOW;
  }

 private:
  const std::shared_ptr<Link> link_;
};

// Of the calling thread: a write to a socket that nobody reads any more fails, and is no signal.
class PipeSignalBlocked {
 public:
  PipeSignalBlocked() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalBlocked() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    constexpr timespec kNow = {};
    while (sigtimedwait(&pipe_, nullptr, &kNow) == SIGPIPE) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalBlocked(const PipeSignalBlocked&) = delete;
  PipeSignalBlocked& operator=(const PipeSignalBlocked&) = delete;

 private:
  sigset_t pipe_ = {};
  sigset_t before_ = {};
};

// Reads nothing while what was written before is not on its way. So of a client that sends calls
// and does not read their answers those are not kept without end.
class PacedStream final : public kj::AsyncIoStream {
 public:
  explicit PacedStream(kj::Own<kj::AsyncIoStream> stream) : stream_(kj::mv(stream)) {}

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t least, std::size_t most) override {
    if (writes_ == 0) return stream_->tryRead(buffer, least, most);
    auto written = kj::newPromiseAndFulfiller<void>();
    written_ = kj::mv(written.fulfiller);
    return written.promise.then([=, this] { return tryRead(buffer, least, most); });
  }
  // Of these two each version of KJ has one.
  kj::Promise<void> write(const void* buffer, std::size_t size) {
    const auto* bytes = static_cast<const kj::byte*>(buffer);
    piece_ = kj::arrayPtr(bytes, size);
    return write(kj::arrayPtr(&piece_, 1));
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::byte> bytes) {
    return write(bytes.begin(), bytes.size());
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    ++writes_;
    // The end is for the reading side to tell: what the client said before it hung up is to be
    // heard, which Cap'n Proto would not do after a failure to write. KJ throws that at once.
    auto tried = kj::evalNow([&] { return stream_->write(pieces); });
    auto written = tried.catch_([](kj::Exception&& e) {
      if (e.getType() != kj::Exception::Type::DISCONNECTED) kj::throwFatalException(kj::mv(e));
    });
    // Also where it fails, or nobody waits for it any more.
    return written.attach(kj::defer([this] {
      if (--writes_ == 0 && written_.get() != nullptr) written_->fulfill();
    }));
  }
  kj::Promise<void> whenWriteDisconnected() override { return stream_->whenWriteDisconnected(); }
  void shutdownWrite() override { stream_->shutdownWrite(); }
  void abortRead() override { stream_->abortRead(); }

 private:
  kj::Own<kj::AsyncIoStream> stream_;
  kj::ArrayPtr<const kj::byte> piece_;
  int writes_ = 0;
  kj::Own<kj::PromiseFulfiller<void>> written_;  // Of a read that waits.
};

// The calls of a client that come through shared memory.
class Polled final : private PolledHandler {
 public:
  explicit Polled(std::shared_ptr<Link> link) : link_(std::move(link)), bell_(NewBell()) {
    listener_.Open();
  }
  ~Polled() {
    // First, since a refusal takes the place of the outcome that was received.
    for (unsigned slot = 0; slot < kSlots; ++slot) Settle(slot, /*gone=*/true);
    listener_.Close();
  }

  int bell() const { return bell_.fd(); }
  int fd() const { return listener_.fd(); }
  bool lendable() const { return listener_.lendable(); }
  bool called() { return listener_.called(); }
  int caller_cpu() { return listener_.caller_cpu(); }

  // Serves what there is, but not without end.
  bool Serve() {
    constexpr int kMost = 16;
    int served = 0;
    while (served < kMost && listener_.Poll(*this)) ++served;
    return served > 0;
  }
  // Has the next call ring the bell. False if there is one by now.
  bool Rest() {
    // In this order: whoever lets go of a slot afterwards rings, too.
    if (!listener_.Arm()) return false;
    for (unsigned slot = 0; slot < kSlots; ++slot) Settle(slot, /*gone=*/false);
    return true;
  }

 private:
  void Took(unsigned slot) override { Settle(slot, /*gone=*/true); }
  HeapMessage* Evaluate(unsigned, const RequestReader& request) override {
    answer_ = link_->session->TryNow(request);
    link_->after_call();
    return answer_ == nullptr ? nullptr : &answer_->outcome();
  }
  // What is handed over, and the objects that it refers to, stay here until the client has let go
  // of the slot: as it reads it asks for capabilities of them.
  void Answered(unsigned slot, bool wanted) override {
    if (answer_ != nullptr && wanted && (answer_->hands_over() || !answer_->references().empty())) {
      handed_[slot] = std::move(answer_);
    }
    answer_.reset();
  }
  // What was handed over in that slot is the client's if it has read it, or comes back. `gone`:
  // the client can't read it any more.
  void Settle(unsigned slot, bool gone) {
    if (handed_[slot] == nullptr) return;
    const std::optional<bool> received = listener_.Received(slot, gone);
    if (!received) return;
    if (*received) handed_[slot]->Received();
    handed_[slot].reset();
  }

  const std::shared_ptr<Link> link_;
  const Socket bell_;
  PolledListener listener_;
  std::unique_ptr<RpcAnswer> answer_;
  std::array<std::unique_ptr<RpcAnswer>, kSlots> handed_;
};

}  // namespace

class RpcServer::Impl final : private kj::TaskSet::ErrorHandler {
 public:
  Impl(RpcServer& self, RpcService& service, RpcServerOptions options)
      : self_(self),
        service_(service),
        options_(WithAbsolutePath(std::move(options))),
        bound_(options_.address),
        event_(NewBell()) {
    CheckKey(options_.address, options_.key);
    id_ = RandomHelloId();
    socket_ = ListenAt(options_.address, bound_, file_);
  }
  ~Impl() { StopListening(); }

  const Address& address() const { return bound_; }

  void Run();
  void Stop() {
    stop_.store(true);
    RingBell(event_.fd());
  }
  void Post(std::function<void()> work) {
    {
      const std::scoped_lock lock(inbox_mutex_);
      inbox_.push_back(std::move(work));
    }
    RingBell(event_.fd());
  }

 private:
  class Connection;

  static RpcServerOptions WithAbsolutePath(RpcServerOptions options) {
    options.address = AbsoluteAddress(options.address);
    return options;
  }
  // First the file goes: once nobody listens at it another server may put its own there.
  void StopListening() {
    file_.Remove();
    if (socket_.fd() >= 0) shutdown(socket_.fd(), SHUT_RDWR);
  }
  kj::Promise<void> ReadInbox();
  kj::Promise<void> Accept();
  // The connection's shared memory is looked at until there have been no calls for a while.
  void MakeHot(Connection& connection);
  void PollHot(kj::WaitScope& scope);
  void RearmTimer();
  void Keep(std::shared_ptr<Referent> object);
  void taskFailed(kj::Exception&& e) override;

  RpcServer& self_;
  RpcService& service_;
  const RpcServerOptions options_;
  Address bound_;
  HelloId id_ = {};
  Socket event_;
  Socket socket_;
  SocketFile file_;
  std::atomic<bool> stop_{false};
  std::mutex inbox_mutex_;
  std::vector<std::function<void()>> inbox_;  // Guarded by inbox_mutex_.

  // Of the running loop.
  kj::AsyncIoContext* io_ = nullptr;
  kj::TaskSet* tasks_ = nullptr;
  kj::UnixEventPort::FdObserver* event_ready_ = nullptr;
  kj::UnixEventPort::FdObserver* accept_ready_ = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> wake_;  // Of Run, while it sleeps.
  std::list<Connection*> hot_;
  Spinner spinner_;
  std::list<Connection*> half_open_;
  std::list<Connection*> connections_;
  std::uint64_t refused_ = 0;         // How many clients were not let in.
  std::uint64_t without_memory_ = 0;  // How many could have no shared memory.
  Deadline armed_ = Deadline::Never();
  bool stopped_ = false;  // All that was posted before Stop() is done.
  bool closing_ = false;
  const std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
};

class RpcServer::Impl::Connection {
 public:
  Connection(Impl& server, Socket socket)
      : server_(server),
        socket_(std::move(socket)),
        credentials_(CredentialsOf(socket_.fd())),
        stream_(kj::heap<PacedStream>(server.io_->lowLevelProvider->wrapSocketFd(
            socket_.fd(), kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC |
                              kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK))),
        hello_({.key = server.options_.key,
                .shared_memory = server.options_.shared_memory && server.options_.tls == nullptr &&
                                 credentials_.has_value(),
                .pid = static_cast<std::uint32_t>(getpid()),
                .id = server.id_}),
        link_(std::make_shared<Link>(server.self_)) {
    auto dropped = kj::newPromiseAndFulfiller<void>();
    dropped_ = kj::mv(dropped.promise);
    drop_ = kj::mv(dropped.fulfiller);
    link_->after_call = [&server] { server.RearmTimer(); };
    link_->keep = [&server](std::shared_ptr<Referent> object) { server.Keep(std::move(object)); };
    link_->kept = server.kept_;
    half_open_ = server_.half_open_.insert(server_.half_open_.end(), this);
    is_half_open_ = true;
  }
  ~Connection() {
    LeaveHalfOpen();
    if (is_open_) server_.connections_.erase(open_);
    server_.hot_.remove(this);
    bell_rung_ = nullptr;
    bell_ready_ = nullptr;
    polled_.reset();
    link_->Close();
  }

  // Until the client has gone, or Drop().
  kj::Promise<void> Serve() {
    auto& timer = server_.io_->provider->getTimer();
    return timer.timeoutAfter(ToKj(server_.options_.hello_timeout), Secure())
        .then([this] { return Speak(); })
        .exclusiveJoin(kj::mv(dropped_));
  }
  // From now on it is not the oldest that is half open; it goes in the loop's next turn.
  void Drop() {
    LeaveHalfOpen();
    drop_->fulfill();
  }
  // Null if it has no shared memory.
  Polled* polled() { return polled_.get(); }

  // Whether the client has been let in, so that it may have sent a call.
  bool let_in() const { return link_->session != nullptr; }
  // Tells the client that what is not answered by now will not be. REQUIRES: let_in().
  kj::Promise<void> Goodbye() {
    auto& timer = server_.io_->provider->getTimer();
    const bool here = credentials_.has_value();
    return timer.timeoutAfter(kAsk, kj::mv(link_->asked.promise))
        .then([&timer, link = link_, here] {
          link->closed.fulfiller->fulfill();
          return timer.afterDelay(here ? kGoodbyeHere : kGoodbyeThere);
        })
        .catch_([](kj::Exception&&) {});
  }

 private:
  kj::Promise<void> Secure() {
    if (server_.options_.tls == nullptr) return Greet();
    return server_.options_.tls->Serve(kj::mv(stream_))
        .then([this](kj::Own<kj::AsyncIoStream>&& stream) {
          stream_ = kj::mv(stream);
          return Greet();
        });
  }

  kj::Promise<void> Greet() {
    const auto& greeting = hello_.Greeting();
    return stream_->write(greeting.data(), greeting.size())
        .then([this] { return stream_->read(answer_.data(), answer_.size()); })
        .then([this]() -> kj::Promise<void> {
          if (server_.closing_) {
            // Who is told nothing has sent no call.
            Drop();
            return kj::READY_NOW;
          }
          PeerInfo peer{.address = NameOfPeer(socket_.fd())};
          if (credentials_) peer.pid = credentials_->pid;
          const bool allowed =
              !credentials_ || credentials_->uid == geteuid() || server_.options_.other_users;
          const ServerHello::Verdict verdict = hello_.Check(answer_, [&](const HelloPeer&) {
            return allowed ? HelloStatus::kOk : HelloStatus::kNotAllowed;
          });
          reply_ = verdict.reply;
          const bool accepted = verdict.accepted();
          if (accepted) {
            peer.id = verdict.client.id;
            link_->session = server_.service_.Connected(peer);
            if (verdict.client.shared_memory && MakeSharedMemory()) return ShareMemory();
          } else {
            // Anybody may cause this: one line for a hundred of them.
            if (server_.refused_++ % 100 == 0) {
              LogLine(LogSeverity::kWarning, absl::StrCat("a client (", peer.address,
                                                          ") was not let in: ", verdict.reason));
            }
          }
          return stream_->write(reply_.data(), reply_.size()).then([this, accepted] {
            if (!accepted) Drop();
          });
        })
        .then([this] { LeaveHalfOpen(); });
  }
  void LeaveHalfOpen() {
    if (std::exchange(is_half_open_, false)) server_.half_open_.erase(half_open_);
  }

  // Returns false where there is no memory that could be lent to a stranger: its calls come by the
  // socket then.
  bool MakeSharedMemory() {
    try {
      polled_ = std::make_unique<Polled>(link_);
    } catch (const std::system_error& e) {
      if (server_.without_memory_++ % 100 == 0) {
        LogLine(LogSeverity::kWarning, absl::StrCat("a client uses the socket alone: ", e.what()));
      }
      return false;
    }
    if (!polled_->lendable()) polled_.reset();
    return polled_ != nullptr;
  }
  // The reply, with the descriptors of the memory and of its bell.
  kj::Promise<void> ShareMemory() {
    SendWithDescriptors(socket_.fd(), reply_, std::array{polled_->fd(), polled_->bell()});
    bell_ready_ = kj::heap<kj::UnixEventPort::FdObserver>(
        server_.io_->unixEventPort, polled_->bell(), kj::UnixEventPort::FdObserver::OBSERVE_READ);
    bell_rung_ = AwaitBell().eagerlyEvaluate([](kj::Exception&&) {});
    server_.MakeHot(*this);
    return kj::READY_NOW;
  }
  kj::Promise<void> AwaitBell() {
    return bell_ready_->whenBecomesReadable().then([this] {
      HearBell(polled_->bell());
      server_.MakeHot(*this);
      return AwaitBell();
    });
  }

  kj::Promise<void> Speak() {
    if (link_->session == nullptr) return kj::READY_NOW;
    open_ = server_.connections_.insert(server_.connections_.end(), this);
    is_open_ = true;
    network_ = kj::heap<capnp::TwoPartyVatNetwork>(
        *stream_, capnp::rpc::twoparty::Side::SERVER,
        ReaderLimits(server_.options_.max_message_bytes / sizeof(Word)));
    rpc_ = kj::heap<capnp::RpcSystem<capnp::rpc::twoparty::VatId>>(
        capnp::makeRpcServer(*network_, kj::heap<SessionCap>(link_)));
    return network_->onDisconnect();
  }

  Impl& server_;
  Socket socket_;
  const std::optional<PeerCredentials> credentials_;  // Of a client on this machine.
  kj::Own<kj::AsyncIoStream> stream_;
  ServerHello hello_;
  HelloAnswer answer_ = {};
  HelloReply reply_ = {};
  std::shared_ptr<Link> link_;
  kj::Promise<void> dropped_ = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> drop_;
  std::list<Connection*>::iterator half_open_;
  std::list<Connection*>::iterator open_;
  bool is_half_open_ = false;
  bool is_open_ = false;
  std::unique_ptr<Polled> polled_;
  kj::Own<kj::UnixEventPort::FdObserver> bell_ready_;
  kj::Promise<void> bell_rung_ = nullptr;
  kj::Own<capnp::TwoPartyVatNetwork> network_;
  kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc_;
};

// A client that hangs up or speaks nonsense is no event; the others are served on.
void RpcServer::Impl::taskFailed(kj::Exception&&) {}

kj::Promise<void> RpcServer::Impl::ReadInbox() {
  HearBell(event_.fd());
  // Before the work is taken: what was posted before the end is done before the end.
  const bool stop = stop_.load();
  std::vector<std::function<void()>> work;
  {
    const std::scoped_lock lock(inbox_mutex_);
    work.swap(inbox_);
  }
  for (auto& one : work) one();
  RearmTimer();
  if (stop) {
    stopped_ = true;
    if (wake_.get() != nullptr) wake_->fulfill();
    return kj::READY_NOW;
  }
  return event_ready_->whenBecomesReadable().then([this] { return ReadInbox(); });
}

kj::Promise<void> RpcServer::Impl::Accept() {
  // However many come, the others are served between them.
  constexpr int kAtOnce = 64;
  for (int accepted = 0;; ++accepted) {
    if (accepted == kAtOnce) {
      return io_->provider->getTimer().afterDelay(0 * kj::NANOSECONDS).then([this] {
        return Accept();
      });
    }
    const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      // Who has hung up by now fails at the first word, which is not to end this loop.
      tasks_->add(kj::evalNow([&] {
        auto connection = kj::heap<Connection>(*this, Socket(fd));
        auto served = connection->Serve();
        return served.attach(kj::mv(connection));
      }));
      if (half_open_.size() > options_.max_half_open) half_open_.front()->Drop();
      continue;
    }
    if (errno == EAGAIN) break;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // One that says nothing yet makes room. Without one the others have to go on without more.
      if (!half_open_.empty()) half_open_.front()->Drop();
      return io_->provider->getTimer().afterDelay(10 * kj::MILLISECONDS).then([this] {
        return Accept();
      });
    }
  }
  return accept_ready_->whenBecomesReadable().then([this] { return Accept(); });
}

void RpcServer::Impl::MakeHot(Connection& connection) {
  if (std::find(hot_.begin(), hot_.end(), &connection) != hot_.end()) return;
  hot_.push_back(&connection);
  if (wake_.get() != nullptr) wake_->fulfill();
}

// Serves the calls in shared memory until there have been none for a while, and what comes by
// sockets between them.
void RpcServer::Impl::PollHot(kj::WaitScope& scope) {
  constexpr int kRoundsPerLook = 16;
  constexpr std::int64_t kNanosPerLook = 200'000;
  std::int64_t looked = MonotonicNanos();
  const auto called = [this] {
    return std::any_of(hot_.begin(), hot_.end(),
                       [](Connection* c) { return c->polled()->called(); });
  };
  for (int round = 1; !hot_.empty() && !stopped_; ++round) {
    bool served = false;
    for (Connection* connection : hot_) {
      try {
        served |= connection->polled()->Serve();
      } catch (const std::exception& e) {
        // No memory for its request, say. The others are served on.
        LogLine(LogSeverity::kWarning,
                absl::StrCat("a client is dropped, since its call failed: ", e.what()));
        connection->Drop();
      }
    }
    if (!served || round % kRoundsPerLook == 0 || MonotonicNanos() - looked > kNanosPerLook) {
      // What there is by now, and no more: others may go on sending.
      io_->unixEventPort.poll();
      kj::evalLater([] {}).wait(scope);
      looked = MonotonicNanos();
    }
    if (served || hot_.empty()) continue;
    if (spinner_.Spin(hot_.front()->polled()->caller_cpu(), called)) continue;
    hot_.remove_if([](Connection* connection) { return connection->polled()->Rest(); });
    return;
  }
}

void RpcServer::Impl::RearmTimer() {
  const Deadline next = service_.NextTimeout();
  if (next >= armed_) return;
  armed_ = next;
  tasks_->add(io_->provider->getTimer().afterDelay(ToKj(next.left())).then([this, next] {
    // An earlier one may have been armed since, and have left this one to be forgotten.
    if (armed_ != next) return;
    armed_ = Deadline::Never();
    service_.RunTimeouts();
    RearmTimer();
  }));
}

void RpcServer::Impl::Keep(std::shared_ptr<Referent> object) {
  const std::uint64_t number = kept_->Keep(std::move(object));
  tasks_->add(io_->provider->getTimer().afterDelay(kKept).then(
      [kept = kept_, number] { kept->Forget(number); }));
}

void RpcServer::Impl::Run() {
  // KJ has the whole program ignore SIGPIPE; here it is enough that this thread does not get it.
  const PipeSignalBlocked blocked;
  struct sigaction before_kj = {};
  sigaction(SIGPIPE, nullptr, &before_kj);
  kj::AsyncIoContext io = kj::setupAsyncIo();
  sigaction(SIGPIPE, &before_kj, nullptr);
  io_ = &io;
  RpcServer* const before = std::exchange(this_loop, &self_);
  {
    kj::UnixEventPort::FdObserver event_ready(io.unixEventPort, event_.fd(),
                                              kj::UnixEventPort::FdObserver::OBSERVE_READ);
    kj::UnixEventPort::FdObserver accept_ready(io.unixEventPort, socket_.fd(),
                                               kj::UnixEventPort::FdObserver::OBSERVE_READ);
    event_ready_ = &event_ready;
    accept_ready_ = &accept_ready;
    {
      kj::TaskSet tasks(*this);
      tasks_ = &tasks;
      const auto failed = [](kj::Exception&& e) {
        LogLine(LogSeverity::kError, absl::StrCat("a manager accepts no further connections: ",
                                                  e.getDescription().cStr()));
      };
      kj::Promise<void> inbox = ReadInbox().eagerlyEvaluate(failed);
      {
        kj::Promise<void> accept = Accept().eagerlyEvaluate(failed);
        while (!stopped_) {
          if (!hot_.empty()) {
            PollHot(io.waitScope);
            continue;
          }
          auto woken = kj::newPromiseAndFulfiller<void>();
          wake_ = kj::mv(woken.fulfiller);
          woken.promise.wait(io.waitScope);
        }
      }
      closing_ = true;
      StopListening();
      kj::Vector<kj::Promise<void>> goodbyes;
      for (const auto* list : {&connections_, &half_open_}) {
        for (Connection* connection : *list) {
          if (connection->let_in()) goodbyes.add(connection->Goodbye());
        }
      }
      kj::joinPromises(goodbyes.releaseAsArray()).wait(io.waitScope);
    }
    tasks_ = nullptr;
  }
  socket_ = Socket();
  this_loop = before;
  io_ = nullptr;
}

void CheckKey(const Address& address, const std::string& key) {
  if (!key.empty() || address.IsLocalOnly()) return;
  throw std::invalid_argument(
      absl::StrCat("to listen at ", address.ToString(),
                   ", where other machines can connect, takes a key: anybody could do anything"));
}

RpcServer::RpcServer(RpcService& service, RpcServerOptions options)
    : impl_(std::make_unique<Impl>(*this, service, std::move(options))) {}
RpcServer::~RpcServer() = default;

const Address& RpcServer::address() const { return impl_->address(); }
void RpcServer::Run() { impl_->Run(); }
void RpcServer::Stop() { impl_->Stop(); }
void RpcServer::Post(std::function<void()> work) { impl_->Post(std::move(work)); }
void RpcServer::Sync() {
  // The loop looks at its sockets only when it has nothing else to do. So between two of these it
  // has done with what it saw when it looked for the first.
  for (int i = 0; i < 2; ++i) {
    absl::Notification done;
    Post([&done] { done.Notify(); });
    done.WaitForNotification();
  }
}

}  // namespace remoteobj::transport_internal
