// SPDX-License-Identifier: MIT
//
// How a call goes through shared memory, and why it survives the death of either side. The argument
// has five parts, each in the file whose code it is about:
//
//   internal/slots.h             the meaning of a slot's owner and state; memory order
//   internal/slots.cc            death of a caller: how its slot comes back
//   internal/caller.cc           sending a call; death of the listener
//   internal/listener.cc         the doorbell: no request is overlooked; the order of calls;
//   closing internal/polled_channel.cc   the acknowledgement of an outcome, in channels that a loop
//   polls
//
// shared_memory_channel.pml, shared_memory_channel_order.pml and shared_memory_channel_slots.pml
// are models of it, which Spin checks exhaustively (shared_memory_channel_model_test). A change of
// the protocol changes them, too.
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"

#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/shared_memory/internal/caller.h"
#include "remoteobj/transport/shared_memory/internal/listener.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/shared_memory/internal/slots.h"

namespace remoteobj {
namespace {

class SharedMemoryChannelImpl final : public SharedMemoryChannel {
 public:
  SharedMemoryChannelImpl() = default;
  explicit SharedMemoryChannelImpl(int fd) : slots_(fd, transport_internal::Origin::kThisProgram) {}

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    caller_.Call(write, read, deadline);
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override {
    return caller_.Start(write, deadline);
  }
  bool listening() override { return caller_.listening(); }
  pid_t listener_pid() override { return caller_.listener_pid(); }
  bool listening_here() override { return caller_.listening_here(); }
  bool WaitUntilListening(Deadline deadline) override {
    return caller_.WaitUntilListening(deadline);
  }

  int fd() const override { return slots_.region().fd(); }
  Listener& listener() override { return listener_; }
  int free_slots() override { return slots_.FreeCount(); }

 private:
  transport_internal::Slots slots_;
  transport_internal::Caller caller_{slots_};
  transport_internal::SlotListener listener_{slots_};
};

}  // namespace

std::shared_ptr<SharedMemoryChannel> SharedMemoryChannel::Create() {
  return std::make_shared<SharedMemoryChannelImpl>();
}

std::shared_ptr<SharedMemoryChannel> SharedMemoryChannel::Attach(int fd) {
  return std::make_shared<SharedMemoryChannelImpl>(fd);
}

}  // namespace remoteobj
