// SPDX-License-Identifier: MIT
//
// The connected clients of a manager: who they are, what they have taken of their quotas, and what
// they may do.
//
// Threads:  thread-safe. Its mutex is taken last.
// Lifetime: a session lives as long as its connection or a call of it; the account of a client as
//           long as a session, a call or an object that is charged to it.
#ifndef REMOTEOBJ_MANAGER_SERVER_SESSIONS_H_
#define REMOTEOBJ_MANAGER_SERVER_SESSIONS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/policy.h"
#include "remoteobj/manager/quotas.h"
#include "remoteobj/manager/server/account.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/rights.h"

namespace remoteobj::manager_internal {

// A connected client.
struct Session {
  ClientInfo info;
  std::shared_ptr<Account> account;
  std::shared_ptr<Rights> rights;  // Null: it may do everything.
  Charge connection;
};

class Sessions {
 public:
  // The policies of clients by the name of their key, or else by their uid or a name of their
  // certificate. Others are not restricted.
  Sessions(const Quotas& quotas, const std::map<std::string, Policy>& keys,
           const std::map<std::int64_t, Policy>& users,
           const std::vector<CertificatePolicy>& certificates);
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // Adds the client of the number `info.id`. Throws QuotaExceeded if it has as many connections as
  // it may have.
  void Add(const ClientInfo& info);
  // Returns false if Add would throw.
  bool MayAdd(const ClientInfo& info);
  void Remove(ClientId client);
  // Null for a client that is not connected.
  std::shared_ptr<const Session> Of(ClientId client);
  // Drops the calls that wait for a thread, which keep the accounts in which they wait.
  void DropWaiting();
  // Returns true if any client is restricted.
  bool restricts() const {
    return !rights_of_keys_.empty() || !rights_of_users_.empty() ||
           !rights_of_certificates_.empty();
  }

 private:
  std::shared_ptr<Account> AccountOf(const ClientInfo& info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Rights> RightsOf(const ClientInfo& info) const;

  const Quotas quotas_;
  std::map<std::string, std::shared_ptr<Rights>> rights_of_keys_;
  std::map<std::int64_t, std::shared_ptr<Rights>> rights_of_users_;
  std::vector<std::pair<std::string, std::shared_ptr<Rights>>> rights_of_certificates_;

  absl::Mutex mutex_;
  std::unordered_map<ClientId, std::shared_ptr<const Session>> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::weak_ptr<Account>> accounts_ ABSL_GUARDED_BY(mutex_);
  std::size_t most_accounts_ ABSL_GUARDED_BY(mutex_) = 64;  // At this size, ended ones are dropped.
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_SESSIONS_H_
