// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/body.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "remoteobj/except/internal/access.h"
#include "remoteobj/except/internal/context.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/traceback.h"
#include "remoteobj/process/interruption.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/thread_end.h"

namespace remoteobj {
namespace process_internal {

using transport_internal::interruption;

Body::Body(SharedLog& log, const Except* errors, std::uint64_t max_backlog,
           transport_internal::Identity owner)
    : Interruption(ControlOf(log).interrupts),
      log_(log),
      control_(ControlOf(log)),
      errors_(errors),
      max_backlog_(max_backlog),
      owner_(owner) {}

Body::~Body() {
  if (watcher_.joinable()) {
    watcher_.request_stop();
    transport_internal::FutexWakeAll(control_.interrupts);
  }
}

// Every Interruption is a Body: no other class derives from it.
Body* Body::Current() { return static_cast<Body*>(interruption); }

bool Body::Run(absl::FunctionRef<void(Body&)> call) {
  transport_internal::Interruption* const before = std::exchange(interruption, this);
  SetDoing(kRunning);
  bool threw = false;
  const TracebackScope traceback;
  try {
    call(*this);
  } catch (const StopRequested&) {
    if (SpeaksForProcess()) log_.Append(kStopped, {});
  } catch (...) {
    if (transport_internal::ThreadEnds()) {
      interruption = before;
      throw;
    }
    threw = true;
    SpeaksForProcess() ? RecordError() : EndFork(true);
  }
  if (!SpeaksForProcess()) EndFork(false);
  SetDoing(kEnding);
  interruption = before;
  return !threw;
}

// Ends a fork that the function made: as RunAsProcess() does, but without writing into the log.
void Body::EndFork(bool threw) {
  if (threw) {
    const ErrorInfo error = CaptureCurrentException();
    std::fprintf(stderr, "remoteobj: a fork that process %s has made threw %s: %s\n",
                 program_invocation_short_name, error.type.c_str(), error.message.c_str());
  }
  std::cout.flush();
  std::clog.flush();
  std::fflush(stdout);
  std::fflush(stderr);
  _exit(threw ? EXIT_FAILURE : EXIT_SUCCESS);
}

// Records the exception being handled. If there is no memory for that, the missing record tells the
// owner that the function failed.
void Body::RecordError() noexcept {
  try {
    const ErrorInfo error = CaptureCurrentException();
    log_.Append(kThrew, PackError(error));
    if (errors_ != nullptr && !except_internal::WasRecorded(std::current_exception())) {
      ExceptAccess::Record(*errors_, error, kDefaultGroup);
    }
  } catch (const std::exception& e) {
    log_.AppendInSignalHandler(kLastWords, e.what());
  }
}

void Body::Yield(std::string_view packed) {
  if (!SpeaksForProcess()) return;
  SetDoing(kYielding);
  // Blocks until the reader has caught up, or the owner joins. If the owner dies, a daemon dies as
  // well; another process continues without a reader.
  while (!unread_ && !stop_requested() && !transport_internal::Interrupted() &&
         control_.joining.load(std::memory_order_relaxed) == 0 &&
         !log_.WaitForRoom(max_backlog_, absl::Seconds(1))) {
    unread_ = owner_ != transport_internal::Self() && !transport_internal::Alive(owner_);
  }
  log_.Append(kYielded, packed);
  control_.yields.fetch_add(1, std::memory_order_relaxed);
  SetDoing(kRunning);
}

void Body::Return(std::string_view packed) {
  if (!SpeaksForProcess()) return;
  SetDoing(kEnding);
  log_.Append(SendsResults() ? kReturned : kFinished, packed);
}

std::stop_token Body::Token() {
  stop_.emplace();
  watcher_ = std::jthread([this, source = *stop_](std::stop_token over) mutable {
    while (!over.stop_requested() && !stop_requested()) {
      const std::uint32_t seen = control_.interrupts.load(std::memory_order_acquire);
      if (over.stop_requested() || stop_requested()) break;
      // Woken by RequestStop() and by the destructor. The timeout covers a wake-up before the
      // sleep.
      transport_internal::FutexWait(control_.interrupts, seen, absl::Milliseconds(100));
    }
    if (stop_requested()) source.request_stop();
  });
  return stop_->get_token();
}

std::optional<ErrorInfo> Body::NextMail() {
  if (mail_read_ >= control_.mail.load(std::memory_order_acquire)) return std::nullopt;
  std::uint64_t size = 0;
  std::string packed;
  bool whole = log_.ReadOwners(mail_read_, reinterpret_cast<char*>(&size), sizeof size);
  if (whole) {
    packed.resize(size);
    whole = log_.ReadOwners(mail_read_ + sizeof size, packed.data(), size);
  }
  if (!whole) {
    mail_read_ = control_.mail.load(std::memory_order_acquire);
    throw std::runtime_error(
        "an error that the owner throws here can't be read, since this process has closed the "
        "library's descriptors");
  }
  mail_read_ += sizeof size + size;
  return UnpackError(packed);
}

void Body::Tell() {
  if (auto error = NextMail()) {
    SetDoing(kRunning);
    Rethrow(*std::move(error));
  }
  const std::uint32_t stops = control_.stop.load(std::memory_order_relaxed);
  if (stops == std::exchange(stops_told_, stops)) return;
  if (stop_) {
    stop_->request_stop();
  } else {
    SetDoing(kRunning);
    throw StopRequested();
  }
}

}  // namespace process_internal

using process_internal::Body;

void SleepFor(absl::Duration duration) {
  Body* const body = Body::Current();
  if (body == nullptr) return absl::SleepFor(duration);
  InterruptionPoint();
  body->SetDoing(process_internal::kSleeping);
  const Deadline end = Deadline::After(duration);
  while (!end.expired() && !body->stop_requested()) {
    std::atomic<std::uint32_t> nobody_wakes{0};
    transport_internal::FutexWait(nobody_wakes, 0, end.left());
    InterruptionPoint();
  }
  body->SetDoing(process_internal::kRunning);
  // A stop that came right before the loop has ended it without being told.
  InterruptionPoint();
}

bool IsStopRequested() {
  const Body* const body = Body::Current();
  return body != nullptr && body->stop_requested();
}

}  // namespace remoteobj
