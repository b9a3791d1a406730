// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/queue.h.
//
// An item whose outcome does not reach the client returns to its place, at the front. In a
// JoinableQueue an item also returns if its client disconnects before task_done().
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_QUEUE_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_QUEUE_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "absl/time/time.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/transport/wire/any_value.h"

namespace remoteobj::manager_internal {

// A value of any type, encoded without a copy.
struct QueueItem {
  std::shared_ptr<const AnyValue> value;
};

class QueueObject final : public SharedObject, public JoinableQueueInterface<AnyValue, QueueItem> {
 public:
  enum class Kind { kQueue, kJoinable };
  // Without a limit if `maxsize` is not positive.
  QueueObject(Kind kind, std::int64_t maxsize) : kind_(kind), maxsize_(maxsize) {}

  void put(const AnyValue& item, WaitTime timeout) override;
  bool try_put(const AnyValue& item) override;
  QueueItem get(WaitTime timeout) override;
  Maybe<QueueItem> try_get() override;

  std::size_t size() const override { return items_.size(); }
  bool full() const override {
    return maxsize_ > 0 && size() >= static_cast<std::uint64_t>(maxsize_);
  }
  void shutdown(bool immediate) override;

  void task_done() override;
  bool join(WaitTime timeout) override;

  void ClientGone(ClientId client) override;
  std::size_t waiting() const override {
    return getters_.size() + putters_.size() + joiners_.size();
  }

  // Without the items of got_, which count as their clients'.
  void Scan(ReferenceScan& scan) const;

 private:
  // In the order in which they were put.
  using Items = std::map<std::uint64_t, std::shared_ptr<const AnyValue>>;
  struct Got {
    ClientId client;
    std::uint32_t thread;
    Items::node_type item;
  };

  bool MayPut() const;
  void Put(const AnyValue& item);
  bool MayGet() const;
  QueueItem TakeFirst(CurrentCall& call);
  void PutBack(Items::node_type item);
  void MaybeWakePutter();
  void MaybeWakeJoiners();

  const Kind kind_;
  const std::int64_t maxsize_;
  bool shut_down_ = false;
  bool closed_at_once_ = false;
  Items items_;
  std::uint64_t last_put_ = 0;
  // In a JoinableQueue: the items that are not done, in the order in which they were got.
  std::map<std::uint64_t, Got> got_;
  std::uint64_t last_got_ = 0;
  WaitList getters_;
  WaitList putters_;
  WaitList joiners_;
};

}  // namespace remoteobj::manager_internal

namespace remoteobj {

template <>
struct Codec<manager_internal::QueueItem> {
  static void Encode(const manager_internal::QueueItem& item, ValueWriter out) {
    item.value->Write(out);
  }
  static manager_internal::QueueItem Decode(const ValueReader& in) {
    return {std::make_shared<const AnyValue>(AnyValue::Copy(in))};
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_QUEUE_OBJECT_H_
