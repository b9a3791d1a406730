// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/shared.h"

#include <atomic>
#include <stdexcept>

#include "remoteobj/proxy/internal/session.h"

namespace remoteobj::manager_internal {

Shared::Shared(const Reference& reference, std::string_view type) : referent_(reference.referent) {
  if (referent_ == nullptr) throw BadValue("a reference to no object");
  if (referent_->type() != type) {
    throw BadValue(absl::StrCat("expected a proxy of ", std::string(type), ", got one of ",
                                referent_->type()));
  }
}

void Shared::CallNamed(std::string_view method, WriteRequest write, ReadOutcome read,
                       absl::Time deadline) const {
  try {
    referent_->channel().Call(write, read, deadline);
  } catch (const std::runtime_error&) {
    proxy_internal::RethrowNaming(
        [&] { return absl::StrCat("(", referent_->type(), ".", std::string(method), ")"); });
  }
}

std::uint64_t ThisThread() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t id = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return id;
}

}  // namespace remoteobj::manager_internal
