// SPDX-License-Identifier: MIT
//
// The amounts of each quota that a client uses.
//
//   const Charge charge(account, &Account::objects);    // throws QuotaExceeded; ends with `charge`
//
// Threads:  thread-safe.
// Lifetime: an account lives as long as a connection, a call or an object that is charged to it.
#ifndef REMOTEOBJ_MANAGER_SERVER_ACCOUNT_H_
#define REMOTEOBJ_MANAGER_SERVER_ACCOUNT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/quotas.h"
#include "remoteobj/manager/server/strand.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {

struct Account {
  struct Meter {
    const char* const name;
    const std::uint64_t limit;
    std::atomic<std::uint64_t> used{0};
  };

  explicit Account(const Quotas& quotas)
      : connections{"connections", quotas.connections},
        calls{"calls", quotas.calls},
        call_bytes{"call_bytes", quotas.call_bytes},
        message_bytes{"message_bytes", quotas.message_bytes},
        objects{"objects", quotas.objects},
        names{"names", quotas.names},
        kept{"kept", quotas.kept},
        threads(
            std::make_shared<ThreadShare>(ThreadShare{static_cast<std::size_t>(quotas.threads)})) {}

  Meter connections;
  Meter calls;
  Meter call_bytes;
  Meter message_bytes;
  Meter objects;
  Meter names;
  Meter kept;
  const std::shared_ptr<ThreadShare> threads;
};

class Charge {
 public:
  Charge() = default;
  // Charges nothing to a null account. `at_least_one`: whatever its amount, a charge fits if there
  // is no other.
  Charge(std::shared_ptr<Account> account, Account::Meter Account::* meter,
         std::uint64_t amount = 1, bool at_least_one = false)
      : account_(std::move(account)), meter_(meter), amount_(amount) {
    if (account_ == nullptr) return;
    Account::Meter& on = (*account_).*meter_;
    const std::uint64_t before = on.used.fetch_add(amount_);
    if (before + amount_ <= on.limit || (at_least_one && before == 0)) return;
    on.used.fetch_sub(amount_);
    account_ = nullptr;
    throw QuotaExceeded(absl::StrCat(QuotaExceeded::Of(on.name, on.limit).what(),
                                     " (ManagerOptions::quotas.", on.name, " of the manager)"),
                        on.name, on.limit);
  }
  ~Charge() {
    if (account_ != nullptr) ((*account_).*meter_).used.fetch_sub(amount_);
  }
  // Charges more, or less. Grow() throws QuotaExceeded.
  void Grow(std::uint64_t amount) {
    Charge more(account_, meter_, amount);
    amount_ += std::exchange(more.amount_, 0);
  }
  void Shrink(std::uint64_t amount) {
    amount_ -= amount;
    if (account_ != nullptr) ((*account_).*meter_).used.fetch_sub(amount);
  }
  bool charged() const { return account_ != nullptr; }
  Charge(Charge&& other) noexcept { *this = std::move(other); }
  Charge& operator=(Charge&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(meter_, other.meter_);
    std::swap(amount_, other.amount_);
    return *this;
  }

 private:
  std::shared_ptr<Account> account_;
  Account::Meter Account::* meter_ = nullptr;
  std::uint64_t amount_ = 0;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_ACCOUNT_H_
