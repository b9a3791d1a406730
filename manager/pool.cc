// SPDX-License-Identifier: MIT
#include "remoteobj/manager/pool.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <tuple>

#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/internal/pool_calls.h"
#include "remoteobj/manager/internal/pool_workers.h"
#include "remoteobj/manager/internal/relay_messages.h"
#include "remoteobj/manager/internal/serving.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"

namespace remoteobj {
namespace manager_internal {
namespace {

RelayProxy RelayOf(const Pool& pool) { return RelayProxy({pool.referent()}, Pool::Type()); }

}  // namespace
}  // namespace manager_internal

using manager_internal::RelayOf;
using manager_internal::RelayProxy;

// Guarded by ForkSafeMutex<State>().
struct Pool::State {
  // Known to the process that has made the pool; others ask the manager for it.
  std::string identity;
  std::shared_ptr<proxy_internal::Session> session;
  std::unique_ptr<manager_internal::PoolWorkers> workers;
};

Pool::Pool() : state_(std::make_shared<State>()) {}
Pool::Pool(const Reference& reference)
    : SharedProxyBase(reference, Type()), state_(std::make_shared<State>()) {}

AnyValue Pool::Arguments(int processes, const std::string& secret) {
  const unsigned size = processes > 0 ? static_cast<unsigned>(processes)
                                      : std::max(1u, std::thread::hardware_concurrency());
  return AnyValue::Of(
      std::tuple(TypeName<manager_internal::PoolWorker>(), std::uint64_t{size}, secret));
}

void Pool::Start(const std::string& secret, ProcessOptions options) {
  if (options.name.empty()) options.name = "pool";
  const RelayProxy pool = RelayOf(*this);
  // Without the lock, which the processes would inherit.
  auto workers = std::make_unique<manager_internal::PoolWorkers>(
      pool, secret, static_cast<int>(pool->size()), options);
  std::string identity = manager_internal::IdentityOf(secret);
  const std::scoped_lock lock(transport_internal::ForkSafeMutex<State>());
  state_->workers.swap(workers);
  state_->identity.swap(identity);
}

std::shared_ptr<proxy_internal::Session> Pool::session() const {
  std::string identity;
  {
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<State>());
    if (state_->session != nullptr) return state_->session;
    identity = state_->identity;
  }
  constexpr absl::Duration kSoon = RelayProxy::kSoon;
  const RelayProxy pool = RelayOf(*this);
  if (identity.empty()) identity = pool->identity.Timeout(kSoon)();
  auto session =
      proxy_internal::SessionOf(proxy_internal::TypeOf<manager_internal::PoolWorker>(),
                                {manager_internal::SigningReferent(
                                    pool->relayed.Timeout(kSoon)().referent, std::move(identity))},
                                {});
  const std::scoped_lock lock(transport_internal::ForkSafeMutex<State>());
  if (state_->session == nullptr) state_->session.swap(session);
  return state_->session;
}

std::uint64_t Pool::Methods::size() const { return RelayOf(pool_)->size(); }
void Pool::Methods::close() const { RelayOf(pool_)->close(); }
void Pool::Methods::terminate() const { RelayOf(pool_)->terminate(); }
bool Pool::Methods::join(absl::Duration timeout) const { return RelayOf(pool_)->join(timeout); }

absl::StatusOr<std::uint64_t> Pool::Methods::TrySize() const {
  return Try([&] { return size(); });
}
absl::Status Pool::Methods::TryClose() const {
  return Try([&] { close(); });
}
absl::Status Pool::Methods::TryTerminate() const {
  return Try([&] { terminate(); });
}
absl::Status Pool::Methods::TryJoin(absl::Duration timeout) const {
  return Try([&] {
    if (!join(timeout)) throw DeadlineExceeded::After(timeout, "the pool still has calls");
  });
}

}  // namespace remoteobj
