// SPDX-License-Identifier: MIT
//
// Serves objects over Cap'n Proto RPC, all clients on one thread.
//
//   RpcServer server(service, {.address = Address::Parse("tcp:127.0.0.1:0"), .key = key});
//   std::thread thread([&] { server.Run(); });        // until Stop()
//   server.address();                                 // with the port that was chosen
//
// Nothing that a client sends is parsed before both sides have proved that they have the key
// (hello.h), which has to come about in ten seconds. Who fails is dropped, and the others are
// served on.
//
// Threads:  Run belongs to one thread; Post and Stop to any. All of the service is called in Run,
//           except the `done` of its answers, which it calls from any thread.
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
  // Null: none.
  std::shared_ptr<Tls> tls = {};
  // Of unix sockets: whether other users may connect.
  bool other_users = false;
  // Whether clients on this machine may use shared memory instead of the socket.
  bool shared_memory = true;
  // The largest message that is taken.
  std::size_t max_message_bytes = kMaxManagerMessageBytes;
  // For the first words of a connection; and how many may be at that, beyond which the oldest goes.
  absl::Duration hello_timeout = absl::Seconds(10);
  std::size_t max_half_open = 1000;
};

// Throws std::invalid_argument for an address where other machines can connect, without a key.
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

  // Serves until Stop(). Then it says goodbye to its clients, and waits no longer than half a
  // second for those that do not listen.
  void Run();
  // From any thread, also in a handler of signals.
  void Stop();
  // Calls `work` in Run.
  void Post(std::function<void()> work);
  // Returns when everything that clients have sent so far has been taken. REQUIRES: another thread
  // is in Run.
  void Sync();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVER_H_
