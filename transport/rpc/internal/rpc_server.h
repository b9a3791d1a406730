// SPDX-License-Identifier: MIT
//
// A server of objects over Cap'n Proto RPC, which serves all clients on one thread.
//
//   RpcServer server(service, {.address = Address::Parse("tcp:127.0.0.1:0"), .key = key});
//   std::thread thread([&] { server.Run(); });        // until Stop()
//   server.address();                                 // with the port that was chosen
//
// Nothing that a client sends is parsed before the handshake (hello.h) has proved that both sides
// have the key. The handshake has a time limit of ten seconds. A client that fails it is dropped;
// the others are not affected.
//
// Threads:  one thread calls Run(); any thread calls Post() and Stop(). The service is called in
//           Run(), and calls `done` of its answers from any thread.
// Errors:   std::system_error if it can't listen; std::invalid_argument for an address beyond this
//           machine without a key.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

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
  std::string key = {};
  // Null: connections are not encrypted.
  std::shared_ptr<Tls> tls = {};
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

// Throws std::invalid_argument for an address where other machines can connect, without a key; and
// for TCP with a key that is too short.
void CheckKey(const Address& address, const std::string& key);

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
