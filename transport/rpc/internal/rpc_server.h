// SPDX-License-Identifier: MIT
//
// A server of objects over Cap'n Proto RPC, which serves all clients on one thread.
//
//   RpcServer server(service, {.address = Address::Parse("tcp:127.0.0.1:0"), .key = key});
//   std::thread thread([&] { server.Run(); });        // until Stop()
//   server.address();                                 // with the port that was chosen
//
// Nothing that a client sends is parsed before the handshake (hello.h) has proved that both sides
// have the key. By TCP that is done within TLS, whose handshakes get a fifth of the loop's time at
// most (handshake_budget.h). Both handshakes together have a time limit of ten seconds. A client
// that fails is dropped. The messages of the others wait for one turn of each other connection at
// most (bounded_message_stream.h) and for the calls in it, each of which runs to its end.
//
// Threads:  one thread calls Run(); any thread calls Post() and Stop(). The service is called in
//           Run(), and calls `done` of its answers from any thread.
// Errors:   std::system_error if it can't listen; std::invalid_argument for TCP without a key, or
//           with one that is too short.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"

namespace remoteobj {
class Tls;
}

namespace remoteobj::transport_internal {

struct RpcServerOptions {
  Address address;
  // Clients must have this key, or one of `named_keys`, whose name PeerInfo::key_name then is.
  // Without any they need none.
  std::string key = {};
  std::vector<NamedKey> named_keys = {};
  // Null: connections by TCP are encrypted with what is derived from the key, unless `plaintext`.
  std::shared_ptr<Tls> tls = {};
  bool plaintext = false;
  // Other users may connect to a Unix socket.
  bool other_users = false;
  // Clients on this machine may use shared memory instead of the socket.
  bool shared_memory = true;
  // The largest message that is accepted.
  std::size_t max_message_bytes = kMaxRpcMessageBytes;
  // The time limit of a handshake, and how many clients may be in it before the oldest is dropped.
  absl::Duration hello_timeout = absl::Seconds(10);
  std::size_t max_half_open = 1000;
};

// For TCP. A shorter key could be found by trying.
inline constexpr std::size_t kMinTcpKeyBytes = 16;

// Throws std::invalid_argument for TCP without a key, which keeps neither other users of this
// machine nor other machines out; and for TCP with a key that is too short.
void CheckKey(const Address& address, const std::string& key);
// Throws std::invalid_argument if both are set.
void CheckPlaintext(bool plaintext, const Tls* tls);

class RpcServer {
 public:
  RpcServer(RpcService& service, RpcServerOptions options);
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // The server whose loop runs on the calling thread; null if there is none.
  static RpcServer* current();

  const Address& address() const;

  // Serves until Stop(). Then it tells its clients that it closes; a client that does not ask for
  // that delays it by a second at most.
  void Run();
  // Called by any thread, also in a signal handler.
  void Stop();
  // Has Run() call `work`.
  void Post(std::function<void()> work);
  // Returns when everything that clients have sent before this call has been received. REQUIRES:
  // another thread is in Run().
  void Sync();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_H_
