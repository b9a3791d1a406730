// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/shared.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

// For a request and its answer on their way.
constexpr absl::Duration kOnTheWay = absl::Seconds(2);

// Waits for the outcome for as long as the listener is there.
void FinishWhileThere(Channel& channel, PendingCall& call, ReadOutcome read, Deadline deadline) {
  bool answered = false;
  const auto read_once = [&](const OutcomeReader& outcome) {
    answered = true;
    read(outcome);
  };
  for (bool there = true;;) {
    try {
      return call.Finish(read_once, deadline);
    } catch (const DeadlineExceeded&) {
      // An answer may be this error as any other.
      if (answered || !there) throw;
    }
    there = channel.listening();
    // If it is not, only what has come meanwhile counts; or how the connection has ended.
    deadline = there ? Deadline::After(kOnTheWay) : Deadline::Passed();
  }
}

}  // namespace

Shared::Shared(const Reference& reference, std::string_view type) : referent_(reference.referent) {
  if (referent_ == nullptr) throw BadValue("a reference to no object");
  if (referent_->type() != type) {
    throw BadValue(absl::StrCat("expected a proxy of ", std::string(type), ", got one of ",
                                referent_->type()));
  }
}

void Shared::ThrowEmpty() {
  throw std::logic_error("a proxy of no object: it was made by its default constructor");
}

Deadline Shared::LimitOf(absl::Duration timeout) {
  return Deadline::After(std::max(timeout, absl::ZeroDuration()) + kOnTheWay);
}

void Shared::CallNamed(std::string_view method, WriteRequest write, ReadOutcome read,
                       Deadline deadline) const {
  Naming(method, [&] { referent()->channel().Call(write, read, deadline); });
}

void Shared::CallNamedWhileThere(std::string_view method, WriteRequest write, ReadOutcome read,
                                 Deadline deadline) const {
  Naming(method, [&] {
    Channel& channel = referent()->channel();
    const std::unique_ptr<PendingCall> call = channel.Start(write, deadline);
    FinishWhileThere(channel, *call, read, deadline);
  });
}

void Shared::Naming(std::string_view method, absl::FunctionRef<void()> call) const {
  try {
    call();
  } catch (const CallError&) {
    proxy_internal::RethrowNaming(
        [&] { return absl::StrCat("(", referent_->type(), ".", std::string(method), ")"); });
  }
}

std::uint64_t ThisThread() {
  static constinit std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t id = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return id;
}

}  // namespace remoteobj::manager_internal
