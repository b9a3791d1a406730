// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/rpc_connection.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "capnp/capability.h"
#include "capnp/rpc-twoparty.h"
#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/exception.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/rpc/internal/call_failure.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"
#include "remoteobj/transport/rpc/internal/streams/bounded_message_stream.h"
#include "remoteobj/transport/rpc/internal/streams/kj_socket_stream.h"
#include "remoteobj/transport/rpc/internal/streams/tls_stream.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/wire/message.capnp.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj::transport_internal {
namespace {

// Identifies this process to servers. Made at start, so that a process and its forks have one.
const HelloId& ClientId() {
  return MadeOnce([] { return new const HelloId(RandomHelloId()); });
}
[[maybe_unused]] const HelloId& client_id_at_start = ClientId();

// The time that is left in nanoseconds, for a message to another machine; 0 if unlimited.
std::int64_t LeftOf(Deadline deadline) {
  if (deadline == Deadline::Never()) return 0;
  return std::max<std::int64_t>(1, absl::ToInt64Nanoseconds(deadline.left()));
}

// A connection on its way: its first bytes, before it has an event loop.
class Beginning {
 public:
  Beginning(int fd, Deadline deadline) : fd_(fd), deadline_(deadline) {}

  // The handshake of TLS.
  void Secure(std::unique_ptr<TlsSession> session) {
    session_ = std::move(session);
    for (;;) {
      bool done = false;
      try {
        done = session_->Handshake();
      } catch (const CallError&) {
        TrySend();  // The reason, for the server.
        throw;
      }
      WriteAll(fd_, session_->TakeOutput(), deadline_);
      if (done) return;
      Receive();
    }
  }

  // Descriptors that come along are added to `descriptors`, which may be null.
  void Read(std::span<std::byte> out, std::vector<int>* descriptors) {
    if (session_ == nullptr) return ReadAll(fd_, out, deadline_, descriptors);
    while (!out.empty()) {
      const std::size_t got = session_->Read(out);
      out = out.subspan(got);
      if (got == 0) Receive();
    }
  }
  void Write(std::span<const std::byte> bytes) {
    if (session_ == nullptr) return WriteAll(fd_, bytes, deadline_);
    session_->Write(bytes);
    WriteAll(fd_, session_->TakeOutput(), deadline_);
  }

  // Null if it is not encrypted.
  std::unique_ptr<TlsSession> TakeSession() { return std::move(session_); }

 private:
  void Receive() {
    if (session_->ended()) throw NotListening("the server hung up during the handshake");
    std::array<std::byte, 4096> received;
    const std::size_t got = ReadSome(fd_, received, deadline_);
    session_->Receive(std::span(received).first(got));
  }
  void TrySend() {
    try {
      WriteAll(fd_, session_->TakeOutput(), Deadline::Passed());
    } catch (const std::exception&) {
    }
  }

  const int fd_;
  const Deadline deadline_;
  std::unique_ptr<TlsSession> session_;
};

// Returns the server. Descriptors that come with its reply are added to `descriptors`.
HelloPeer ShakeHands(const RpcClientOptions& options, const Tls* tls, Beginning& beginning,
                     std::vector<int>& descriptors) {
  std::string channel;
  if (tls != nullptr) {
    std::unique_ptr<TlsSession> session = ContextOf(*tls).Connect(options.address.host());
    TlsSession& secured = *session;
    beginning.Secure(std::move(session));
    channel = secured.Channel();
  }
  ClientHello hello({.key = options.key,
                     .shared_memory = options.shared_memory,
                     .pid = static_cast<std::uint32_t>(PidOf(Self())),
                     .id = ClientId(),
                     .channel = std::move(channel)});
  HelloGreeting greeting;
  HelloReply reply;
  beginning.Read(greeting, nullptr);
  beginning.Write(hello.Answer(greeting));
  beginning.Read(reply, &descriptors);
  return hello.Finish(reply);
}

// Without a key nothing else tells who listens at a unix address: anyone can have taken a name.
void CheckListener(const RpcClientOptions& options, int fd) {
  const std::optional<PeerCredentials> listener = CredentialsOf(fd);
  if (!options.key.empty() || options.other_users || !listener) return;
  if (listener->uid == geteuid() || listener->uid == 0) return;
  throw AuthenticationError(
      absl::StrCat("the process that listens at ", options.address.ToString(), " (pid ",
                   listener->pid, ") belongs to another user (uid ", listener->uid,
                   "), and there is no key that it could prove: if that is meant, set "
                   "the option other_users on this side"));
}

}  // namespace

// The RPC system on the socket, and the capabilities that it has received.
class RpcConnection::Wire final : private kj::TaskSet::ErrorHandler {
 public:
  // `secured` is null, or a TLS stream over `plain`.
  Wire(std::unique_ptr<SocketStream> plain, kj::Own<kj::AsyncIoStream> secured,
       std::size_t max_message_bytes, RpcConnection& connection)
      : connection_(connection),
        plain_(std::move(plain)),
        secured_(kj::mv(secured)),
        messages_(secured_.get() == nullptr ? *plain_ : *secured_),
        network_(messages_, capnp::rpc::twoparty::Side::CLIENT,
                 ReaderLimits(max_message_bytes / sizeof(Word))),
        rpc_(capnp::makeRpcClient(network_)),
        session(Bootstrap(rpc_)),
        tasks_(*this) {
    tasks_.add(session.closedRequest().send().then(
        [&connection](auto&&) { connection.goodbye_.store(true); }));
    tasks_.add(network_.onDisconnect().then([this] { lost_ = true; }));
  }

  // The socket's own stream.
  SocketStream& stream() { return *plain_; }
  bool lost() const { return lost_; }

  Handle Hold(schema::Object::Client object) {
    objects.emplace(++last_, kj::mv(object));
    return last_;
  }
  Handle Hold(schema::Receipt::Client receipt) {
    receipts.emplace(++last_, kj::mv(receipt));
    return last_;
  }

  // Completes `exchange` when the request is answered, after `take` has read the results.
  template <typename Request, typename Take>
  void Send(Request request, const std::shared_ptr<Exchange>& exchange, Take take) {
    tasks_.add(request.send()
                   .then([this, exchange, take](auto&& results) {
                     if (exchange->given_up) return;
                     std::exception_ptr error;
                     if constexpr (requires { results.isFailure(); }) {
                       if (results.isFailure()) {
                         error = ErrorOf(results.getFailure(), connection_.address_);
                       }
                     }
                     if (error == nullptr) take(results);
                     connection_.Complete(*exchange, error);
                   })
                   .catch_([this, exchange](kj::Exception&& e) {
                     const std::exception_ptr error = ErrorOf(e, connection_.address_);
                     if (error == nullptr) {
                       NoteLost(e);
                     } else {
                       connection_.Complete(*exchange, error);
                     }
                   }));
  }
  // Sends a request that no thread waits for.
  template <typename Request>
  void Send(Request request) {
    tasks_.add(request.send().ignoreResult());
  }

  void SendCall(const std::shared_ptr<Exchange>& exchange) {
    auto request = objects.find(exchange->object)
                       ->second.callRequest(capnp::MessageSize{exchange->request.used() + 8, 0});
    exchange->notes = notes;
    request.setCall(exchange->number);
    request.setLeft(LeftOf(exchange->deadline));
    request.setRequest(OwnMessage(exchange->request.words()).Root<schema::Request>());
    Send(kj::mv(request), exchange, [this, &exchange = *exchange](auto& results) {
      const auto answer = results.getAnswer();
      CopyTo(exchange.outcome, answer.getOutcome());
      for (auto reference : answer.getReferences()) {
        exchange.references.emplace_back(reference.getId(), Hold(reference.getObject()));
      }
      if (answer.hasReceipt()) exchange.receipt = Hold(answer.getReceipt());
    });
  }

 private:
  static schema::Session::Client Bootstrap(capnp::RpcSystem<capnp::rpc::twoparty::VatId>& rpc) {
    capnp::MallocMessageBuilder message(8);
    auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
    vat.setSide(capnp::rpc::twoparty::Side::SERVER);
    return rpc.bootstrap(vat).castAs<schema::Session>();
  }
  void NoteLost(const kj::Exception& e) {
    constexpr std::string_view kRemote = "remote exception: ";
    const std::string_view text = e.getDescription().cStr();
    if (connection_.why_lost_.empty() && text.starts_with(kRemote)) {
      connection_.why_lost_ = ": " + std::string(text.substr(kRemote.size()));
    }
    lost_ = true;
  }
  // Called for requests that no thread waits for.
  void taskFailed(kj::Exception&&) override {}

  RpcConnection& connection_;
  const std::unique_ptr<SocketStream> plain_;
  kj::Own<kj::AsyncIoStream> secured_;
  BoundedMessageStream messages_;
  capnp::TwoPartyVatNetwork network_;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc_;

 public:
  schema::Session::Client session;
  std::unordered_map<Handle, schema::Object::Client> objects;
  std::unordered_map<Handle, schema::Receipt::Client> receipts;
  std::uint64_t notes = 0;  // How many were sent.

 private:
  Handle last_ = 0;
  bool lost_ = false;
  kj::TaskSet tasks_;  // Destroyed first: its promises refer to the rest.
};

RpcConnection::RpcConnection(const RpcClientOptions& options, const Tls* tls)
    : address_(options.address.ToString()) {
  if (options.address.kind() == Address::Kind::kTcp && options.key.empty()) {
    throw AuthenticationError(
        absl::StrCat("a server at ", address_, " requires a key, and this side has none"));
  }
  const Deadline deadline = Deadline::After(options.connect_timeout);
  socket_ = ConnectTo(options.address, deadline);
  CheckListener(options, socket_.fd());
  wake_ = NewBell();

  Beginning beginning(socket_.fd(), deadline);
  std::vector<int> descriptors;
  absl::Cleanup close_received = [&] {
    for (const int fd : descriptors) close(fd);
  };
  try {
    server_ = ShakeHands(options, tls, beginning, descriptors);
  } catch (const CallError& e) {
    e.ThrowWithContext(absl::StrCat("handshake with ", address_));
  }
  if (descriptors.size() == 2) {
    std::move(close_received).Cancel();
    bell_ = Socket(descriptors[1]);
    try {
      shared_ = AttachPolled(descriptors[0], bell_.fd());
    } catch (const std::system_error&) {
      // There is no address space for it: calls use the socket.
    }
  }
  // A process that can't tell if the server lives (in another PID namespace) can't use it.
  if (shared_ != nullptr && !shared_->listening()) shared_.reset();
  const auto credentials = CredentialsOf(socket_.fd());
  server_pid_ = credentials ? credentials->pid : static_cast<pid_t>(server_.pid);

  loop_ = std::make_unique<kj::EventLoop>();
  const kj::WaitScope scope(*loop_);
  auto plain = std::make_unique<SocketStream>(socket_.fd());
  kj::Own<kj::AsyncIoStream> secured;
  if (auto session = beginning.TakeSession()) {
    secured = kj::heap<TlsStream>(
        kj::Own<kj::AsyncIoStream>(plain.get(), kj::NullDisposer::instance), std::move(session));
  }
  wire_ =
      std::make_unique<Wire>(std::move(plain), kj::mv(secured), options.max_message_bytes, *this);
  loop_->run();
}

RpcConnection::~RpcConnection() {
  if (!of_this_process()) {
    // The copy of a forked child: the loop belongs to the parent.
    static_cast<void>(loop_.release());
    static_cast<void>(wire_.release());
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
    // This thread runs a KJ event loop, within which no other can be entered.
    std::thread(end).join();
  }
}

void RpcConnection::CheckServer(const HelloId& server, std::uint64_t id) const {
  if (server == server_.id) return;
  throw StaleReference(
      absl::StrCat("the server at ", address_, " was restarted: object ", id, " is gone"));
}

void RpcConnection::ThrowLost() const {
  if (goodbye_.load()) {
    throw NotListening(absl::StrCat("the server at ", address_, " has closed"));
  }
  throw ListenerDied(
      absl::StrCat("the connection to the server at ", address_, " was lost", why_lost_),
      {.pid = server_pid_}, /*evaluating=*/true);
}

void RpcConnection::Enter(absl::FunctionRef<void()> inside) {
  std::optional<kj::WaitScope> scope;
  try {
    scope.emplace(*loop_);
  } catch (const kj::Exception&) {
    throw std::logic_error(
        "this thread runs a KJ event loop: call objects of a server from another thread");
  }
  inside();
}

bool RpcConnection::RunReady() {
  // Not all: a server can have the next event ready each time, and the caller has a deadline.
  constexpr unsigned kMostEvents = 1000;
  loop_->run(kMostEvents);
  if (!wire_->lost()) return true;
  // A goodbye which came with the end of the connection counts.
  loop_->run();
  return false;
}

void RpcConnection::Sleep(absl::Duration timeout) {
  pollfd wait[2] = {{socket_.fd(), wire_->stream().events(), 0}, {wake_.fd(), POLLIN, 0}};
  if (loop_->isRunnable()) timeout = absl::ZeroDuration();
  const timespec time = absl::ToTimespec(timeout);
  if (ppoll(wait, 2, &time, nullptr) <= 0) return;
  if (wait[1].revents != 0) HearBell(wake_.fd());
  wire_->stream().Ready(wait[0].revents);
}

template <typename Work>
void RpcConnection::PostNote(Work work) {
  // Counted before it is posted: no call may use shared memory from now on.
  notes_posted_.fetch_add(1);
  threads_.Post([this, work] {
    ++wire_->notes;
    work(*wire_);
  });
}

// Sends `request(wire)` and waits until `take(wire, results)` has read the results.
template <typename Request, typename Take>
void RpcConnection::Ask(const std::shared_ptr<Exchange>& exchange, Deadline deadline,
                        Request request, Take take) {
  const auto send = [this, exchange, request, take] {
    wire_->Send(request(*wire_), exchange, [this, take](auto& results) { take(*wire_, results); });
  };
  threads_.RunUntil(send, [&] { return exchange->done; }, deadline);
  if (!IsFinished(*exchange, deadline)) Finish(*exchange, deadline);
}

void RpcConnection::Complete(Exchange& exchange, std::exception_ptr error) {
  threads_.Update([&] {
    exchange.error = std::move(error);
    exchange.done = true;
    notes_acknowledged_.store(std::max(notes_acknowledged_.load(), exchange.notes));
  });
}

Handle RpcConnection::Find(std::uint64_t id, Deadline deadline) {
  const auto exchange = std::make_shared<Exchange>();
  Ask(
      exchange, deadline,
      [id](Wire& wire) {
        auto request = wire.session.objectRequest();
        request.setId(id);
        return request;
      },
      [&exchange = *exchange](Wire& wire, auto& results) {
        exchange.object = wire.Hold(results.getObject());
      });
  return exchange->object;
}

void RpcConnection::Ping(Deadline deadline) {
  Ask(
      std::make_shared<Exchange>(), deadline, [](Wire& wire) { return wire.session.pingRequest(); },
      [](Wire&, auto&) {});
}

void RpcConnection::Keep(std::uint64_t id, Deadline deadline) {
  Ask(
      std::make_shared<Exchange>(), deadline,
      [id](Wire& wire) {
        auto request = wire.session.keepRequest();
        request.setId(id);
        return request;
      },
      [](Wire&, auto&) {});
}

void RpcConnection::Call(const std::shared_ptr<Exchange>& exchange, Deadline deadline) {
  threads_.RunUntil([this, exchange] { wire_->SendCall(exchange); }, [&] { return exchange->done; },
                    deadline);
  if (!IsFinished(*exchange, deadline)) Finish(*exchange, deadline);
}

void RpcConnection::Start(const std::shared_ptr<Exchange>& exchange) {
  // A note: no later call may overtake it. Its own outcome acknowledges it.
  PostNote([exchange](Wire& wire) { wire.SendCall(exchange); });
  Flush();
}

bool RpcConnection::ready(Exchange& exchange) {
  const auto done = [&] { return exchange.done; };
  if (threads_.Check(done) || threads_.ended()) return true;
  threads_.RunUntil(done, Deadline::Passed());
  return threads_.Check(done) || threads_.ended();
}

void RpcConnection::Finish(Exchange& exchange, Deadline deadline) {
  do {
    threads_.RunUntil([&] { return exchange.done; }, deadline);
  } while (!IsFinished(exchange, deadline));
}

// Called after a wait, to tell why it has ended.
bool RpcConnection::IsFinished(Exchange& exchange, Deadline deadline) {
  if (threads_.Check([&] { return exchange.done; })) {
    if (exchange.error != nullptr) std::rethrow_exception(exchange.error);
    return true;
  }
  if (threads_.ended()) ThrowLost();
  InterruptionPoint();  // It may have nothing to throw.
  if (deadline.expired()) throw DeadlineExceeded("the outcome did not come in time");
  return false;
}

void RpcConnection::GiveUp(const std::shared_ptr<Exchange>& exchange) {
  if (!usable()) return;
  PostNote([exchange](Wire& wire) {
    if (!exchange->done) {
      exchange->given_up = true;
      auto request = wire.session.cancelRequest();
      request.setCall(exchange->number);
      wire.Send(kj::mv(request));
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
    wire.Send(at->second.receivedRequest());
    wire.receipts.erase(at);
  });
  Flush();
}

}  // namespace remoteobj::transport_internal
