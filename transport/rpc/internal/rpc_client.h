// SPDX-License-Identifier: MIT
//
// A client of an RPC server, by which it gets and calls the server's objects.
//
//   auto client = RpcClient::Connect({.address = Address::Parse("unix:/run/jobs"), .key = key});
//   std::shared_ptr<Referent> root = client->Object(0, "Root", deadline);
//   root->channel().Call(write, read, deadline);
//
// The client has no thread: the threads that wait for answers read the socket in turn
// (leader_followers.h), so a call from one thread costs no switch to another.
//
// A connection belongs to one process. In a forked child, and after a connection was lost, the next
// call connects again, and each object is asked for again by its number. If the server was
// restarted since, that is a StaleReference.
//
// Threads:  thread-safe.
// Lifetime: the connection closes with the client and the last of its objects.
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
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/wire/references.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {
class Channel;
class Tls;
}  // namespace remoteobj

namespace remoteobj::transport_internal {

class RpcClient;
class RpcConnection;

// Makes an object of this process callable by the server: returns the server's object whose calls
// come to `channel`.
using OfferObject = std::shared_ptr<Referent> (*)(const std::shared_ptr<RpcClient>& client,
                                                  std::string_view type,
                                                  const std::shared_ptr<Channel>& channel);

struct RpcClientOptions {
  Address address;
  std::string key = {};
  // Null: a connection by TCP is encrypted with what is derived from the key, unless `plaintext`.
  std::shared_ptr<Tls> tls = {};
  bool plaintext = false;
  // Without a key, the listener at a unix address may belong to another user than this one or root.
  bool other_users = false;
  // The limit for connecting, and for connecting again.
  absl::Duration connect_timeout = absl::Seconds(10);
  // The largest request. The server limits outcomes; both should have the same limit.
  std::size_t max_message_bytes = kMaxRpcMessageBytes;
  // Calls that need not wait use shared memory if the server is on this machine.
  bool shared_memory = true;
  // Null: objects of this process can't be sent to the server.
  OfferObject offer_object = nullptr;
};

class RpcClient : public std::enable_shared_from_this<RpcClient> {
 public:
  static std::shared_ptr<RpcClient> Connect(RpcClientOptions options);
  explicit RpcClient(RpcClientOptions options);

  const RpcClientOptions& options() const { return options_; }

  // Returns the object with that number. `type` is the type that it claims to have. Throws
  // StaleReference.
  std::shared_ptr<Referent> Object(std::uint64_t id, std::string_view type, Deadline deadline);

  // Returns the connection of this process; connects if there is none or the last one was lost.
  std::shared_ptr<RpcConnection> Connection();
  // The server's process on its machine; 0 without a connection.
  pid_t server_pid();
  // Calls `write`, which writes values that will be sent to the server later, with their
  // attachments.
  void WithAttachments(absl::FunctionRef<void(Attachments&)> write);
  // Returns true if the server answers.
  bool Ping(Deadline deadline);

  // An object of the server process `server` as an argument of a process: SendToProcess() writes
  // how the process reaches it, ReceiveFromProcess() returns the object there. kSentKind is its
  // kind for RegisterReferents() of references.h.
  static constexpr char kSentKind[] = "rpc";
  void SendToProcess(std::uint64_t id, const std::string& type, const HelloId& server,
                     ValueWriter out);
  static std::shared_ptr<Referent> ReceiveFromProcess(const ValueReader& in,
                                                      OfferObject offer_object);

 private:
  const RpcClientOptions options_;
  const std::shared_ptr<const Tls> tls_;       // Null: it is not encrypted.
  std::shared_ptr<RpcConnection> connection_;  // Guarded by ForkSafeMutex<Connections>().
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_CLIENT_H_
