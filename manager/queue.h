// SPDX-License-Identifier: MIT
//
// Queues that processes share by a manager. First in, first out.
//
//   remoteobj::Queue<Job> jobs = manager.Queue<Job>(/*maxsize=*/10);
//   jobs->put(job);                                      // waits for room
//   Job next = jobs->get();                              // waits for an item
//   std::optional<Job> maybe = jobs->try_get();          // waits for nothing
//
// An item is in the queue until a process has it: one that dies as it waits takes nothing along. Of
// a JoinableQueue<T> an item is not even gone then, before task_done() is called for it:
//
//   for (;;) {                                           jobs->put(job);
//     Job job = jobs->get();                             jobs->join();      // until all are done
//     Run(job);
//     jobs->task_done();
//   }
//
// If the process dies before, or leaves the manager, the items that it has not done come back to
// the front, in order: an item may be done twice, but is not lost. task_done() is for the item that
// the calling thread got first and has not done; if it has none, for its process's; else for
// anybody's, since one may do what another got.
//
// Threads:  thread-safe. Copies are the same queue. Who waits is served in the order of coming.
// Errors:   QueueFull, QueueEmpty when the time is over (DeadlineExceeded, two seconds later, if
// the
//           network has failed meanwhile), QueueShutDown; std::invalid_argument for a
//           negative timeout, and for a task_done() too many; and what goes wrong on the way to the
//           manager. A put() that throws that may have put its item, or not.
#ifndef REMOTEOBJ_MANAGER_QUEUE_H_
#define REMOTEOBJ_MANAGER_QUEUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/errors.h"  // IWYU pragma: export
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace manager_internal {

// The dot is the proxy, the arrow is the queue.
template <typename T>
class AnyQueue : public Shared {
 public:
  class Methods {
   public:
    // Throws QueueFull if there is no room in time.
    void put(const T& item, absl::Duration timeout = absl::InfiniteDuration()) const {
      queue_.template CallFor<void>(timeout, "put", item, timeout);
    }
    void put_nowait(const T& item) const { put(item, absl::ZeroDuration()); }
    // Whether there was room.
    bool try_put(const T& item) const { return queue_.template Call<bool>("try_put", item); }

    // Throws QueueEmpty if there is no item in time.
    T get(absl::Duration timeout = absl::InfiniteDuration()) const {
      return queue_.template CallFor<T>(timeout, "get", ThisThread(), timeout);
    }
    T get_nowait() const { return get(absl::ZeroDuration()); }
    // Nothing if there is no item.
    std::optional<T> try_get() const {
      auto item = queue_.template Call<std::optional<std::tuple<T>>>("try_get", ThisThread());
      if (!item) return std::nullopt;
      return std::get<0>(*std::move(item));
    }

    // As they are at that instant.
    std::uint64_t size() const { return queue_.template Call<std::uint64_t>("size"); }
    bool empty() const { return size() == 0; }
    bool full() const { return queue_.template Call<bool>("full"); }

    // From now on nothing is put. What is in it can still be got, unless it ends `immediate`ly;
    // then, and to those who wait, QueueShutDown.
    void shutdown(bool immediate = false) const {
      queue_.template Call<void>("shutdown", immediate);
    }

    const Methods* operator->() const { return this; }

   protected:
    friend class AnyQueue;
    explicit Methods(const AnyQueue& queue) : queue_(queue) {}

    void TaskDone() const { queue_.template Call<void>("task_done", ThisThread()); }
    bool Join(absl::Duration timeout) const {
      return queue_.template CallFor<bool>(timeout, "join", timeout);
    }

   private:
    const AnyQueue& queue_;
  };
  Methods operator->() const { return Methods(*this); }

 protected:
  using Shared::Shared;
};

}  // namespace manager_internal

template <typename T>
class Queue final : public manager_internal::AnyQueue<T> {
 public:
  static constexpr std::string_view kTypeId = "Queue";
  static std::string Type() { return absl::StrCat("Queue<", TypeName<T>(), ">"); }
  // Of no object, until another is assigned to it.
  Queue() = default;
  explicit Queue(const Reference& reference) : manager_internal::AnyQueue<T>(reference, Type()) {}
};

template <typename T>
class JoinableQueue final : public manager_internal::AnyQueue<T> {
  using Base = manager_internal::AnyQueue<T>;

 public:
  static constexpr std::string_view kTypeId = "JoinableQueue";
  static std::string Type() { return absl::StrCat("JoinableQueue<", TypeName<T>(), ">"); }
  // Of no object, until another is assigned to it.
  JoinableQueue() = default;
  explicit JoinableQueue(const Reference& reference) : Base(reference, Type()) {}

  class Methods : public Base::Methods {
   public:
    // An item that was got is done.
    void task_done() const { this->TaskDone(); }
    // Waits until all that was put is done. False if that takes longer.
    bool join(absl::Duration timeout = absl::InfiniteDuration()) const {
      return this->Join(timeout);
    }

    const Methods* operator->() const { return this; }

   private:
    friend class JoinableQueue;
    explicit Methods(const JoinableQueue& queue) : Base::Methods(queue) {}
  };
  Methods operator->() const { return Methods(*this); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_QUEUE_H_
