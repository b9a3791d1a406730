// SPDX-License-Identifier: MIT
//
// The interface between an RPC server (rpc_server.h) and the objects that it serves: sessions of
// clients, objects by number, and answers to requests.
//
// Threads:  everything is called in the server's loop; `done` of Begin() is called by any thread.
// Lifetime: answers end before their session, sessions before their service.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVICE_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVICE_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {

// The part of the largest message that is reserved for what the protocol adds to a request or an
// outcome.
inline constexpr std::size_t kFrameBytes = 64 << 10;

// A client: its pid, uid and address as the kernel reports them, its id as it has sent it.
struct PeerInfo {
  pid_t pid = 0;                  // 0 if it is connected by TCP.
  std::optional<uid_t> uid = {};  // Empty if it is connected by TCP.
  std::string address;
  // The name of the key that it has proved: one of RpcServerOptions::named_keys; empty for
  // RpcServerOptions::key, and for a server without keys.
  std::string key_name = {};
  std::vector<std::string> certificate_names = {};  // From its certificate, if verified.
  std::array<std::byte, 16> id = {};                // A random number of its process.
};

// The answer to a request. Its destructor cancels a call that is not answered yet, and takes back
// what was handed over and not received.
class RpcAnswer {
 public:
  virtual ~RpcAnswer() = default;
  virtual bool ready() = 0;
  // Returns true if the service has closed and did not evaluate the request. REQUIRES: ready(), as
  // the functions below.
  virtual bool refused() { return false; }
  virtual HeapMessage& outcome() = 0;
  virtual const std::vector<std::shared_ptr<Referent>>& references() = 0;
  // The outcome was copied into a message, and is not asked for again: its memory is freed.
  virtual void Sent() {}
  // Returns true if the outcome hands something over. Received() is called when the client has it.
  virtual bool hands_over() = 0;
  virtual void Received() = 0;
  // Replaces the outcome by the current exception, and takes back what it would hand over. Called
  // if TakeBytes() has refused the outcome.
  virtual void Refuse() {}
};

// One client. Destroyed when the client has gone, after its answers.
class RpcSession {
 public:
  virtual ~RpcSession() = default;
  // Returns the object with that number. Throws StaleReference.
  virtual std::shared_ptr<Referent> Find(std::uint64_t id) = 0;
  // Called for each object that the client has the server keep for another process. The server
  // holds what this returns for as long as it would keep the object. Throws QuotaExceeded.
  virtual std::shared_ptr<void> ChargeKept() { return nullptr; }
  // Called as the client's messages take more or less of the server's memory: those that arrive,
  // until they were handled, and outcomes until they were read. Throws QuotaExceeded.
  virtual void TakeBytes(std::size_t) {}
  virtual void ReturnBytes(std::size_t) {}
  // Begins to evaluate a request. `done` is called once when the answer is ready, by any thread;
  // but not if the answer is ready on return, nor after it was destroyed. `done` is short and takes
  // only locks of the server's own, since it may be called with other locks held.
  virtual std::unique_ptr<RpcAnswer> Begin(const std::shared_ptr<Referent>& object,
                                           std::unique_ptr<HeapMessage> request,
                                           std::function<void()> done) = 0;
  // Evaluates the request at once. Returns null if that is not possible.
  virtual std::unique_ptr<RpcAnswer> TryNow(const RequestReader& request) = 0;
};

class RpcService {
 public:
  virtual ~RpcService() = default;
  virtual std::unique_ptr<RpcSession> Connected(const PeerInfo& peer) = 0;
  // Returns false if the peer has as many connections as it may have.
  virtual bool MayConnect(const PeerInfo&) { return true; }
  // Returns when RunTimeouts() must be called next.
  virtual Deadline NextTimeout() { return Deadline::Never(); }
  virtual void RunTimeouts() {}
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVICE_H_
