// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/pool_calls.h"

#include <sys/mman.h>
#include <sys/types.h>

#include <array>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/message_references.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::HeapMessage;
using transport_internal::Mac;
using transport_internal::MadeOnce;
using transport_internal::Word;

// The arguments of the operation as which a signed call travels.
enum Part : std::size_t { kNumber, kSignature, kRequest, kReferences, kParts };

// Signs one call. A channel may have it written twice; it is signed once.
class SignedCall {
 public:
  SignedCall(std::string_view pool, WriteRequest write) : pool_(pool), write_(write) {}

  void Write(RequestWriter out) {
    const OperationsWriter operations = out.Operations(1);
    operations.Set(0, OperationKind::kPassTo, {}, 0);
    const ListWriter parts = operations.Arguments(0, kParts);
    if (!signed_) Sign(parts[kReferences].attachments());
    parts[kNumber].UInt(number_);
    parts[kSignature].Data(signature_);
    parts[kRequest].Data(std::as_bytes(request_.words()));
    const ListWriter references = parts[kReferences].List(references_.size());
    for (std::size_t i = 0; i < references_.size(); ++i) {
      Codec<Reference>::Encode({references_[i]}, references[i]);
    }
  }

 private:
  void Sign(Attachments& offers) {
    references_.clear();
    transport_internal::CollectedReferences collected(references_, offers);
    const transport_internal::Attaching attaching(request_, collected);
    write_(transport_internal::RequestOn(request_, Deadline::Never()));
    number_ = NewCallNumber();
    signature_ = SignatureOf(pool_, number_, std::as_bytes(request_.words()));
    signed_ = true;
  }

  const std::string_view pool_;
  const WriteRequest write_;
  bool signed_ = false;
  HeapMessage request_;
  transport_internal::References references_;
  std::uint64_t number_ = 0;
  Mac signature_ = {};
};

class Signing final : public Referent, public Channel {
 public:
  Signing(std::shared_ptr<Referent> object, std::string pool)
      : Referent(object->id(), object->type()),
        object_(std::move(object)),
        pool_(std::move(pool)),
        to_(object_->channel()) {}

  Channel& channel() override { return *this; }

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    SignedCall call(pool_, write);
    to_.Call([&](RequestWriter out) { call.Write(out); }, read, deadline);
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override {
    SignedCall call(pool_, write);
    return to_.Start([&](RequestWriter out) { call.Write(out); }, deadline);
  }
  bool listening() override { return to_.listening(); }
  pid_t listener_pid() override { return to_.listener_pid(); }
  bool listening_here() override { return to_.listening_here(); }
  bool WaitUntilListening(Deadline deadline) override { return to_.WaitUntilListening(deadline); }

 private:
  const std::shared_ptr<Referent> object_;
  const std::string pool_;
  Channel& to_;
};

const SharedWords& LastNumber() {
  return MadeOnce([] { return new const SharedWords(1); });
}

const Mac& Key() {
  return MadeOnce([] {
    auto* drawn = new Mac;
    transport_internal::FillRandom(*drawn);
    return drawn;
  });
}

// Made before main, so that all forks of the program have the same.
[[maybe_unused]] const SharedWords& last_number_at_start = LastNumber();
[[maybe_unused]] const Mac& key_at_start = Key();

// Throws unless the number is new.
void UseNumber(UsedNumbers& used, std::uint64_t number) {
  switch (used.Use(number)) {
    case UsedNumbers::Is::kNew:
      return;
    case UsedNumbers::Is::kUsed:
      // The caller has made it once, unless it is an attacker: a process took it, and died before
      // the manager had its receipt, so that the manager gave it to another.
      throw ListenerDied("a process of the pool has begun this call already", {}, true);
    case UsedNumbers::Is::kTooOld:
      throw BadValue(
          "four million later calls have overtaken this call: a process of the pool may have begun "
          "it already");
    case UsedNumbers::Is::kTooLarge:
      throw BadValue(absl::StrCat("a call to a pool has the number ", number,
                                  ", which no program gets to: a process of this program has "
                                  "overwritten the count that all its forks share, and pools "
                                  "refuse all calls until the program is started again"));
  }
}

}  // namespace

SharedWords::SharedWords(std::size_t size)
    : size_(size), words_([size] {
        void* const memory =
            mmap(nullptr, size * sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
        return static_cast<std::atomic<std::uint64_t>*>(memory);
      }()) {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
}

SharedWords::~SharedWords() { munmap(words_, size_ * sizeof(std::atomic<std::uint64_t>)); }

std::uint64_t NewCallNumber() { return LastNumber()[0].fetch_add(1, std::memory_order_relaxed); }

UsedNumbers::Is UsedNumbers::Use(std::uint64_t number) {
  const std::uint64_t round = number / kBlock / kWords;
  if (round > std::numeric_limits<std::uint32_t>::max()) return Is::kTooLarge;
  std::atomic<std::uint64_t>& word = words_[number / kBlock % kWords];
  const std::uint64_t bit = std::uint64_t{1} << (number % kBlock);
  std::uint64_t before = word.load(std::memory_order_relaxed);
  std::uint64_t after = 0;
  do {
    const std::uint64_t round_before = before >> kBlock;
    if (round_before > round) return Is::kTooOld;
    if (round_before == round && (before & bit) != 0) return Is::kUsed;
    after = (round_before == round ? before : round << kBlock) | bit;
  } while (!word.compare_exchange_weak(before, after, std::memory_order_relaxed));
  return Is::kNew;
}

Mac SignatureOf(std::string_view pool, std::uint64_t number, std::span<const std::byte> request) {
  // The parts of fixed size come first, with the sizes of the rest: no part can be taken for
  // another's end.
  constexpr std::string_view kLabel = "remoteobj pool call v1";
  const std::array<std::uint64_t, 3> head = {pool.size(), request.size(), number};
  return transport_internal::HmacSha256(
      Key(), {std::as_bytes(std::span(kLabel)), std::as_bytes(std::span(head)),
              std::as_bytes(std::span(pool)), request});
}

std::shared_ptr<Referent> SigningReferent(std::shared_ptr<Referent> object, std::string pool) {
  return std::make_shared<Signing>(std::move(object), std::move(pool));
}

void EvaluateSigned(const RequestReader& request, std::string_view pool, UsedNumbers& used,
                    absl::FunctionRef<void(const RequestReader&)> evaluate) {
  if (request.size() != 1 || request[0].kind() != OperationKind::kPassTo ||
      request[0].Arguments().size() != kParts) {
    throw BadValue(
        "a call to a pool that is not signed: only forks of the program that made it can call it");
  }
  const ListReader parts = request[0].Arguments();
  const std::uint64_t number = parts[kNumber].AsUInt(std::numeric_limits<std::uint64_t>::max());
  Mac signature;
  const std::size_t bytes = parts[kRequest].DataBytes();
  if (parts[kSignature].DataBytes() != signature.size() || bytes % sizeof(Word) != 0) {
    throw BadValue(
        "a call to a pool that is not signed: only forks of the program that made it can call it");
  }
  parts[kSignature].CopyData(signature);
  const auto words = std::make_unique_for_overwrite<Word[]>(bytes / sizeof(Word));
  const std::span message(words.get(), bytes / sizeof(Word));
  parts[kRequest].CopyData(std::as_writable_bytes(message));
  if (!transport_internal::SameBytes(signature,
                                     SignatureOf(pool, number, std::as_bytes(message)))) {
    throw BadValue("a pool evaluates only calls that a process of its own program has made to it");
  }
  // They are not signed: a list that can't be read must not use the number.
  transport_internal::SentReferences references;
  const ValueReader sent = parts[kReferences];
  const ListReader list = sent.AsList();
  for (std::size_t i = 0; i < list.size(); ++i) {
    references.Send(Codec<Reference>::Decode(list[i]).referent);
  }
  UseNumber(used, number);
  transport_internal::In in(message.data(), message.size());
  in.attachments = &references;
  evaluate(transport_internal::RequestIn(in));
}

}  // namespace remoteobj::manager_internal
