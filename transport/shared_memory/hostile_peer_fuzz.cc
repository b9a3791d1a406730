// SPDX-License-Identifier: MIT
//
// The memory of a channel between programs that need not trust each other: calls, any words written
// over slots and header at any moment, polls and reads of outcomes. Each operation returns or
// throws an error of the channel, whichever side the words are from.
//
// The input is a list of steps, each of a few bytes; see Step().
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/testing/fuzz_input.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/walk_testing.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::transport_internal {
namespace {

using remoteobj_testing::FuzzInput;

// Answers with a text, and refuses every eighth request.
class Handler final : public PolledHandler {
 public:
  void Took(unsigned) override {}
  HeapMessage* Evaluate(unsigned, const RequestReader& request) override {
    if (++count_ % 8 == 0) return nullptr;
    OutcomeWriter outcome = Access::Outcome(outcome_);
    try {
      outcome.Value().Text(std::string(Walk(request) % 10'000, 'x'));
    } catch (const BadValue& e) {
      outcome.Error({.type = "remoteobj::BadValue", .message = e.what()});
    }
    return &outcome_;
  }
  void Answered(unsigned, bool) override {}

 private:
  int count_ = 0;
  HeapMessage outcome_;
};

class Fuzz {
 public:
  explicit Fuzz(std::span<const std::uint8_t> input)
      : input_(input),
        region_(dup(listener_.fd()), Origin::kStranger),
        bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        channel_(AttachPolled(dup(listener_.fd()), bell_.get())) {
    listener_.Open();
  }

  void Run() {
    for (int steps = 0; !input_.over() && steps < 100; ++steps) {
      try {
        Step();
      } catch (const CallError&) {
      } catch (const GoAnotherWay&) {
      }
    }
  }

 private:
  void Step() {
    const std::uint8_t what = input_.Byte();
    switch (what % 8) {
      case 0:
      case 1: {
        const std::string name(what < 200 ? 4 : 3000, 'n');
        const auto write = [&](RequestWriter request) {
          request.Operations(1).Set(0, OperationKind::kCall, name, 0);
        };
        calls_.push_back(channel_->Start(write, Deadline::After(absl::Milliseconds(1))));
        return;
      }
      case 2:
        return Spoil(reinterpret_cast<std::byte*>(&region_.header()), sizeof(Header));
      case 3:
      case 4:
        return Spoil(reinterpret_cast<std::byte*>(&region_.slot(input_.Byte() % kSlots)),
                     sizeof(Slot));
      case 5:
        listener_.Poll(handler_);
        return;
      case 6:
        static_cast<void>(listener_.Received(input_.Byte() % kSlots, what > 128));
        if (what > 200) listener_.Arm();
        return;
      case 7: {
        if (calls_.empty()) return;
        const std::unique_ptr<PendingCall> call = std::move(calls_.back());
        calls_.pop_back();
        call->ready();
        call->Finish([](const OutcomeReader& outcome) { Walk(outcome); }, Deadline::Passed());
        return;
      }
    }
  }

  // Words of it, of which the first few bytes are the more interesting ones.
  void Spoil(std::byte* memory, std::size_t size) {
    const std::size_t at = input_.Byte() * sizeof(std::uint32_t);
    const std::uint64_t word = input_.Word();
    if (at + sizeof word <= size) std::memcpy(memory + at, &word, sizeof word);
  }

  FuzzInput input_;
  Handler handler_;
  PolledListener listener_;
  Region region_;
  OwnDescriptor bell_;
  std::shared_ptr<Channel> channel_;
  std::vector<std::unique_ptr<PendingCall>> calls_;
};

}  // namespace
}  // namespace remoteobj::transport_internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remoteobj::transport_internal::Fuzz({data, size}).Run();
  return 0;
}
