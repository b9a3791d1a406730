// SPDX-License-Identifier: MIT
//
// The calls of a pool, on their way from a caller to a process of the pool.
//
//   caller:   SigningReferent ── number, signature, request, references ──> manager
//   process:  EvaluateSigned  <── the same ── manager
//
// A call to a pool is code, which neither the manager nor its other clients may choose. The caller
// writes the whole request (function, captures, arguments) into one message, and signs its bytes
// together with the pool's identity and a number that no other call has. They travel as they are:
// the process verifies the signature of the bytes that it has received, and evaluates these bytes.
// It has the key because it is a fork of the same program.
//
// The processes of a pool share the record of the numbers that they have evaluated (UsedNumbers):
// none of them evaluates a call that another has begun, nor does one that has replaced it.
//
// Threads:  thread-safe.
// Errors:   BadValue for a call that is not signed, or whose number can't be told from a used one;
//           ListenerDied for a call that a process of the pool has begun.
// Cost:     the request, with its arguments, is hashed by the caller and by the process, each at
//           1.6 GiB a second where the CPU has instructions for SHA-256, and is copied about three
//           times more than on its way to another object.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_POOL_CALLS_H_
#define REMOTEOBJ_MANAGER_INTERNAL_POOL_CALLS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "remoteobj/transport/rpc/internal/crypto.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

// Memory of zeros that this process shares with its later forks.
class SharedWords {
 public:
  // Throws std::system_error.
  explicit SharedWords(std::size_t size);
  ~SharedWords();
  SharedWords(const SharedWords&) = delete;
  SharedWords& operator=(const SharedWords&) = delete;

  std::atomic<std::uint64_t>& operator[](std::size_t i) const { return words_[i]; }

 private:
  const std::size_t size_;
  std::atomic<std::uint64_t>* const words_;
};

// A number that no other call of this program and its forks gets. They grow.
std::uint64_t NewCallNumber();

// The numbers of the calls that this process or one of its later forks has evaluated. Exact for the
// last four million numbers.
class UsedNumbers {
 public:
  enum class Is {
    kNew,
    kUsed,
    kTooOld,    // It may have been used.
    kTooLarge,  // Too large for the record. NewCallNumber() gets there only if it is overwritten.
  };
  // Says what the number was. One that was kNew is kUsed now.
  Is Use(std::uint64_t number);

 private:
  // A word has the numbers of one block: its upper half says which of the blocks that share the
  // word, its lower half has a bit for each number.
  static constexpr std::uint64_t kBlock = 32;
  static constexpr std::uint64_t kWords = 1 << 17;

  const SharedWords words_{kWords};  // 1 MiB, of which the kernel provides what is used.
};

// The proof that this program, or a fork of it, has sent these bytes as the call of that number to
// the pool of that identity.
transport_internal::Mac SignatureOf(std::string_view pool, std::uint64_t number,
                                    std::span<const std::byte> request);

// Returns a reference to the pool's object whose calls are signed.
std::shared_ptr<Referent> SigningReferent(std::shared_ptr<Referent> object, std::string pool);

// Calls evaluate(request) with the request that a caller has signed. Throws BadValue unless it was
// signed for this pool, and as above for its number. A call whose parts can't be read has not
// used its number.
void EvaluateSigned(const RequestReader& request, std::string_view pool, UsedNumbers& used,
                    absl::FunctionRef<void(const RequestReader&)> evaluate);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_POOL_CALLS_H_
