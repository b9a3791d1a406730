// SPDX-License-Identifier: MIT
//
// What an RPC server (rpc_server.h) serves: who comes in, which objects there are, what becomes of
// a request.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVICE_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVICE_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {

// How much of the largest message is left for what the protocol adds to a request or an outcome.
inline constexpr std::size_t kFrameBytes = 64 << 10;

// Who has come in, as it has proved or as the kernel says.
struct PeerInfo {
  pid_t pid = 0;  // 0 if it is on another machine.
  std::string address;
  std::array<std::byte, 16> id = {};  // Of the process, drawn by itself.
};

// What becomes of a request. To destroy it is to give it up, and to take back what was handed over
// and not received.
class RpcAnswer {
 public:
  virtual ~RpcAnswer() = default;
  virtual bool ready() = 0;
  // Whether it was not evaluated, since the service has closed. REQUIRES: ready, as those below.
  virtual bool refused() { return false; }
  virtual HeapMessage& outcome() = 0;
  virtual const std::vector<std::shared_ptr<Referent>>& references() = 0;
  // Returns true if Received() must be called once the client has the outcome.
  virtual bool hands_over() = 0;
  virtual void Received() = 0;
};

// One client. It is destroyed when the client has gone, after its answers.
class RpcSession {
 public:
  virtual ~RpcSession() = default;
  // The object of that number. Throws StaleReference.
  virtual std::shared_ptr<Referent> Find(std::uint64_t id) = 0;
  // `done` is called once, from any thread, when the answer is ready; not if it is so at once, nor
  // after the answer was destroyed. It does little, and may be called with locks held.
  virtual std::unique_ptr<RpcAnswer> Begin(const std::shared_ptr<Referent>& object,
                                           std::unique_ptr<HeapMessage> request,
                                           std::function<void()> done) = 0;
  // Evaluates at once, or gives null if that can't be done.
  virtual std::unique_ptr<RpcAnswer> TryNow(const RequestReader& request) = 0;
};

class RpcService {
 public:
  virtual ~RpcService() = default;
  virtual std::unique_ptr<RpcSession> Connected(const PeerInfo& peer) = 0;
  // When RunTimeouts must be called next.
  virtual Deadline NextTimeout() { return Deadline::Never(); }
  virtual void RunTimeouts() {}
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_SERVICE_H_
