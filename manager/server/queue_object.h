// SPDX-License-Identifier: MIT
//
// A queue of a manager, as its server has it: Queue and JoinableQueue.
//
// An item is in the queue until a client has received it. One that does not reach the client comes
// back to its place, at the front. In a joinable queue an item is its client's until it is done,
// and comes back if the client goes before.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_QUEUE_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_QUEUE_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "absl/time/time.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"

namespace remoteobj::manager_internal {

// A value of any type on its way out, not copied.
struct QueueItem {
  std::shared_ptr<const AnyValue> value;
};

class QueueObject final : public SharedObject {
 public:
  enum class Kind { kQueue, kJoinable };
  // Without a limit if `maxsize` is not positive.
  QueueObject(Kind kind, std::int64_t maxsize) : kind_(kind), maxsize_(maxsize) {}

  // `thread` is the calling one's number in its process.

  // Throws QueueFull, QueueShutDown; std::invalid_argument for a negative timeout.
  void put(const AnyValue& item, absl::Duration timeout);
  bool try_put(const AnyValue& item);
  // Throws QueueEmpty, QueueShutDown; std::invalid_argument for a negative timeout.
  QueueItem get(std::uint64_t thread, absl::Duration timeout);
  // In a tuple, since the item may be null.
  std::optional<std::tuple<QueueItem>> try_get(std::uint64_t thread);

  std::uint64_t size() const { return items_.size(); }
  bool full() const { return maxsize_ > 0 && size() >= static_cast<std::uint64_t>(maxsize_); }
  void shutdown(bool immediate);

  // What this thread got first and has not done; else its client; else anybody. Throws
  // std::invalid_argument if there is nothing.
  void task_done(std::uint64_t thread);
  // False if not all was done in time.
  bool join(absl::Duration timeout);

  void ClientGone(ClientId client) override;
  std::size_t waiting() const override {
    return getters_.size() + putters_.size() + joiners_.size();
  }

 private:
  // Ordered by when they were put.
  using Items = std::map<std::uint64_t, std::shared_ptr<const AnyValue>>;
  struct Got {
    ClientId client;
    std::uint64_t thread;
    Items::node_type item;
  };

  bool MayPut() const;
  void Put(const AnyValue& item);
  bool MayGet() const;
  QueueItem TakeFirst(CurrentCall& call, std::uint64_t thread);
  void PutBack(Items::node_type item);
  void MaybeWakePutter();
  void MaybeWakeJoiners();

  const Kind kind_;
  const std::int64_t maxsize_;
  bool shut_down_ = false;
  bool closed_at_once_ = false;
  Items items_;
  std::uint64_t last_put_ = 0;
  // Of a joinable queue, what is not done yet, in the order in which it was got.
  std::map<std::uint64_t, Got> got_;
  std::uint64_t last_got_ = 0;
  WaitList getters_;
  WaitList putters_;
  WaitList joiners_;
};
REMOTEOBJ_DESCRIBE(QueueObject, put, try_put, get, try_get, size, full, shutdown, task_done, join)

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

#endif  // REMOTEOBJ_MANAGER_SERVER_QUEUE_OBJECT_H_
