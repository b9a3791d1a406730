// SPDX-License-Identifier: MIT
#include "remoteobj/except/internal/error_store.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "remoteobj/except/internal/kept_exception.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::except_internal {
namespace {

// The id of records that belong to no Wrap.
constexpr std::uint64_t kNoId = std::numeric_limits<std::uint64_t>::max();

// A parsed record of a Wrap.
struct Result {
  RecordKind kind;
  std::uint64_t id;
  std::string_view packed;
};

// Reads the values of one Wrap, and finds their end.
class YieldReader : public ErrorStore::Yields {
 public:
  explicit YieldReader(std::uint64_t id) : id_(id) {}

  std::optional<std::string> Next(Deadline deadline) final {
    for (int read = 1;; ++read) {
      const std::optional<Result> result = NextResult();
      if (ended_) {
        // The records that are in the log already may have values of a further call. A process that
        // appends other records without end does not keep this one.
        const std::uint64_t bytes = result ? kRecord + result->packed.size() : left_;
        left_ -= std::min(left_, bytes);
      }
      if (result && result->id == id_) {
        if (result->kind == kFinished && !std::exchange(ended_, true)) left_ = Backlog();
        if (result->kind == kYield) {
          ended_ = false;
          return std::string(result->packed);
        }
      }
      if (ended_ && (!result || left_ == 0)) return std::nullopt;
      // Another process can append other records faster than this one reads.
      constexpr int kMostWithoutCheck = 1000;
      if (result && read % kMostWithoutCheck != 0) continue;
      if (deadline.expired())
        throw DeadlineExceeded(
            "the wrapped function yielded no further value before the timeout of result()");
      InterruptionPoint();
      // A write by another process wakes no reader: poll.
      if (!result) absl::SleepFor(std::min(absl::Milliseconds(1), deadline.left()));
    }
  }

 protected:
  // The next record, of any Wrap or of none (kNoId); empty if there is none yet.
  virtual std::optional<Result> NextResult() = 0;
  // An upper limit for the bytes of the records that are there now.
  virtual std::uint64_t Backlog() = 0;

 private:
  static constexpr std::uint64_t kRecord = 16;  // At least, of a record without content.

  const std::uint64_t id_;
  bool ended_ = false;
  std::uint64_t left_ = 0;  // The part of the backlog at the end that is not read yet.
};

struct LocalErrors;

class LocalStore final : public ErrorStore {
 public:
  void Record(ErrorInfo info, std::exception_ptr original) override {
    KeptException kept(std::move(original));
    const std::scoped_lock lock(Mutex());
    info.sequence = ++sequence_;
    errors_.push_back({RemoteError(std::move(info)), std::move(kept)});
  }

  std::vector<RemoteError> All() override {
    std::vector<RemoteError> all;
    const std::scoped_lock lock(Mutex());
    for (const Caught& caught : errors_) all.push_back(caught.error);
    return all;
  }

  [[noreturn]] void Raise(const RemoteError& error) override {
    std::exception_ptr original;
    {
      const std::scoped_lock lock(Mutex());
      const auto at = std::ranges::find(errors_, error.sequence(),
                                        [](const Caught& one) { return one.error.sequence(); });
      if (at != errors_.end()) original = at->original.get();
    }
    if (original) std::rethrow_exception(original);
    Rethrow(error.info());
  }

  void Clear() override {
    std::vector<Caught> errors;  // Destroyed without the lock: their destructors are user code.
    const std::scoped_lock lock(Mutex());
    errors.swap(errors_);
    first_result_ += results_.size();
    results_.clear();
  }

  void AppendResult(RecordKind kind, std::uint64_t id, std::string_view packed) override {
    const std::scoped_lock lock(Mutex());
    results_.push_back({kind, id, std::string(packed)});
  }

  std::optional<std::string> LastReturn(std::uint64_t id) override {
    const std::scoped_lock lock(Mutex());
    const auto at = std::find_if(results_.rbegin(), results_.rend(), [&](const Kept& result) {
      return result.kind == kReturn && result.id == id;
    });
    return at == results_.rend() ? std::nullopt : std::optional(at->packed);
  }

  std::optional<std::string> TakeReturn(std::uint64_t id) override {
    const std::scoped_lock lock(Mutex());
    std::optional<std::string> last;
    for (Kept& result : results_) {
      // Not erased: readers of yields count records.
      if (result.kind == kReturn && result.id == id) {
        last = std::exchange(result.packed, {});
        result.kind = kTaken;
      }
    }
    return last;
  }

  std::unique_ptr<Yields> ReadYields(std::uint64_t id) override {
    return std::make_unique<Reader>(*this, id);
  }

 private:
  struct Caught {
    RemoteError error;
    KeptException original;
  };
  struct Kept {
    RecordKind kind;
    std::uint64_t id;
    std::string packed;
  };

  class Reader final : public YieldReader {
   public:
    Reader(LocalStore& store, std::uint64_t id) : YieldReader(id), store_(store) {}

   private:
    std::uint64_t Backlog() override { return std::numeric_limits<std::uint64_t>::max(); }
    std::optional<Result> NextResult() override {
      const std::scoped_lock lock(Mutex());
      next_ = std::max(next_, store_.first_result_);
      if (next_ == store_.first_result_ + store_.results_.size()) return std::nullopt;
      kept_ = store_.results_[next_++ - store_.first_result_];
      return Result{kept_.kind, kept_.id, kept_.packed};
    }

    LocalStore& store_;
    std::size_t next_ = 0;
    Kept kept_ = {};
  };

  static std::mutex& Mutex() { return transport_internal::ForkSafeMutex<LocalErrors>(); }

  // Guarded by Mutex().
  std::vector<Caught> errors_;
  std::vector<Kept> results_;
  std::size_t first_result_ = 0;  // The number of results cleared before results_[0].
  std::uint64_t sequence_ = 0;
};

Result ResultIn(const SharedLog::Record& record) {
  Result result{static_cast<RecordKind>(record.kind), kNoId, {}};
  if (record.kind != kReturn && record.kind != kYield && record.kind != kFinished) return result;
  if (record.data.size() < sizeof result.id) return result;
  std::memcpy(&result.id, record.data.data(), sizeof result.id);
  result.packed = record.data.substr(sizeof result.id);
  return result;
}

struct SharedErrors;

// The log, and what this process has read of it. A forked child continues from there.
class SharedStore final : public ErrorStore {
 public:
  explicit SharedStore(std::shared_ptr<SharedLog> log) : log_(std::move(log)), reader_(*log_) {}

  void Record(ErrorInfo info, std::exception_ptr) override {
    log_->Append(kError, PackError(info));
  }

  std::vector<RemoteError> All() override {
    const std::scoped_lock lock(Mutex());
    Pull();
    return errors_;
  }

  [[noreturn]] void Raise(const RemoteError& error) override { Rethrow(error.info()); }

  void Clear() override { log_->Clear(); }

  void AppendResult(RecordKind kind, std::uint64_t id, std::string_view packed) override {
    std::string data(sizeof id + packed.size(), '\0');
    std::memcpy(data.data(), &id, sizeof id);
    packed.copy(data.data() + sizeof id, packed.size());
    log_->Append(kind, data);
  }

  std::optional<std::string> LastReturn(std::uint64_t id) override {
    const std::scoped_lock lock(Mutex());
    Pull();
    const auto at = returned_.find(id);
    return at == returned_.end() ? std::nullopt : std::optional(at->second.packed);
  }

  std::optional<std::string> TakeReturn(std::uint64_t id) override {
    const std::scoped_lock lock(Mutex());
    Pull();
    const auto at = returned_.find(id);
    if (at == returned_.end()) return std::nullopt;
    std::string last = std::move(at->second.packed);
    returned_.erase(at);
    return last;
  }

  std::unique_ptr<Yields> ReadYields(std::uint64_t id) override {
    return std::make_unique<Reader>(*log_, id);
  }

 private:
  struct Returned {
    std::uint64_t sequence = 0;
    std::string packed;
  };

  class Reader final : public YieldReader {
   public:
    Reader(SharedLog& log, std::uint64_t id) : YieldReader(id), log_(log), reader_(log) {}

   private:
    std::uint64_t Backlog() override { return log_.MemoryBytes().value_or(log_.Backlog()); }
    std::optional<Result> NextResult() override {
      const auto record = reader_.Next();
      return record ? std::optional(ResultIn(*record)) : std::nullopt;
    }

    SharedLog& log_;
    SharedLog::Reader reader_;
  };

  static std::mutex& Mutex() { return transport_internal::ForkSafeMutex<SharedErrors>(); }

  // Reads new records, and drops cleared ones. REQUIRES: Mutex() is held.
  void Pull() {
    reader_.ReadAll([this](const SharedLog::Record& record) {
      if (record.kind == kError) return PullError(record);
      if (record.kind != kReturn) return;
      const Result result = ResultIn(record);
      Returned& last = returned_[result.id];
      if (record.sequence >= last.sequence) {
        last = {record.sequence, std::string(result.packed)};
      }
    });
    // Concurrent records may be read in a different order.
    if (!std::ranges::is_sorted(errors_, {}, &RemoteError::sequence)) {
      std::ranges::sort(errors_, {}, &RemoteError::sequence);
    }
    const std::uint64_t cleared = log_->cleared();
    if (cleared == cleared_) return;
    cleared_ = cleared;
    std::erase_if(errors_, [&](const RemoteError& error) { return error.sequence() < cleared; });
    std::erase_if(returned_, [&](const auto& entry) { return entry.second.sequence < cleared; });
  }

  void PullError(const SharedLog::Record& record) {
    try {
      ErrorInfo info = UnpackError(record.data);
      info.sequence = record.sequence;
      errors_.emplace_back(std::move(info));
    } catch (const BadValue&) {
      // A damaged record is skipped.
    }
  }

  const std::shared_ptr<SharedLog> log_;
  // Guarded by Mutex().
  SharedLog::Reader reader_;
  std::uint64_t cleared_ = 0;
  std::vector<RemoteError> errors_;
  std::map<std::uint64_t, Returned> returned_;
};

}  // namespace

std::shared_ptr<ErrorStore> MakeLocalStore() { return std::make_shared<LocalStore>(); }

std::shared_ptr<ErrorStore> MakeSharedStore(std::shared_ptr<SharedLog> log) {
  return std::make_shared<SharedStore>(std::move(log));
}

}  // namespace remoteobj::except_internal
