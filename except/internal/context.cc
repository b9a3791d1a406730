// SPDX-License-Identifier: MIT
#include "remoteobj/except/internal/context.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "remoteobj/except/internal/kept_exception.h"
#include "remoteobj/except/internal/uncancelled.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/transport/internal/log_line.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::except_internal {
namespace {

// The exceptions that this thread's contexts have recorded. They are kept alive, so that no other
// exception can have the same address.
class Marks {
 public:
  void Enter() { ++depth_; }

  // `left` is the exception that leaves the context, if any.
  void Leave(const std::exception_ptr& left) {
    if (--depth_ > 0) return;
    // No context can see them again, except for one that still propagates.
    const bool keep = left != nullptr && Has(left);
    Ring marks;
    marks.swap(marks_);
    if (keep) Add(left);
  }

  bool Has(const std::exception_ptr& exception) const {
    return std::ranges::find(marks_, exception, &KeptException::get) != marks_.end();
  }

  void Add(const std::exception_ptr& exception) {
    // The replaced exception is destroyed after the ring is consistent: its destructor is user
    // code.
    KeptException kept(exception);
    kept.Swap(marks_[next_]);
    next_ = (next_ + 1) % marks_.size();
  }

 private:
  using Ring = std::array<KeptException, 16>;
  Ring marks_;
  std::size_t next_ = 0;
  int depth_ = 0;
};

Marks& ThisThreadsMarks() {
  thread_local Marks marks;
  return marks;
}

}  // namespace

void WriteToGlog(const RemoteError& error, bool with_traceback) {
  std::ostringstream text;
  if (with_traceback) {
    text << error;
  } else {
    if (!error.group().empty()) text << error.group() << ": ";
    text << error.type() << ": " << error.message();
  }
  LOG(ERROR) << text.str();
}

bool WasRecorded(const std::exception_ptr& exception) { return ThisThreadsMarks().Has(exception); }

void Context::Enter() { ThisThreadsMarks().Enter(); }

void Context::Leave() { ThisThreadsMarks().Leave(thrown_on_); }

bool Context::Swallows() {
  const std::exception_ptr current = std::current_exception();
  // Thread cancellation: no C++ exception, and the unwinding can't be stopped.
  if (current == nullptr) return false;
  thrown_on_ = current;
  if (CurrentIsA<StopRequested>()) return false;  // Not an error.
  if (settings_.matches != nullptr && !settings_.matches()) return false;
  const bool recorded = settings_.catch_once && ThisThreadsMarks().Has(current);
  if (!recorded) {
    try {
      Record(current);
    } catch (const std::exception& e) {
      // Not by glog: a forked child may find its lock taken.
      transport_internal::LogLine(
          transport_internal::LogSeverity::kError,
          absl::StrCat("remoteobj: an exception could not be recorded: ", WhatOf(e)));
      return false;
    }
    if (settings_.catch_once) ThisThreadsMarks().Add(current);
  }
  if (settings_.raises || !settings_.catch_once) return false;
  thrown_on_ = nullptr;
  return true;
}

void Context::Record(const std::exception_ptr& current) {
  const Uncancelled uncancelled;
  ErrorInfo info = CaptureCurrentException();
  info.group = group_;
  if (settings_.log) WriteToGlog(RemoteError(info), settings_.log_traceback);
  store_.Record(std::move(info), current);
}

}  // namespace remoteobj::except_internal
