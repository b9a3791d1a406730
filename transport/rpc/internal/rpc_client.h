// SPDX-License-Identifier: MIT
//
// The objects of an RPC server, for its clients.
//
//   auto client = RpcClient::Connect({.address = Address::Parse("unix:/run/jobs"), .key = key});
//   std::shared_ptr<Referent> root = client->Object(0, "Root", deadline);
//   root->channel().Call(write, read, deadline);
//
// There is no thread for it: of those that wait for an answer one reads the socket, for all, and
// hands that on when it has its own. A call from one thread costs no switch to another.
//
// A connection belongs to a process. In a forked child the first call makes another, and each
// object is asked for again by its number; so it is after a connection was lost. If the server was
// started anew meanwhile that is StaleReference.
//
// Threads:  thread-safe.
// Lifetime: the last object that is dropped, or the client, closes the connection.
// Errors:   AuthenticationError, NotListening, DeadlineExceeded from connecting; those of channel.h
//           from calls.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_CLIENT_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_CLIENT_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
class Tls;
}

namespace remoteobj::transport_internal {

class RpcConnection;

struct RpcClientOptions {
  Address address;
  std::string key = {};
  // Null: none.
  std::shared_ptr<Tls> tls = {};
  // For connecting, and for making a lost connection again.
  absl::Duration connect_timeout = absl::Seconds(10);
  // The largest request. That of an outcome is the server's; both should have the same.
  std::size_t max_message_bytes = kMaxManagerMessageBytes;
  // Whether calls that need not wait go through shared memory, where the server is on this machine.
  bool shared_memory = true;
};

class RpcClient : public std::enable_shared_from_this<RpcClient> {
 public:
  static std::shared_ptr<RpcClient> Connect(RpcClientOptions options);
  explicit RpcClient(RpcClientOptions options);

  const RpcClientOptions& options() const { return options_; }

  // The object of that number; `type` is what it says of itself. Throws StaleReference.
  std::shared_ptr<Referent> Object(std::uint64_t id, std::string_view type, Deadline deadline);

  // The connection of this process; made if there is none, or the last one is lost.
  std::shared_ptr<RpcConnection> Connection();
  // The server's process, on its machine; 0 without a connection.
  pid_t server_pid();
  // Calls `write`, which writes values that are to be sent to the server later.
  void WithReferences(absl::FunctionRef<void()> write);
  // Whether the server answers.
  bool Ping(Deadline deadline);

 private:
  const RpcClientOptions options_;
  std::shared_ptr<RpcConnection> connection_;  // Guarded by ForkSafeMutex<Connections>().
};

// Makes an object of this process one that the server can call; set by who knows how (the manager's
// serving.cc).
using OfferObject = std::shared_ptr<Referent> (*)(const std::shared_ptr<RpcClient>& client,
                                                  std::string_view type,
                                                  const std::shared_ptr<Channel>& channel);
inline constinit OfferObject offer_object = nullptr;

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_CLIENT_H_
