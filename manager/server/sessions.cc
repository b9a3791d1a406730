// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/sessions.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/transport/rpc/internal/network.h"

namespace remoteobj::manager_internal {
namespace {

// Empty for a client of which nothing is known: it is one of its own.
std::string AccountName(const ClientInfo& info) {
  if (info.pid != 0) return absl::StrCat("pid ", info.pid);
  if (info.uid >= 0) return absl::StrCat("uid ", info.uid);
  // tcp:HOST:PORT
  return transport_internal::NetworkOf(info.address.substr(0, info.address.rfind(':')));
}

// Null without restrictions.
std::shared_ptr<Rights> NewRights(std::string name, const Policy& policy) {
  return policy.everything ? nullptr : std::make_shared<Rights>(std::move(name), policy);
}

}  // namespace

Sessions::Sessions(const Quotas& quotas, const std::map<std::string, Policy>& keys,
                   const std::map<std::int64_t, Policy>& users,
                   const std::vector<CertificatePolicy>& certificates)
    : quotas_(quotas) {
  for (const auto& [name, policy] : keys) {
    rights_of_keys_.emplace(name, NewRights(name, policy));
  }
  for (const auto& [uid, policy] : users) {
    rights_of_users_.emplace(uid, NewRights(absl::StrCat("uid ", uid), policy));
  }
  for (const auto& [name, policy] : certificates) {
    rights_of_certificates_.emplace_back(absl::AsciiStrToLower(name),
                                         NewRights(absl::StrCat("certificate ", name), policy));
  }
}

void Sessions::DropWaiting() {
  std::vector<std::deque<std::function<void()>>> waiting;
  const absl::MutexLock lock(&mutex_);
  for (const auto& [name, weak] : accounts_) {
    const auto account = weak.lock();
    if (account != nullptr) waiting.push_back(std::exchange(account->threads->waiting, {}));
  }
}

bool Sessions::MayAdd(const ClientInfo& info) {
  const absl::MutexLock lock(&mutex_);
  const auto at = accounts_.find(AccountName(info));
  const auto account = at == accounts_.end() ? nullptr : at->second.lock();
  return account == nullptr || account->connections.used.load() < quotas_.connections;
}

void Sessions::Add(const ClientInfo& info) {
  const auto session = std::make_shared<Session>();
  session->info = info;
  session->rights = RightsOf(info);
  const absl::MutexLock lock(&mutex_);
  session->account = AccountOf(info);
  session->connection = Charge(session->account, &Account::connections);
  sessions_.emplace(info.id, session);
}

std::shared_ptr<Account> Sessions::AccountOf(const ClientInfo& info) {
  const std::string name = AccountName(info);
  if (name.empty()) return std::make_shared<Account>(quotas_);
  if (auto account = accounts_[name].lock()) return account;
  const auto account = std::make_shared<Account>(quotas_);
  accounts_[name] = account;
  if (accounts_.size() >= most_accounts_) {
    std::erase_if(accounts_, [](const auto& one) { return one.second.expired(); });
    most_accounts_ = 2 * accounts_.size() + 64;
  }
  return account;
}

std::shared_ptr<Rights> Sessions::RightsOf(const ClientInfo& info) const {
  const auto of_key = rights_of_keys_.find(info.key);
  if (of_key != rights_of_keys_.end()) return of_key->second;
  const auto of_user = rights_of_users_.find(info.uid);
  if (of_user != rights_of_users_.end()) return of_user->second;
  for (const auto& [name, rights] : rights_of_certificates_) {
    const auto& names = info.certificate_names;
    if (name == "*" || std::ranges::find(names, name) != names.end()) return rights;
  }
  return nullptr;
}

void Sessions::Remove(ClientId client) {
  const absl::MutexLock lock(&mutex_);
  sessions_.erase(client);
}

std::shared_ptr<const Session> Sessions::Of(ClientId client) {
  const absl::MutexLock lock(&mutex_);
  const auto at = sessions_.find(client);
  return at == sessions_.end() ? nullptr : at->second;
}

}  // namespace remoteobj::manager_internal
