// SPDX-License-Identifier: MIT
//
// One connection of a client to an RPC server: it is made with the handshake, sends calls and
// matches their outcomes, and ends with the first error of the socket or the server's goodbye.
//
//   RpcConnection connection(options);
//   const Handle object = connection.Find(0, deadline);
//   connection.Call(exchange, deadline);                // sends it and waits for its outcome
//
// The connection has no thread: threads that wait for outcomes run its KJ event loop in turn
// (leader_followers.h).
//
// Threads:  thread-safe.
// Lifetime: belongs to one process. A forked child may ask whose it is, and destroy its copy.
// Errors:   AuthenticationError, ConnectionRefused, NotListening, DeadlineExceeded from the
//           constructor; those of channel.h from the others.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_CONNECTION_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_CONNECTION_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/leader_followers.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/wire/internal/heap_message.h"

namespace kj {
class EventLoop;
}

namespace remoteobj {
class Tls;
}

namespace remoteobj::transport_internal {

// A number for a capability of one connection, by which other threads than the leader name it.
using Handle = std::uint64_t;

// Tag of the fork-safe mutex that guards which connection a client and its objects use. A forked
// child connects again, while threads of its parent may have held this mutex: so nothing is sent,
// made or destroyed under it, and no other lock is taken.
struct Connections;

// A request and its outcome. `done` is guarded by the connection; the outcome and what belongs to
// it are written in the loop before `done` is set, and read afterwards.
struct Exchange {
  std::uint64_t number = 0;
  Handle object = 0;
  std::uint64_t notes = 0;                // How many notes were sent before it.
  Deadline deadline = Deadline::Never();  // The request's.
  HeapMessage request;
  HeapMessage outcome;
  // The objects that the outcome refers to: their numbers and capabilities.
  std::vector<std::pair<std::uint64_t, Handle>> references;
  std::optional<Handle> receipt;
  std::exception_ptr error;
  bool done = false;
  bool given_up = false;  // Used in the loop only.
};

class RpcConnection final : private SharedLoop {
 public:
  // Encrypted unless `tls` is null.
  RpcConnection(const RpcClientOptions& options, const Tls* tls);
  ~RpcConnection();
  RpcConnection(const RpcConnection&) = delete;
  RpcConnection& operator=(const RpcConnection&) = delete;

  const HelloPeer& server() const { return server_; }
  pid_t server_pid() const { return server_pid_; }
  bool of_this_process() const { return threads_.of_this_process(); }
  // Returns true if it belongs to this process and neither is lost nor was closed by the server.
  bool usable() const { return of_this_process() && !threads_.ended() && !goodbye_.load(); }
  // Throws StaleReference if object `id` belongs to another server than this one.
  void CheckServer(const HelloId& server, std::uint64_t id) const;

  // Returns the shared-memory channel for calls that need not wait, or null if this call must use
  // the socket. The channel is faster than the socket, so a call that used it would overtake notes
  // which the server has not acknowledged; a thread's messages must take effect in order.
  Channel* shared() {
    return notes_acknowledged_.load() == notes_posted_.load() ? shared_.get() : nullptr;
  }

  // These send a request and wait for its answer. They throw the failure that the server reports,
  // what ended the connection, or DeadlineExceeded.
  Handle Find(std::uint64_t id, Deadline deadline);
  void Ping(Deadline deadline);
  // Has the server keep the object for another process that will ask for it.
  void Keep(std::uint64_t id, Deadline deadline);
  void Call(const std::shared_ptr<Exchange>& exchange, Deadline deadline);

  // A call whose sender does not wait: Start() sends it as far as the socket takes it, Finish()
  // waits for it as Call() does. ready() returns true if Finish() would not block.
  void Start(const std::shared_ptr<Exchange>& exchange);
  void Finish(Exchange& exchange, Deadline deadline);
  bool ready(Exchange& exchange);

  // Cancels the call, or releases what its outcome holds. Does not wait.
  void GiveUp(const std::shared_ptr<Exchange>& exchange);
  // Releases a capability. Does not wait.
  void Release(Handle handle);
  // Acknowledges what was handed over with an outcome. Does not wait.
  void Received(Handle receipt);
  // Sends what was posted and reads what has come. Neither waits nor throws.
  void Flush() noexcept { threads_.Flush(); }

  std::uint64_t NewNumber() { return numbers_.fetch_add(1); }

 private:
  class Wire;

  void Enter(absl::FunctionRef<void()> inside) override;
  bool RunReady() override;
  void Sleep(absl::Duration timeout) override;
  void Wake() override { RingBell(wake_.fd()); }

  template <typename Work>
  void PostNote(Work work);
  template <typename Request, typename Take>
  void Ask(const std::shared_ptr<Exchange>& exchange, Deadline deadline, Request request,
           Take take);
  void Complete(Exchange& exchange, std::exception_ptr error);
  bool IsFinished(Exchange& exchange, Deadline deadline);
  [[noreturn]] void ThrowLost() const;

  const std::string address_;
  Socket socket_;
  Socket wake_;  // An eventfd that ends the leader's sleep.
  Socket bell_;
  std::shared_ptr<Channel> shared_;
  HelloPeer server_;
  pid_t server_pid_ = 0;
  std::atomic<bool> goodbye_{false};
  std::string why_lost_;  // The server's words. Written in the loop before it ends.
  std::atomic<std::uint64_t> numbers_{1};
  // A note is a message that no thread waits for. The server has acknowledged a note when it has
  // answered a call that was sent after it.
  std::atomic<std::uint64_t> notes_posted_{0};
  std::atomic<std::uint64_t> notes_acknowledged_{0};

  LeaderFollowers threads_{*this};
  std::unique_ptr<kj::EventLoop> loop_;
  std::unique_ptr<Wire> wire_;  // Used in the loop only.
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_CONNECTION_H_
