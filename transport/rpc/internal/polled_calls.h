// SPDX-License-Identifier: MIT
//
// The calls of one client that come through shared memory. The server's loop polls them while calls
// come often, and sleeps on a socket (the bell) otherwise.
//
// Threads: used in the loop only.
// Errors:  std::system_error from the constructor if there is no memory that can be shared.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_POLLED_CALLS_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_POLLED_CALLS_H_

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "remoteobj/transport/rpc/internal/client_link.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::transport_internal {

class PolledCalls final : private PolledHandler {
 public:
  explicit PolledCalls(std::shared_ptr<Link> link);
  ~PolledCalls();
  PolledCalls(const PolledCalls&) = delete;
  PolledCalls& operator=(const PolledCalls&) = delete;

  // The end of the bell that the loop observes.
  int bell() const { return bell_[0].fd(); }
  void Hear();
  // The client's end. Once: to be sent.
  Socket TakeClientsBell() { return std::move(bell_[1]); }
  int fd() const { return listener_.fd(); }
  bool lendable() const { return listener_.lendable(); }
  // Returns true if there is a call to serve.
  bool called() { return listener_.called(); }
  int caller_cpu() { return listener_.caller_cpu(); }

  // Serves calls, up to a limit so that other clients get their turn. Returns true if there was
  // one.
  bool Serve();
  // Makes the next call ring the bell. Returns false if a call has come already.
  bool Rest();

 private:
  void Took(unsigned slot) override { Settle(slot, /*gone=*/true); }
  HeapMessage* Evaluate(unsigned slot, const RequestReader& request) override;
  void Answered(unsigned slot, bool wanted) override;
  void Settle(unsigned slot, bool gone);
  // Charges an outcome that is larger than a slot. Throws QuotaExceeded.
  void ChargeLarge(std::size_t bytes);
  // Returns the charge of memory that was freed.
  void ReturnFreed();

  const std::shared_ptr<Link> link_;
  std::array<Socket, 2> bell_;
  PolledListener listener_;
  std::unique_ptr<RpcAnswer> answer_;  // The answer of the call that is being served.
  // The answer handed over in each slot, and the objects that its outcome refers to. They stay here
  // until the client has released the slot: as it reads, it asks for capabilities of them.
  std::array<std::unique_ptr<RpcAnswer>, kSlots> handed_;
  // For outcomes that were larger than a slot. The client may keep them in memory.
  std::size_t charged_ = 0;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_POLLED_CALLS_H_
