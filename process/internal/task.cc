// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/task.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/internal/access.h"
#include "remoteobj/except/internal/loader_lock.h"
#include "remoteobj/except/internal/symbols.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/process/internal/confine.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/log_line.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::process_internal {

using transport_internal::LogLine;
using transport_internal::LogSeverity;
namespace {

// Returns "Add" for "app::(anonymous namespace)::Add()"; empty if that is no plain name.
std::string LastName(std::string_view symbol) {
  if (symbol.ends_with("()")) symbol.remove_suffix(2);
  if (symbol.ends_with(" const")) symbol.remove_suffix(6);
  if (const auto scope = symbol.rfind("::"); scope != symbol.npos) symbol.remove_prefix(scope + 2);
  const bool plain = std::all_of(symbol.begin(), symbol.end(),
                                 [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  return plain ? std::string(symbol) : std::string();
}

// The longest single wait: a thread that can be interrupted checks for that every 20 ms.
absl::Duration Slice(Deadline deadline) {
  const absl::Duration left = deadline.left();
  return transport_internal::interruption == nullptr ? left
                                                     : std::min(left, absl::Milliseconds(20));
}

std::string DoingText(std::uint32_t doing, std::uint64_t yields) {
  const auto what = [&] {
    switch (doing) {
      case kStarting:
        return "before its function began";
      case kSleeping:
        return "while it slept";
      case kYielding:
        return "while it yielded";
      case kEnding:
        return "while it ended";
      default:
        return "while its function ran";
    }
  };
  return yields == 0 ? what() : absl::StrCat(what(), ", after ", yields, " yields");
}

}  // namespace

std::string NameFor(const void* function, const char* fallback) {
  // Cached, since a lookup reads the program's file. Empty for functions without a symbol.
  auto& names = transport_internal::MadeOnce([] { return new std::map<const void*, std::string>; });
  auto& counts = transport_internal::MadeOnce([] { return new std::map<std::string, int>; });
  const except_internal::LoaderLock lock;  // Also for the maps.
  const auto [known, is_new] = names.try_emplace(function);
  if (is_new && function != nullptr) {
    known->second = LastName(except_internal::ShortName(
        except_internal::SymbolAt(reinterpret_cast<std::uintptr_t>(function))));
  }
  const std::string name = known->second.empty() ? fallback : known->second;
  return absl::StrCat(name, "-", ++counts[name]);
}

Task::Task(ProcessOptions options, std::string name)
    : options_(std::move(options)), name_(std::move(name)) {
  CheckLimits(options_.limits);
  control().without_results.store(options_.results ? 0 : 1, std::memory_order_relaxed);
}

void Task::CheckMine(const char* what) const {
  if (mine()) return;
  throw std::logic_error(absl::StrCat(name_, " (pid ", pid(), ") can be ", what,
                                      " only by the process that started it"));
}

void Task::Absorb(const SharedLog::Record& record) {
  switch (record.kind) {
    case kYielded:
      yields_.emplace_back(record.data);
      break;
    case kReturned:
      finished_ = true;
      try {
        result_ = std::make_shared<const std::string>(record.data);
      } catch (const std::bad_alloc&) {
        thrown_.emplace().type = "std::bad_alloc";
        thrown_->message = "no memory is left for the result";
      }
      break;
    case kStopped:
      stopped_ = true;
      [[fallthrough]];
    case kFinished:
      finished_ = true;
      break;
    case kThrew:
      finished_ = true;
      try {
        thrown_ = UnpackError(record.data);
      } catch (const BadValue& e) {
        thrown_.emplace().type = "remoteobj::BadValue";
        thrown_->message = absl::StrCat("the error that was thrown is damaged: ", e.what());
      }
      if (thrown_->type == "std::bad_alloc" && options_.limits.memory != ProcessLimits::kNone) {
        absl::StrAppend(&thrown_->message, ": the process has ", MemoryLimitText(options_.limits));
      }
      break;
    case kStack:
      traces_.stack.clear();
      for (std::string_view rest = record.data; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        traces_.stack.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      break;
    case kLastWords:
      traces_.last_words = std::string(record.data);
      break;
    default:
      break;
  }
}

void Task::AbsorbAll() {
  reader_.ReadAll([this](const SharedLog::Record& record) {
    mutex_.AssertHeld();
    Absorb(record);
  });
}

std::shared_ptr<const std::string> Task::Result() {
  CheckMine("asked for its result");
  const absl::MutexLock lock(&mutex_);
  if (!finished_) AbsorbAll();
  return result_;
}

// REQUIRES: it has ended, and its whole log is absorbed.
void Task::CheckEnd(bool raises) {
  if (finished_ && !thrown_) return;
  SetTaken();
  if (!raises) return;
  if (thrown_) Rethrow(*thrown_);
  traces_.doing = DoingText(control().doing.load(std::memory_order_relaxed),
                            control().yields.load(std::memory_order_relaxed));
  throw Died(traces_);
}

std::optional<std::string> Task::NextYield() {
  CheckMine("asked for its yields");
  const absl::MutexLock lock(&mutex_);
  for (bool ended = false;;) {
    if (!yields_.empty()) {
      std::string next = std::move(yields_.front());
      yields_.pop_front();
      return next;
    }
    if (finished_) break;
    if (const auto record = reader_.Next()) {
      if (record->kind == kYielded) return std::string(record->data);
      Absorb(*record);
      InterruptionPoint();
      continue;
    }
    if (ended) break;
    ended = !alive();
    if (ended) continue;  // There may be records since the last look.
    // A thread that ends without a record wakes nobody, nor does a process that has closed its
    // descriptors.
    const bool woken_at_end = end_fd() >= 0;
    reader_.Wait(end_fd(),
                 Slice(Deadline::After(woken_at_end ? absl::Seconds(1) : absl::Milliseconds(20))));
    InterruptionPoint();
  }
  CheckEnd(options_.raises);
  return std::nullopt;
}

void Task::EndYields() {
  if (mine()) RequestStop();
}

void Task::BeforeJoining() {
  if (options_.on_close && !closed_.exchange(true)) options_.on_close();
  StopWaitingForReaders();
}

void Task::StopWaitingForReaders() {
  if (control().joining.exchange(1, std::memory_order_relaxed) == 0) Interrupt();
}

// Returns false if it still runs.
bool Task::WaitToJoin(absl::Duration timeout) {
  CheckMine("joined");
  BeforeJoining();
  const Deadline deadline = Deadline::After(timeout);
  while (!WaitForEnd(Slice(deadline))) {
    InterruptionPoint();
    if (deadline.expired()) return false;
  }
  Ended();
  return true;
}

bool Task::Join(absl::Duration timeout) {
  if (!WaitToJoin(timeout)) return false;
  const absl::MutexLock lock(&mutex_);
  AbsorbAll();
  CheckEnd(options_.raises);
  return true;
}

std::shared_ptr<const std::string> Task::AwaitResult(absl::Duration timeout) {
  if (!WaitToJoin(timeout)) ThrowNotEnded(timeout);
  const absl::MutexLock lock(&mutex_);
  AbsorbAll();
  CheckEnd(true);
  if (stopped_) throw StopRequested();
  if (result_ == nullptr) {
    throw std::logic_error(
        absl::StrCat(name_, " sends no results back: its options have results = false"));
  }
  return result_;
}

void Task::ThrowIfFailed() {
  const absl::MutexLock lock(&mutex_);
  AbsorbAll();
  CheckEnd(true);
}

void Task::ThrowNotEnded(absl::Duration timeout) const {
  throw DeadlineExceeded::After(std::max(timeout, absl::ZeroDuration()),
                                absl::StrCat(name_, " (pid ", pid(), ") still runs"));
}

const Except& Task::errors() {
  SetTaken();
  if (shared_errors() != nullptr) return *shared_errors();
  std::optional<ErrorInfo> thrown;
  // A thread that waits for a yield holds the lock; there is no error then.
  if (mine() && mutex_.TryLock()) {
    AbsorbAll();
    thrown = thrown_;
    mutex_.Unlock();
  }
  const absl::MutexLock lock(&errors_mutex_);
  if (!errors_) errors_.emplace();
  if (thrown && !std::exchange(error_recorded_, true))
    ExceptAccess::Record(*errors_, *std::move(thrown), kDefaultGroup);
  return *errors_;
}

void Task::Interrupt() {
  control().interrupts.fetch_add(1, std::memory_order_release);
  transport_internal::FutexWakeAll(control().interrupts);
}

void Task::RequestStop() {
  control().stop.fetch_add(1, std::memory_order_relaxed);
  Interrupt();
}

void Task::Throw(const ErrorInfo& error) {
  const std::string packed = PackError(error);
  const std::uint64_t size = packed.size();
  std::string mail(reinterpret_cast<const char*>(&size), sizeof size);
  mail += packed;
  const absl::MutexLock lock(&tell_mutex_);
  const std::uint64_t end = control().mail.load(std::memory_order_relaxed);
  log_.WriteOwners(end, mail);
  control().mail.store(end + mail.size(), std::memory_order_release);
  Interrupt();
}

void Task::JoinBeforeRelease(bool unwinding) noexcept {
  if (!mine()) return;
  try {
    bool ended = false;
    try {
      BeforeJoining();
      const Deadline deadline = unwinding ? Deadline::Passed() : Deadline::After(options_.timeout);
      // A destructor must not throw: an interruption ends the wait, and the thread's next
      // interruption point throws.
      do {
        ended = WaitForEnd(std::max(Slice(deadline), absl::ZeroDuration()));
      } while (!ended && !transport_internal::Interrupted() && !deadline.expired());
      if (!ended && !unwinding && !transport_internal::Interrupted()) {
        LogLine(LogSeverity::kWarning,
                absl::StrCat(name_, " did not end within ", absl::FormatDuration(options_.timeout),
                             "; ending it"));
      }
    } catch (const std::exception& e) {
      LogLine(LogSeverity::kError,
              absl::StrCat(name_, " is being ended, since its on_close threw: ",
                           except_internal::WhatOf(e)));
    }
    if (!ended) {
      SetTaken();
      End(options_.grace);
    }
    Ended();
    if (taken_.load(std::memory_order_relaxed)) return;
    const absl::MutexLock lock(&mutex_);
    AbsorbAll();
    CheckEnd(options_.raises);
  } catch (const std::exception& e) {
    const RemoteError* const remote = RemoteErrorOf(e);
    if (remote != nullptr) {
      std::ostringstream text;
      text << name_ << " failed, and its error was not retrieved: " << *remote;
      LogLine(LogSeverity::kError, text.str());
    } else {
      LogLine(LogSeverity::kError, except_internal::WhatOf(e));
    }
  } catch (...) {
    LogLine(LogSeverity::kError, absl::StrCat(name_, " can't be joined"));
  }
}

}  // namespace remoteobj::process_internal
