// SPDX-License-Identifier: MIT
//
// A connection has a KJ event loop that is no thread's. Whoever waits for an answer drives it: it
// enters the loop, does what others have left in the inbox, runs events until its answer is there,
// and sleeps on the socket between them. Others that wait meanwhile sleep until their answer is
// there, or until nobody drives.
//
//   inbox   what is to be done in the loop: calls to be sent, objects to be let go
//   wake    an eventfd, by which the one who drives is told of the inbox
//
// All that belongs to KJ lives in Wire, and is touched in the loop only.
#include "remoteobj/transport/rpc/internal/rpc_client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "capnp/capability.h"
#include "capnp/rpc-twoparty.h"
#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/exception.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/cond_var.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/internal/no_memory.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/internal/tls_stream.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/message.capnp.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj::transport_internal {
namespace {

// A socket as a stream of KJ's, without a port of KJ's: whoever drives says when it is ready.
class SocketStream final : public kj::AsyncIoStream {
 public:
  explicit SocketStream(int fd) : fd_(fd) {}

  short events() const {
    return static_cast<short>((readable_.get() != nullptr ? POLLIN : 0) |
                              (writable_.get() != nullptr ? POLLOUT : 0));
  }
  void Ready(short events) {
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) Fulfill(readable_);
    if ((events & (POLLOUT | POLLHUP | POLLERR)) != 0) Fulfill(writable_);
  }

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t least, std::size_t most) override {
    return ReadOn(static_cast<char*>(buffer), least, most, 0);
  }
  // Of these two each version of KJ has one, so that neither can be marked as an override.
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winconsistent-missing-override"
#endif
  kj::Promise<void> write(const void* buffer, std::size_t size) {
    return WriteOn({static_cast<const char*>(buffer), size}, {});
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::byte> bytes) {
    return write(bytes.begin(), bytes.size());
  }
#if defined(__clang__)
#pragma clang diagnostic pop
#endif
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    if (pieces.size() == 0) return kj::READY_NOW;
    const auto first = pieces.front();
    return WriteOn({reinterpret_cast<const char*>(first.begin()), first.size()},
                   pieces.slice(1, pieces.size()));
  }
  kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }
  void shutdownWrite() override { shutdown(fd_, SHUT_WR); }
  void abortRead() override { shutdown(fd_, SHUT_RD); }

 private:
  using Fulfiller = kj::Own<kj::PromiseFulfiller<void>>;

  static void Fulfill(Fulfiller& waiting) {
    if (waiting.get() == nullptr) return;
    Fulfiller ready = kj::mv(waiting);
    ready->fulfill();
  }
  static kj::Promise<void> When(Fulfiller& waiting) {
    auto made = kj::newPromiseAndFulfiller<void>();
    waiting = kj::mv(made.fulfiller);
    return kj::mv(made.promise);
  }

  kj::Promise<std::size_t> ReadOn(char* buffer, std::size_t least, std::size_t most,
                                  std::size_t had) {
    for (;;) {
      const ssize_t got = recv(fd_, buffer + had, most - had, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) break;
      if (got < 0) return KJ_EXCEPTION(DISCONNECTED, "the connection was lost");
      had += static_cast<std::size_t>(got);
      if (got == 0 || had >= least) return had;
    }
    return When(readable_).then([=, this] { return ReadOn(buffer, least, most, had); });
  }

  // In one go, so that the other side wakes once for all.
  kj::Promise<void> WriteOn(std::span<const char> now,
                            kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> later) {
    for (;;) {
      while (now.empty()) {
        if (later.size() == 0) return kj::READY_NOW;
        const auto next = later.front();
        now = {reinterpret_cast<const char*>(next.begin()), next.size()};
        later = later.slice(1, later.size());
      }
      std::array<iovec, 16> pieces;
      pieces[0] = {const_cast<char*>(now.data()), now.size()};
      std::size_t count = 1;
      for (; count < pieces.size() && count <= later.size(); ++count) {
        const auto piece = later[count - 1];
        pieces[count] = {const_cast<kj::byte*>(piece.begin()), piece.size()};
      }
      msghdr message = {};
      message.msg_iov = pieces.data();
      message.msg_iovlen = count;
      const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) break;
      // The end is for the reading side to tell: what the other has said before it hung up is to be
      // heard, which KJ would not do after a failure to write.
      if (sent < 0) return kj::READY_NOW;
      auto left = static_cast<std::size_t>(sent);
      while (left > now.size()) {
        left -= now.size();
        const auto next = later.front();
        now = {reinterpret_cast<const char*>(next.begin()), next.size()};
        later = later.slice(1, later.size());
      }
      now = now.subspan(left);
    }
    return When(writable_).then([=, this] { return WriteOn(now, later); });
  }

  const int fd_;
  Fulfiller readable_;
  Fulfiller writable_;
};

// Longer a manager that is asked whether it is there does not take.
constexpr absl::Duration kPing = absl::Seconds(5);

// A capability, by a number: so that it can be named outside of the loop.
using Handle = std::uint64_t;

// Guards which connection a client and its objects use. A forked child makes a connection of its
// own while threads of its parent may have been at this: so it is a leaf lock, under which nothing
// is sent, made or destroyed.
struct Connections;

// By which servers tell the clients of processes apart.
const HelloId& ClientId() {
  return MadeOnce([] { return new const HelloId(RandomHelloId()); });
}
// A process and its forks have one.
[[maybe_unused]] const HelloId& client_id_at_start = ClientId();

// A call, from its request to its outcome. Guarded by the connection's mutex, but for what is
// written before `done`.
struct Exchange {
  std::uint64_t number = 0;
  Handle object = 0;
  std::uint64_t after = 0;                // How many notes were sent before it.
  Deadline deadline = Deadline::Never();  // Of the request.
  HeapMessage request;
  HeapMessage outcome;
  // The objects that the outcome refers to.
  std::vector<std::pair<std::uint64_t, Handle>> references;
  std::optional<Handle> receipt;
  std::exception_ptr error;
  bool done = false;
  bool given_up = false;
};

// As a message to another machine says it.
std::int64_t LeftOf(Deadline deadline) {
  if (deadline == Deadline::Never()) return 0;
  return std::max<std::int64_t>(1, absl::ToInt64Nanoseconds(deadline.left()));
}

}  // namespace

// The objects that a message leads to, by their number.
class RemoteObject;

class RpcConnection {
 public:
  explicit RpcConnection(const RpcClientOptions& options);
  ~RpcConnection();

  const HelloPeer& server() const { return server_; }
  pid_t server_pid() const { return server_pid_; }
  bool of_this_process() const { return process_ == Self(); }
  // Of this process, and not lost.
  bool usable() const { return of_this_process() && !lost_.load() && !goodbye_.load(); }
  // Throws StaleReference for an object of another server than this one.
  void CheckServer(const HelloId& server, std::uint64_t id) const {
    if (server == server_.id) return;
    throw StaleReference(
        absl::StrCat("the manager at ", address_, " was started anew: object ", id, " is gone"));
  }

  // The way for calls that need not wait; null if there is none. It is faster than the socket: so
  // where a note is on its way there, as that an object is let go, a call goes there too. What a
  // thread does comes about in the order in which it does it.
  Channel* shared() { return heeded_.load() == notes_.load() ? shared_.get() : nullptr; }

  Handle Find(std::uint64_t id, Deadline deadline);
  void Ping(Deadline deadline);
  void Keep(std::uint64_t id, Deadline deadline);
  // Sends it. `exchange` is finished by Finish, or given up. `waits`: the thread that calls this
  // does nothing else until it is finished.
  void Send(const std::shared_ptr<Exchange>& exchange, bool waits);
  // Waits until it is done. Throws what went wrong with it, or DeadlineExceeded.
  void Finish(Exchange& exchange, Deadline deadline);
  bool ready(Exchange& exchange);
  void GiveUp(const std::shared_ptr<Exchange>& exchange);
  void Flush() noexcept;
  // These do not wait.
  void Release(Handle handle);
  void Received(Handle receipt);
  std::uint64_t NewNumber() { return numbers_.fetch_add(1); }

 private:
  class Wire;
  using Work = std::function<void(Wire&)>;

  void RunUntilDone(SocketStream& stream, kj::Promise<void> work, Deadline deadline);
  void Post(Work work);
  // What nobody waits for an answer to.
  void PostNote(Work work);
  void PostLocked(Work work);
  void DriveUntil(absl::FunctionRef<bool()> done, Deadline deadline);
  void CheckProcess() const;
  void Drive(absl::FunctionRef<bool()> done, Deadline deadline);
  void RunInbox();
  void FinishLocked(Exchange& exchange);
  void FinishWell(Exchange& exchange);
  void FinishWith(Exchange& exchange, const kj::Exception& e);
  void FinishWith(Exchange& exchange, const schema::Failure::Reader& failure);
  void FinishWithError(Exchange& exchange, std::exception_ptr error);
  std::exception_ptr NoMemoryError(const std::string& what) const;
  std::exception_ptr BadCallError(const std::string& what) const;
  [[noreturn]] void ThrowLost() const;

  const Identity process_ = Self();
  const std::string address_;
  Socket socket_;
  Socket wake_;
  Socket bell_;
  std::shared_ptr<Channel> shared_;
  HelloPeer server_;
  pid_t server_pid_ = 0;
  std::atomic<bool> lost_{false};
  std::atomic<bool> goodbye_{false};
  std::atomic<std::uint64_t> numbers_{1};
  // Notes that were sent, and those that the server is known to have heeded: it has answered a call
  // that came after them. Written under the mutex.
  std::atomic<std::uint64_t> notes_{0};
  std::atomic<std::uint64_t> heeded_{0};

  // Not one of Abseil's, whose locks share a global one in builds with debugging, which a fork may
  // find taken for good. Guards what follows.
  std::mutex mutex_;
  CondVar changed_;  // An exchange is done, or nobody drives any more.
  bool driven_ = false;
  std::vector<Work> inbox_;

  std::unique_ptr<kj::EventLoop> loop_;
  std::unique_ptr<Wire> wire_;  // Of who drives.
};

class RpcConnection::Wire final : private kj::TaskSet::ErrorHandler {
 public:
  // `secured` is null, or goes through `plain`.
  Wire(std::unique_ptr<SocketStream> plain, kj::Own<kj::AsyncIoStream> secured,
       std::size_t max_message_bytes, RpcConnection& connection)
      : plain_(std::move(plain)),
        secured_(kj::mv(secured)),
        stream(*plain_),
        network_(secured_.get() == nullptr ? *plain_ : *secured_,
                 capnp::rpc::twoparty::Side::CLIENT,
                 ReaderLimits(max_message_bytes / sizeof(Word))),
        rpc_(capnp::makeRpcClient(network_)),
        session(Bootstrap(rpc_)),
        tasks(*this) {
    tasks.add(session.closedRequest().send().then(
        [&connection](auto&&) { connection.goodbye_.store(true); }));
    tasks.add(network_.onDisconnect().then([this] { lost = true; }));
  }

  Handle Keep(schema::Object::Client object) {
    objects.emplace(++last, kj::mv(object));
    return last;
  }

 private:
  std::unique_ptr<SocketStream> plain_;
  kj::Own<kj::AsyncIoStream> secured_;

 public:
  SocketStream& stream;  // The socket's own.

 private:
  static schema::Session::Client Bootstrap(capnp::RpcSystem<capnp::rpc::twoparty::VatId>& rpc) {
    capnp::MallocMessageBuilder message(8);
    auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
    vat.setSide(capnp::rpc::twoparty::Side::SERVER);
    return rpc.bootstrap(vat).castAs<schema::Session>();
  }
  // Of the calls whose outcome nobody looks at.
  void taskFailed(kj::Exception&&) override {}

  capnp::TwoPartyVatNetwork network_;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc_;

 public:
  schema::Session::Client session;
  std::unordered_map<Handle, schema::Object::Client> objects;
  std::unordered_map<Handle, schema::Receipt::Client> receipts;
  Handle last = 0;
  bool lost = false;
  kj::TaskSet tasks;  // First to go: its promises hold on to the rest.
};

RpcConnection::RpcConnection(const RpcClientOptions& options)
    : address_(options.address.ToString()) {
  const Deadline deadline = Deadline::After(options.connect_timeout);
  socket_ = ConnectTo(options.address, deadline);
  wake_ = NewBell();

  ClientHello hello({.key = options.key,
                     .shared_memory = options.shared_memory,
                     .pid = static_cast<std::uint32_t>(PidOf(process_)),
                     .id = ClientId()});
  HelloGreeting greeting;
  HelloReply reply;
  std::vector<int> descriptors;
  loop_ = std::make_unique<kj::EventLoop>();
  auto plain = std::make_unique<SocketStream>(socket_.fd());
  kj::Own<kj::AsyncIoStream> secured;
  if (options.tls == nullptr) {
    ReadAll(socket_.fd(), greeting, deadline, nullptr);
    WriteAll(socket_.fd(), hello.Answer(greeting), deadline);
    ReadAll(socket_.fd(), reply, deadline, &descriptors);
  } else {
    const kj::WaitScope scope(*loop_);
    const auto run = [&](kj::Promise<void> work) { RunUntilDone(*plain, kj::mv(work), deadline); };
    run(options.tls
            ->Connect(kj::Own<kj::AsyncIoStream>(plain.get(), kj::NullDisposer::instance),
                      options.address.host())
            .then([&](kj::Own<kj::AsyncIoStream>&& made) { secured = kj::mv(made); }));
    run(secured->read(greeting.data(), greeting.size()));
    const HelloAnswer& answer = hello.Answer(greeting);
    run(secured->write(answer.data(), answer.size()));
    run(secured->read(reply.data(), reply.size()));
  }
  if (descriptors.size() == 2) {
    bell_ = Socket(descriptors[1]);
    try {
      shared_ = AttachPolled(descriptors[0], bell_.fd());
    } catch (const std::system_error&) {
      // There is no address space for it: the socket has to do.
    }
  } else {
    for (const int fd : descriptors) close(fd);
  }
  server_ = hello.Finish(reply);
  // It is of no use to a process that does not see whether the server lives.
  if (shared_ != nullptr && !shared_->listening()) shared_.reset();
  const auto credentials = CredentialsOf(socket_.fd());
  server_pid_ = credentials ? credentials->pid : static_cast<pid_t>(server_.pid);

  const kj::WaitScope scope(*loop_);
  wire_ =
      std::make_unique<Wire>(std::move(plain), kj::mv(secured), options.max_message_bytes, *this);
  loop_->run();
}

// Runs the loop, which nobody else has yet, until `work` is done. Throws AuthenticationError for
// what TLS does not like, DeadlineExceeded.
void RpcConnection::RunUntilDone(SocketStream& stream, kj::Promise<void> work, Deadline deadline) {
  bool done = false;
  std::string failure;
  const kj::Promise<void> running =
      work.then([&] { done = true; }).eagerlyEvaluate([&](kj::Exception&& e) {
        failure = e.getDescription().cStr();
      });
  for (;;) {
    loop_->run();
    if (done) return;
    if (!failure.empty()) {
      throw AuthenticationError(absl::StrCat("no secure connection to ", address_, ": ", failure));
    }
    pollfd wait{socket_.fd(), stream.events(), 0};
    const absl::Duration left = std::min(deadline.left(), absl::Milliseconds(20));
    if (left <= absl::ZeroDuration()) throw DeadlineExceeded("the connection did not come about");
    if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) > 0) {
      stream.Ready(wait.revents);
    }
    InterruptionPoint();
  }
}

RpcConnection::~RpcConnection() {
  if (process_ != Self()) {
    // A copy in a forked child: the loop is the parent's. A thread of it may have been changing the
    // inbox at the fork, so that is not looked at.
    static_cast<void>(loop_.release());
    static_cast<void>(wire_.release());
    static_cast<void>(new std::vector<Work>(std::move(inbox_)));
    return;
  }
  const auto end = [this] {
    kj::WaitScope scope(*loop_);
    wire_.reset();
    loop_->run();
    scope.cancelAllDetached();
  };
  try {
    end();
  } catch (const kj::Exception&) {
    // This thread has a loop of KJ's of its own, within which no other can be entered.
    std::thread(end).join();
  }
}

void RpcConnection::ThrowLost() const {
  if (goodbye_.load()) {
    throw NotListening(absl::StrCat("the manager at ", address_, " has closed"));
  }
  throw ListenerDied(absl::StrCat("the connection to the manager at ", address_, " was lost"),
                     {.pid = server_pid_}, /*evaluating=*/true);
}

// Does `work` in the loop: soon, by whoever drives.
void RpcConnection::Post(Work work) {
  const std::scoped_lock lock(mutex_);
  PostLocked(std::move(work));
}

void RpcConnection::PostNote(Work work) {
  const std::scoped_lock lock(mutex_);
  notes_.fetch_add(1);
  PostLocked(std::move(work));
}

void RpcConnection::PostLocked(Work work) {
  inbox_.push_back(std::move(work));
  if (driven_) RingBell(wake_.fd());
}

void RpcConnection::RunInbox() {
  std::vector<Work> inbox;
  {
    const std::scoped_lock lock(mutex_);
    inbox.swap(inbox_);
  }
  for (Work& work : inbox) {
    try {
      work(*wire_);
    } catch (...) {
      // No memory, say. Whoever waits for it would wait for ever.
      wire_->lost = true;
    }
  }
}

// Drives the loop. REQUIRES: this thread has `driven_`.
void RpcConnection::Drive(absl::FunctionRef<bool()> done, Deadline deadline) {
  std::optional<kj::WaitScope> scope;
  try {
    scope.emplace(*loop_);
  } catch (const kj::Exception&) {
    throw std::logic_error(
        "this thread runs an event loop of KJ's: objects of a manager are called from another");
  }
  const auto run = [this] {
    loop_->run();
    // Not before: by now it is known, too, whether the server has said goodbye.
    if (wire_->lost) lost_.store(true);
  };
  for (;;) {
    RunInbox();
    run();
    if (done() || lost_.load()) return;
    if (Interrupted()) return;
    pollfd wait[2] = {{socket_.fd(), wire_->stream.events(), 0}, {wake_.fd(), POLLIN, 0}};
    absl::Duration slice = std::min(deadline.left(), absl::Hours(1));
    if (interruption != nullptr) slice = std::min(slice, absl::Milliseconds(20));
    const timespec timeout = absl::ToTimespec(std::max(slice, absl::ZeroDuration()));
    const int ready = ppoll(wait, 2, &timeout, nullptr);
    if (ready > 0) {
      if (wait[1].revents != 0) HearBell(wake_.fd());
      wire_->stream.Ready(wait[0].revents);
    }
    if (deadline.expired()) {
      run();  // What has come just now is heard.
      return;
    }
  }
}

// Until `done`, which is looked at under the mutex; or until the deadline, an interruption, or the
// loss of the connection.
void RpcConnection::DriveUntil(absl::FunctionRef<bool()> done, Deadline deadline) {
  std::unique_lock lock(mutex_);
  while (!done() && !lost_.load()) {
    if (driven_) {
      changed_.Wait(lock, deadline);
    } else {
      driven_ = true;
      lock.unlock();
      const auto locked_done = [&] {
        const std::scoped_lock locked(mutex_);
        return done();
      };
      std::exception_ptr failure;
      try {
        Drive(locked_done, deadline);
        // What others have left meanwhile nobody else would do.
        lock.lock();
        while (!inbox_.empty() && !lost_.load()) {
          lock.unlock();
          Drive([] { return true; }, Deadline::Passed());
          lock.lock();
        }
        lock.unlock();
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      driven_ = false;
      changed_.NotifyAll();
      if (failure != nullptr) std::rethrow_exception(failure);
    }
    if (deadline.expired() || Interrupted()) break;
  }
}

// Has what is in the inbox sent, if nobody else does. Does not wait, and never throws.
void RpcConnection::Flush() noexcept {
  try {
    DriveUntil([] { return false; }, Deadline::Passed());
  } catch (...) {
    // On a thread that can't: whoever drives next does it.
  }
}

void RpcConnection::FinishLocked(Exchange& exchange) {
  exchange.done = true;
  heeded_.store(std::max(heeded_.load(), exchange.after));
  changed_.NotifyAll();
}

void RpcConnection::FinishWell(Exchange& exchange) {
  const std::scoped_lock lock(mutex_);
  FinishLocked(exchange);
}

void RpcConnection::FinishWith(Exchange& exchange, const kj::Exception& e) {
  const std::string what = e.getDescription().cStr();
  switch (e.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      wire_->lost = true;
      return;
    case kj::Exception::Type::OVERLOADED:
      return FinishWithError(exchange, NoMemoryError(what));
    case kj::Exception::Type::FAILED:
    case kj::Exception::Type::UNIMPLEMENTED:
      break;
  }
  FinishWithError(exchange, BadCallError(what));
}

void RpcConnection::FinishWith(Exchange& exchange, const schema::Failure::Reader& failure) {
  const std::string text = failure.getText().cStr();
  switch (failure.getKind()) {
    case schema::Failure::Kind::STALE:
      return FinishWithError(exchange, std::make_exception_ptr(StaleReference(text)));
    case schema::Failure::Kind::REFUSED:
      return FinishWithError(
          exchange,
          std::make_exception_ptr(NotListening("the listener closed, and refused the call")));
    case schema::Failure::Kind::NO_MEMORY:
      return FinishWithError(exchange, NoMemoryError(text));
  }
  FinishWithError(exchange, BadCallError(text));  // A kind of a later version.
}

void RpcConnection::FinishWithError(Exchange& exchange, std::exception_ptr error) {
  const std::scoped_lock lock(mutex_);
  exchange.error = std::move(error);
  FinishLocked(exchange);
}

std::exception_ptr RpcConnection::NoMemoryError(const std::string& what) const {
  return std::make_exception_ptr(NoMemory(absl::StrCat(
      "the manager at ", address_, " has no memory for the call or for its result: ", what)));
}

std::exception_ptr RpcConnection::BadCallError(const std::string& what) const {
  return std::make_exception_ptr(BadValue(absl::StrCat("the manager refused the call: ", what)));
}

Handle RpcConnection::Find(std::uint64_t id, Deadline deadline) {
  const auto exchange = std::make_shared<Exchange>();
  Post([this, id, exchange](Wire& wire) {
    auto request = wire.session.objectRequest();
    request.setId(id);
    wire.tasks.add(
        request.send()
            .then([this, exchange, &wire](capnp::Response<schema::Session::FindResult>&& results) {
              if (results.isFailure()) {
                return FinishWith(*exchange, results.getFailure());
              }
              exchange->object = wire.Keep(results.getObject());
              FinishWell(*exchange);
            })
            .catch_([this, exchange](kj::Exception&& e) { FinishWith(*exchange, e); }));
  });
  Finish(*exchange, deadline);
  return exchange->object;
}

void RpcConnection::Ping(Deadline deadline) {
  const auto exchange = std::make_shared<Exchange>();
  Post([this, exchange](Wire& wire) {
    wire.tasks.add(wire.session.pingRequest()
                       .send()
                       .then([this, exchange](auto&&) { FinishWell(*exchange); })
                       .catch_([this, exchange](kj::Exception&& e) { FinishWith(*exchange, e); }));
  });
  Finish(*exchange, deadline);
}

void RpcConnection::Keep(std::uint64_t id, Deadline deadline) {
  const auto exchange = std::make_shared<Exchange>();
  Post([this, id, exchange](Wire& wire) {
    auto request = wire.session.keepRequest();
    request.setId(id);
    wire.tasks.add(
        request.send()
            .then([this, exchange](capnp::Response<schema::Session::KeepResult>&& results) {
              if (results.isFailure()) {
                return FinishWith(*exchange, results.getFailure());
              }
              FinishWell(*exchange);
            })
            .catch_([this, exchange](kj::Exception&& e) { FinishWith(*exchange, e); }));
  });
  Finish(*exchange, deadline);
}

void RpcConnection::Send(const std::shared_ptr<Exchange>& exchange, bool waits) {
  const std::scoped_lock lock(mutex_);
  // What comes after it is not to overtake it; its own outcome tells that it has arrived.
  if (!waits) notes_.fetch_add(1);
  exchange->after = notes_.load();
  PostLocked([this, exchange](Wire& wire) {
    const auto object = wire.objects.find(exchange->object);
    auto request = object->second.callRequest(capnp::MessageSize{exchange->request.used() + 8, 0});
    request.setCall(exchange->number);
    request.setLeft(LeftOf(exchange->deadline));
    request.setRequest(OwnMessage(exchange->request.words()).Root<schema::Request>());
    wire.tasks.add(
        request.send()
            .then([this, exchange, &wire](capnp::Response<schema::Object::CallResult>&& results) {
              if (exchange->given_up) return;
              if (results.isFailure()) return FinishWith(*exchange, results.getFailure());
              const auto answer = results.getAnswer();
              CopyTo(exchange->outcome, answer.getOutcome());
              for (auto reference : answer.getReferences()) {
                exchange->references.emplace_back(reference.getId(),
                                                  wire.Keep(reference.getObject()));
              }
              if (answer.hasReceipt()) {
                wire.receipts.emplace(++wire.last, answer.getReceipt());
                exchange->receipt = wire.last;
              }
              FinishWell(*exchange);
            })
            .catch_([this, exchange](kj::Exception&& e) { FinishWith(*exchange, e); }));
  });
}

// A call that a fork has inherited is its parent's.
void RpcConnection::CheckProcess() const {
  if (!of_this_process()) throw std::logic_error("this call was begun by another process");
}

bool RpcConnection::ready(Exchange& exchange) {
  CheckProcess();
  {
    const std::scoped_lock lock(mutex_);
    if (exchange.done || lost_.load()) return true;
  }
  DriveUntil([&] { return exchange.done; }, Deadline::Passed());
  const std::scoped_lock lock(mutex_);
  return exchange.done || lost_.load();
}

void RpcConnection::Finish(Exchange& exchange, Deadline deadline) {
  CheckProcess();
  for (;;) {
    DriveUntil([&] { return exchange.done; }, deadline);
    std::exception_ptr error;
    bool done;
    {
      const std::scoped_lock lock(mutex_);
      done = exchange.done;
      error = exchange.error;
    }
    if (error != nullptr) std::rethrow_exception(error);
    if (done) return;
    if (lost_.load()) ThrowLost();
    InterruptionPoint();  // Which may have nothing to throw.
    if (deadline.expired()) throw DeadlineExceeded("the outcome did not come in time");
  }
}

// What has come for it is let go; what has not is not wanted.
void RpcConnection::GiveUp(const std::shared_ptr<Exchange>& exchange) {
  if (!usable()) return;
  PostNote([exchange](Wire& wire) {
    if (!exchange->done) {
      exchange->given_up = true;
      auto request = wire.session.cancelRequest();
      request.setCall(exchange->number);
      wire.tasks.add(request.send().ignoreResult());
    }
    for (const auto& [id, handle] : exchange->references) wire.objects.erase(handle);
    exchange->references.clear();
    if (exchange->receipt) wire.receipts.erase(*exchange->receipt);
  });
  Flush();
}

void RpcConnection::Release(Handle handle) {
  if (!usable()) return;
  PostNote([handle](Wire& wire) { wire.objects.erase(handle); });
  Flush();
}

void RpcConnection::Received(Handle receipt) {
  PostNote([receipt](Wire& wire) {
    const auto at = wire.receipts.find(receipt);
    wire.tasks.add(at->second.receivedRequest().send().ignoreResult());
    wire.receipts.erase(at);
  });
  Flush();
}

// An object of the server. Its capability is one connection's; on another it is asked for again.
class RemoteObject final : public Referent, public Channel {
 public:
  RemoteObject(std::shared_ptr<RpcClient> client, std::uint64_t id, std::string type,
               std::shared_ptr<RpcConnection> connection, Handle handle)
      : Referent(id, std::move(type)),
        client_(std::move(client)),
        server_(connection->server().id),
        connection_(std::move(connection)),
        handle_(handle) {}
  ~RemoteObject() override { connection_->Release(handle_); }

  using Referent::SetType;

  Channel& channel() override { return *this; }
  bool Same(const Referent& other) const override {
    const auto* remote = dynamic_cast<const RemoteObject*>(&other);
    return remote != nullptr && remote->id() == id() && remote->server_ == server_;
  }
  void SendToProcess(ValueWriter out) const override;
  const RpcClient& client() const { return *client_; }

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    if (CallShared(write, read, deadline)) return;
    Begin(write, deadline, /*waits=*/true)->Finish(read, deadline);
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override;

  bool listening() override { return client_->Ping(Deadline::After(kPing)); }
  pid_t listener_pid() override { return listening() ? client_->server_pid() : 0; }
  bool listening_here() override { return false; }
  bool WaitUntilListening(Deadline deadline) override;

 private:
  // Through shared memory. False if it has to go the other way, and was not evaluated.
  bool CallShared(WriteRequest write, ReadOutcome read, Deadline deadline);

  // `waits`: who calls it waits for the outcome, too.
  std::unique_ptr<PendingCall> Begin(WriteRequest write, Deadline deadline, bool waits);

  // Of a request, with room for what the protocol adds.
  std::size_t MostBytes() const { return client_->options().max_message_bytes - kFrameBytes; }

  // Where it is now.
  std::pair<std::shared_ptr<RpcConnection>, Handle> Place(Deadline deadline);

  const std::shared_ptr<RpcClient> client_;
  const HelloId server_;  // Of which it is.
  // Guarded by ForkSafeMutex<Connections>().
  std::shared_ptr<RpcConnection> connection_;
  Handle handle_;
  // How often calls to it were refused in shared memory of late, as those are that wait: then it is
  // not tried every time.
  std::atomic<int> refusals_{0};
  std::atomic<int> skip_{0};
};

namespace {

// The references of a request: they live as long as the caller keeps them.
class RequestScope final : public ReferenceScope {
 public:
  // `shared`: it is written right into shared memory.
  RequestScope(const std::shared_ptr<RpcClient>& client, bool shared)
      : client_(client), shared_(shared) {}
  void Send(std::shared_ptr<Referent> referent) override {
    const auto object = std::dynamic_pointer_cast<RemoteObject>(referent);
    if (object == nullptr || &object->client() != client_.get()) {
      throw BadValue("a reference to an object of another manager");
    }
    kept_.push_back(std::move(referent));
  }
  std::shared_ptr<Referent> Receive(std::uint64_t, std::string_view) override {
    throw BadValue("a request is being written, not read");
  }
  std::shared_ptr<Referent> Offer(std::string_view type,
                                  const std::shared_ptr<Channel>& channel) override {
    if (offer_object == nullptr) return ReferenceScope::Offer(type, channel);
    // That takes calls of its own, for which no slot of the memory is to be held.
    if (shared_) throw GoAnotherWay();
    return offer_object(client_, type, channel);
  }
  std::vector<std::shared_ptr<Referent>> Kept() { return std::move(kept_); }

 private:
  const std::shared_ptr<RpcClient>& client_;
  const bool shared_;
  std::vector<std::shared_ptr<Referent>> kept_;
};

// The references of an outcome, each with its capability. Those that nobody takes are let go.
class OutcomeScope final : public ReferenceScope {
 public:
  OutcomeScope(const std::shared_ptr<RpcClient>& client,
               const std::shared_ptr<RpcConnection>& connection,
               const std::vector<std::pair<std::uint64_t, Handle>>& references) {
    for (const auto& [id, handle] : references) {
      objects_.emplace(id, std::make_shared<RemoteObject>(client, id, "", connection, handle));
    }
  }
  void Send(std::shared_ptr<Referent>) override {
    throw BadValue("an outcome is being read, not written");
  }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view type) override {
    const auto at = objects_.find(id);
    if (at == objects_.end()) throw BadValue("a reference without its object");
    at->second->SetType(type);
    return at->second;
  }

 private:
  std::unordered_map<std::uint64_t, std::shared_ptr<RemoteObject>> objects_;
};

// Those of an outcome in shared memory: a capability of each is asked for.
class SharedScope final : public ReferenceScope {
 public:
  SharedScope(const std::shared_ptr<RpcClient>& client,
              const std::shared_ptr<RpcConnection>& connection, Deadline deadline)
      : client_(client), connection_(connection), deadline_(deadline) {}
  void Send(std::shared_ptr<Referent>) override {
    throw BadValue("an outcome is being read, not written");
  }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view type) override {
    return std::make_shared<RemoteObject>(client_, id, std::string(type), connection_,
                                          connection_->Find(id, deadline_));
  }

 private:
  const std::shared_ptr<RpcClient>& client_;
  const std::shared_ptr<RpcConnection>& connection_;
  const Deadline deadline_;
};

class RpcPendingCall final : public PendingCall {
 public:
  RpcPendingCall(std::shared_ptr<RpcClient> client, std::shared_ptr<RpcConnection> connection,
                 std::shared_ptr<Exchange> exchange, std::vector<std::shared_ptr<Referent>> kept)
      : client_(std::move(client)),
        connection_(std::move(connection)),
        exchange_(std::move(exchange)),
        kept_(std::move(kept)) {}
  ~RpcPendingCall() override {
    if (exchange_ == nullptr) return;
    connection_->GiveUp(exchange_);
    // In a forked child: as it was at the fork, a thread of the parent may have been writing to it.
    if (!connection_->of_this_process()) new std::shared_ptr<Exchange>(std::move(exchange_));
  }

  bool ready() override { return exchange_ == nullptr || connection_->ready(*exchange_); }

  void Finish(ReadOutcome read, Deadline deadline) override {
    if (exchange_ == nullptr) throw std::logic_error("this call was finished already");
    connection_->Finish(*exchange_, deadline);
    const std::shared_ptr<Exchange> exchange = std::exchange(exchange_, nullptr);
    {
      const OutcomeScope scope(client_, connection_, exchange->references);
      exchange->references.clear();
      In in = exchange->outcome.Read();
      try {
        read(OutcomeIn(in));
      } catch (...) {
        // An error of the object's own is an outcome as any other.
        if (exchange->receipt) connection_->GiveUp(exchange);
        throw;
      }
    }
    if (exchange->receipt) connection_->Received(*exchange->receipt);
  }

 private:
  const std::shared_ptr<RpcClient> client_;
  const std::shared_ptr<RpcConnection> connection_;
  std::shared_ptr<Exchange> exchange_;
  const std::vector<std::shared_ptr<Referent>> kept_;  // That the request refers to.
};

}  // namespace

std::pair<std::shared_ptr<RpcConnection>, Handle> RemoteObject::Place(Deadline deadline) {
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    if (connection_->usable()) return {connection_, handle_};
  }
  std::shared_ptr<RpcConnection> connection = client_->Connection();
  if (id() != 0) connection->CheckServer(server_, id());
  Handle handle = connection->Find(id(), deadline);
  std::pair<std::shared_ptr<RpcConnection>, Handle> place;
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    if (!connection_->usable()) {
      connection_.swap(connection);
      std::swap(handle_, handle);
      return {connection_, handle_};
    }
    place = {connection_, handle_};
  }
  // Another thread was first.
  if (place != std::pair(connection, handle)) connection->Release(handle);
  return place;
}

// Where it is: address, key, number, type, and the server that is meant.
using Sent = std::tuple<std::string, std::string, std::uint64_t, std::string, HelloId>;

void RemoteObject::SendToProcess(ValueWriter out) const {
  const RpcClientOptions& options = client_->options();
  if (options.tls != nullptr) {
    throw BadValue(
        "an object that is reached by TLS can't be an argument of a process: connect "
        "to its manager there");
  }
  // The process may come when this one has let go of it.
  client_->Connection()->Keep(id(), Deadline::After(options.connect_timeout));
  Codec<Sent>::Encode({options.address.ToString(), options.key, id(), type(), server_}, out);
}

namespace {

std::shared_ptr<Referent> ReceiveFromProcess(const ValueReader& in) {
  const auto [address, key, id, type, server] = Codec<Sent>::Decode(in);
  // All that come from one manager have one connection.
  auto& clients = MadeOnce([] { return new std::map<std::string, std::weak_ptr<RpcClient>>; });
  auto client =
      std::make_shared<RpcClient>(RpcClientOptions{.address = Address::Parse(address), .key = key});
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    std::weak_ptr<RpcClient>& known = clients[absl::StrCat(address, " ", key)];
    if (std::shared_ptr<RpcClient> there = known.lock()) {
      client.swap(there);
    } else {
      known = client;
    }
  }
  const std::shared_ptr<RpcConnection> connection = client->Connection();
  connection->CheckServer(server, id);
  return client->Object(id, type, Deadline::After(client->options().connect_timeout));
}

[[maybe_unused]] const bool registered = [] {
  receive_from_process = &ReceiveFromProcess;
  return true;
}();

}  // namespace

bool RemoteObject::CallShared(WriteRequest write, ReadOutcome read, Deadline deadline) {
  int skip = skip_.load(std::memory_order_relaxed);
  if (skip > 0) {
    skip_.store(skip - 1, std::memory_order_relaxed);
    return false;
  }
  const std::shared_ptr<RpcConnection> connection = Place(deadline).first;
  Channel* const shared = connection->shared();
  if (shared == nullptr) return false;
  bool answered = false;
  try {
    shared->Call(
        [&](RequestWriter request) {
          RequestScope scope(client_, /*shared=*/true);
          Access::OutOf(request).LimitTo(MostBytes());
          request.SetTarget(id());
          write(request);
        },
        [&](const OutcomeReader& outcome) {
          answered = true;
          const SharedScope scope(client_, connection, deadline);
          read(outcome);
        },
        deadline);
  } catch (const GoAnotherWay&) {
    const int refusals = std::min(refusals_.fetch_add(1, std::memory_order_relaxed) + 1, 6);
    skip_.store((1 << refusals) - 1, std::memory_order_relaxed);
    return false;
  } catch (const NotListening&) {
    if (answered) throw;
    connection->Flush();
    return false;  // The server closes, or is gone: the socket knows.
  } catch (const ListenerDied&) {
    if (!answered) connection->Flush();  // It hears of that, too.
    throw;
  }
  refusals_.store(0, std::memory_order_relaxed);
  return true;
}

std::unique_ptr<PendingCall> RemoteObject::Begin(WriteRequest write, Deadline deadline,
                                                 bool waits) {
  const auto exchange = std::make_shared<Exchange>();
  exchange->deadline = deadline;
  std::vector<std::shared_ptr<Referent>> kept;
  {
    RequestScope scope(client_, /*shared=*/false);
    exchange->request.LimitTo(MostBytes());
    const RequestWriter request = RequestOn(exchange->request, deadline);
    request.SetTarget(id());
    write(request);
    kept = scope.Kept();
  }
  if (deadline.expired()) throw DeadlineExceeded("the call was not sent in time");
  auto [connection, handle] = Place(deadline);
  exchange->object = handle;
  exchange->number = connection->NewNumber();
  connection->Send(exchange, waits);
  auto pending = std::make_unique<RpcPendingCall>(client_, connection, exchange, std::move(kept));
  // It is on its way when this returns, even if nobody waits for its outcome; a large one goes on
  // when somebody does.
  if (!waits) connection->Flush();
  return pending;
}

std::unique_ptr<PendingCall> RemoteObject::Start(WriteRequest write, Deadline deadline) {
  return Begin(write, deadline, /*waits=*/false);
}

bool RemoteObject::WaitUntilListening(Deadline deadline) {
  for (;;) {
    try {
      client_->Connection();
      return true;
    } catch (const NotListening&) {
    }
    if (deadline.expired()) return false;
    absl::SleepFor(absl::Milliseconds(10));
    InterruptionPoint();
  }
}

// RpcClient

RpcClient::RpcClient(RpcClientOptions options)
    : options_([&] {
        // It may connect again after the program has changed its directory.
        options.address = AbsoluteAddress(options.address);
        return std::move(options);
      }()) {}

std::shared_ptr<RpcClient> RpcClient::Connect(RpcClientOptions options) {
  auto client = std::make_shared<RpcClient>(std::move(options));
  client->Connection();
  return client;
}

std::shared_ptr<RpcConnection> RpcClient::Connection() {
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    if (connection_ != nullptr && connection_->usable()) return connection_;
  }
  // If two threads come here at the same time, the connection of one of them is dropped.
  auto connection = std::make_shared<RpcConnection>(options_);
  const std::scoped_lock lock(ForkSafeMutex<Connections>());
  if (connection_ == nullptr || !connection_->usable()) connection_.swap(connection);
  return connection_;
}

void RpcClient::WithReferences(absl::FunctionRef<void()> write) {
  const std::shared_ptr<RpcClient> self = shared_from_this();
  const RequestScope scope(self, /*shared=*/false);
  write();
}

bool RpcClient::Ping(Deadline deadline) {
  try {
    Connection()->Ping(deadline);
    return true;
  } catch (const NotListening&) {
  } catch (const ListenerDied&) {
  } catch (const DeadlineExceeded&) {
  }
  return false;
}

pid_t RpcClient::server_pid() {
  const std::scoped_lock lock(ForkSafeMutex<Connections>());
  return connection_ == nullptr ? 0 : connection_->server_pid();
}

std::shared_ptr<Referent> RpcClient::Object(std::uint64_t id, std::string_view type,
                                            Deadline deadline) {
  std::shared_ptr<RpcConnection> connection = Connection();
  const Handle handle = connection->Find(id, deadline);
  return std::make_shared<RemoteObject>(shared_from_this(), id, std::string(type),
                                        std::move(connection), handle);
}

}  // namespace remoteobj::transport_internal
