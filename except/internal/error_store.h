// SPDX-License-Identifier: MIT
//
// The errors and results that contexts have recorded: in this process, or in a log that processes
// share.
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
  // The values that the functions called by one Wrap have yielded, oldest first.
  class Yields {
   public:
    virtual ~Yields() = default;
    // Returns the next value, packed; empty if the function has ended and was not called again.
    // Waits if it has not ended, or was not called yet. Throws DeadlineExceeded.
    virtual std::optional<std::string> Next(Deadline deadline) = 0;
  };

  virtual ~ErrorStore() = default;

  // `original` may be null.
  virtual void Record(ErrorInfo info, std::exception_ptr original) = 0;
  // All errors, in the order in which they were recorded.
  virtual std::vector<RemoteError> All() = 0;
  // Throws one of All().
  [[noreturn]] virtual void Raise(const RemoteError& error) = 0;
  virtual void Clear() = 0;

  virtual void AppendResult(RecordKind kind, std::uint64_t id, std::string_view packed) = 0;
  // Removes and returns the last value of `id`.
  virtual std::optional<std::string> TakeReturn(std::uint64_t id) = 0;
  virtual std::optional<std::string> LastReturn(std::uint64_t id) = 0;
  // REQUIRES: the store outlives the returned object.
  virtual std::unique_ptr<Yields> ReadYields(std::uint64_t id) = 0;
};

std::shared_ptr<ErrorStore> MakeLocalStore();
std::shared_ptr<ErrorStore> MakeSharedStore(std::shared_ptr<SharedLog> log);

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_ERROR_STORE_H_
