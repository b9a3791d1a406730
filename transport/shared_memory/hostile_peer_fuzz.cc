// SPDX-License-Identifier: MIT
//
// The memory of a channel between programs that need not trust each other: calls, any words written
// over slots and header at any moment, polls and reads of outcomes. Each operation returns or
// throws an error of the channel, whichever side the words are from. A second thread changes words
// and puts them back while an operation reads them.
//
// The input is a list of steps, each of a few bytes; see Step().
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/testing/fuzz_input.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
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

// Writes words, and what was there before, in turn, until it is destroyed.
class Changer {
 public:
  struct Change {
    std::uint32_t* at;
    std::uint32_t to;
  };

  explicit Changer(std::vector<Change> changes)
      : changes_(std::move(changes)), thread_([this] { Run(); }) {}
  ~Changer() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run() {
    while (!stop_) {
      for (const Change& change : changes_) {
        const std::atomic_ref<std::uint32_t> word(*change.at);
        word.store(word.exchange(change.to));
      }
    }
  }

  const std::vector<Change> changes_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Bell {
  Bell() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
  }
  ~Bell() {
    for (const int end : ends) close(end);
  }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  int ends[2];
};

class Fuzz {
 public:
  explicit Fuzz(std::span<const std::uint8_t> input)
      : input_(input),
        region_(dup(listener_.fd()), Origin::kStranger),
        channel_(AttachPolled(dup(listener_.fd()), bell_.ends[1])) {
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
        if (what > 128) return Change();
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

  // Changes some words of header and slots until the next such step.
  void Change() {
    changer_.reset();
    std::vector<Changer::Change> changes;
    for (std::size_t i = 1 + input_.Below(4); i > 0; --i) {
      const std::size_t slot = input_.Below(kSlots + 1);
      std::byte* const memory = slot == kSlots ? reinterpret_cast<std::byte*>(&region_.header())
                                               : reinterpret_cast<std::byte*>(&region_.slot(slot));
      const std::size_t size = slot == kSlots ? sizeof(Header) : sizeof(Slot);
      const std::size_t at = input_.Byte() * sizeof(std::uint32_t);
      const auto word = static_cast<std::uint32_t>(input_.Word());
      if (at + sizeof word > size) continue;
      changes.push_back({reinterpret_cast<std::uint32_t*>(memory + at), word});
    }
    if (!changes.empty()) changer_ = std::make_unique<Changer>(std::move(changes));
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
  const Bell bell_;
  std::shared_ptr<Channel> channel_;
  std::vector<std::unique_ptr<PendingCall>> calls_;
  std::unique_ptr<Changer> changer_;  // Destroyed first: it writes into the region.
};

}  // namespace
}  // namespace remoteobj::transport_internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remoteobj::transport_internal::Fuzz({data, size}).Run();
  return 0;
}
