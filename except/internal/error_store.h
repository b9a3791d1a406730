// SPDX-License-Identifier: MIT
//
// Where contexts put what they have caught: in this process, or in a log that processes share.
//
// Threads:  thread-safe. No lock is held while a user's code runs.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_ERROR_STORE_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_ERROR_STORE_H_

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/except/internal/records.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj::except_internal {

class ErrorStore {
 public:
  // What the functions called by one Wrap have yielded, from the first value on.
  class Yields {
   public:
    virtual ~Yields() = default;
    // The next value, packed. Empty if the function has ended and was not called again; waits if it
    // has not ended, or was not yet called. Throws DeadlineExceeded.
    virtual std::optional<std::string> Next(Deadline deadline) = 0;
  };

  virtual ~ErrorStore() = default;

  // `original` may be null.
  virtual void Record(ErrorInfo info, std::exception_ptr original) = 0;
  // In the order in which they were recorded.
  virtual std::vector<RemoteError> All() = 0;
  // Throws one of All().
  [[noreturn]] virtual void Raise(const RemoteError& error) = 0;
  virtual void Clear() = 0;

  virtual void AppendResult(RecordKind kind, std::uint64_t id, std::string_view packed) = 0;
  // The last value of `id`, which is then forgotten in this process.
  virtual std::optional<std::string> TakeReturn(std::uint64_t id) = 0;
  virtual std::optional<std::string> LastReturn(std::uint64_t id) = 0;
  // REQUIRES: the store outlives what is returned.
  virtual std::unique_ptr<Yields> ReadYields(std::uint64_t id) = 0;
};

std::shared_ptr<ErrorStore> MakeLocalStore();
std::shared_ptr<ErrorStore> MakeSharedStore(std::shared_ptr<SharedLog> log);

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_ERROR_STORE_H_
