// SPDX-License-Identifier: MIT
//
// The parts of RpcServer: Impl has the loop, Connection is one client from accept() to its end.
//
// Threads:  used in the loop only, except Stop() and Post().
// Lifetime: a connection belongs to the loop's tasks, which end before the loop does.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_IMPL_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_IMPL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "capnp/rpc-twoparty.h"
#include "kj/async-io.h"
#include "kj/async-unix.h"
#include "kj/async.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/client_link.h"
#include "remoteobj/transport/rpc/internal/handshake_budget.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/polled_calls.h"
#include "remoteobj/transport/rpc/internal/rpc_server.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/internal/streams/bounded_message_stream.h"
#include "remoteobj/transport/rpc/internal/streams/kj_stream.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"
#include "remoteobj/transport/rpc/tls_layer.h"
#include "remoteobj/transport/shared_memory/internal/spin.h"

namespace remoteobj::transport_internal {

kj::Duration ToKj(absl::Duration duration);

class RpcServer::Impl final : private kj::TaskSet::ErrorHandler {
 public:
  Impl(RpcServer& self, RpcService& service, RpcServerOptions options);
  ~Impl() { StopListening(); }

  const Address& address() const { return bound_; }
  void Run();
  void Stop();
  void Post(std::function<void()> work);

 private:
  class Connection;
  struct Loop;

  void StopListening();
  kj::Promise<void> ReadInbox();
  kj::Promise<void> Accept();
  // Drops a client that has not finished its handshake. REQUIRES: there is one.
  void MakeRoom();
  void LogRefused(const std::string& address, const std::string& why);
  kj::Promise<void> SayGoodbye();
  // Polls the connection's shared memory until there have been no calls for a while.
  void MakeHot(Connection& connection);
  void PollHot();
  void RearmTimer();
  kj::Promise<void> AwaitTimeout();
  // The charge lasts until the timer fires, even if the object is asked for before.
  void Keep(std::shared_ptr<Referent> object, std::shared_ptr<void> charge);
  // A client that hangs up or sends garbage concerns no one else.
  void taskFailed(kj::Exception&&) override {}

  RpcServer& self_;
  RpcService& service_;
  const RpcServerOptions options_;
  const std::shared_ptr<const HelloKeys> keys_;
  const std::shared_ptr<const Tls> tls_;  // Null: connections are not encrypted.
  Address bound_;
  HelloId id_ = {};
  Socket event_;
  Socket socket_;
  SocketFile file_;
  std::atomic<bool> stop_{false};
  std::mutex inbox_mutex_;
  std::vector<std::function<void()>> inbox_;  // Guarded by inbox_mutex_.

  Loop* loop_ = nullptr;                      // While Run() runs.
  kj::Own<kj::PromiseFulfiller<void>> wake_;  // Wakes Run() while it sleeps.
  // Each connection is in one of these two, in the order in which it came there.
  std::list<Connection*> in_handshake_;
  std::list<Connection*> past_handshake_;
  std::map<std::string, std::size_t> half_open_;  // The number of those in_handshake_, by host().
  std::list<Connection*> hot_;
  Spinner spinner_;
  std::uint64_t refused_ = 0;         // How many clients were not let in.
  std::uint64_t without_memory_ = 0;  // How many could have no shared memory.
  Deadline armed_ = Deadline::Never();
  bool stopped_ = false;  // All that was posted before Stop() is done.
  bool closing_ = false;
  const std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
};

// The state of a running Run(). Destroyed from last to first: connections before the event port.
struct RpcServer::Impl::Loop {
  explicit Loop(Impl& server);

  kj::AsyncIoContext io;
  kj::UnixEventPort::FdObserver event_ready;
  kj::UnixEventPort::FdObserver accept_ready;
  HandshakeBudget accepts;  // For what comes before the handshake: a flood of connections.
  HandshakeBudget handshakes;
  kj::TaskSet tasks;
  kj::Promise<void> inbox = nullptr;
  kj::Promise<void> accept = nullptr;
  kj::Promise<void> timeout = nullptr;  // The time-out of the next call.

  kj::Timer& timer() { return io.provider->getTimer(); }
};

// Owns the RPC system of its client, and closes the client's link when it ends.
class RpcServer::Impl::Connection {
 public:
  Connection(Impl& server, Socket socket);
  ~Connection();

  // Serves until the client has gone, or Drop().
  kj::Promise<void> Serve();
  // Has the connection destroyed in the loop's next turn.
  void Drop();
  // The network of the client's machine; empty for this one.
  const std::string& host() const { return host_; }
  // Null if the client has no shared memory.
  PolledCalls* polled() { return polled_.get(); }

  // Returns true if the client was let in, and so may have sent a call.
  bool let_in() const { return link_->session != nullptr && state_ != State::kDropped; }
  // Tells the client that calls which are not answered yet will not be. REQUIRES: let_in().
  kj::Promise<void> Goodbye();

 private:
  enum class State { kHandshake, kLetIn, kDropped };

  void Become(State state);
  // The handshake of TLS, if there is TLS.
  kj::Promise<void> Secure();
  // Goes on with bytes that were received, as soon as the client has a turn.
  kj::Promise<void> SecureInTurn(std::size_t got);
  kj::Promise<void> SecureOn(std::size_t got);
  kj::Promise<void> Refuse(const std::string& why, std::vector<std::byte> last_words);
  kj::Promise<void> Write(std::vector<std::byte> bytes);
  // The handshake of hello.h.
  kj::Promise<void> Greet(std::string channel);
  kj::Promise<void> Reply();
  bool MakeSharedMemory();
  kj::Promise<void> ShareMemory();
  kj::Promise<void> AwaitBell();
  kj::Promise<void> Speak();
  transport_internal::NextTurn GiveUpTurn();

  Impl& server_;
  Socket socket_;
  const std::optional<PeerCredentials> credentials_;  // Set for a client on this machine.
  const std::string host_;
  kj::Own<kj::AsyncIoStream> stream_;
  std::unique_ptr<TlsSession> tls_;       // During its handshake.
  std::array<std::byte, 4096> received_;  // For that.
  std::size_t handshake_bytes_ = 0;       // All that it has received.
  std::vector<std::string> certificate_names_;
  std::optional<ServerHello> hello_;
  HelloAnswer answer_ = {};
  HelloReply reply_ = {};
  const std::shared_ptr<Link> link_;
  kj::Promise<void> dropped_ = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> drop_;
  State state_ = State::kHandshake;
  std::list<Connection*>::iterator place_;
  std::unique_ptr<PolledCalls> polled_;
  kj::Own<kj::UnixEventPort::FdObserver> bell_ready_;
  kj::Promise<void> bell_rung_ = nullptr;
  kj::Own<BoundedMessageStream> messages_;
  kj::Own<capnp::TwoPartyVatNetwork> network_;
  kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_IMPL_H_
