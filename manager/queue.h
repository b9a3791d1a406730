// SPDX-License-Identifier: MIT
//
// Queues that processes share by a manager. First in, first out.
//
//   remoteobj::Queue<Job> jobs = manager.Queue<Job>(/*maxsize=*/10);
//   jobs->put(job);                                      // waits for room
//   Job next = jobs->get();                              // waits for an item
//   std::optional<Job> maybe = jobs->try_get();          // waits for nothing
//   remoteobj::Future<Job> later = jobs->get.Async();
//
// get() removes an item only when the client has received it, so a client that dies in get() loses
// nothing. A JoinableQueue keeps an item until task_done() is called for it:
//
//   for (;;) {                                           jobs->put(job);
//     Job job = jobs->get();                             jobs->join();      // until all are done
//     Run(job);
//     jobs->task_done();
//   }
//
// If the process dies or disconnects before that, its items return to the front, in order: an item
// may be processed twice, but is not lost. task_done() marks the oldest item that the calling
// thread got; if it has none, one of its process; else one of another process, since an item may be
// processed by one that did not get it.
//
// Threads:  thread-safe. Copies are the same queue. Waiting callers are served in order of arrival.
// Errors:   QueueFull or QueueEmpty at the time-out (DeadlineExceeded, two seconds later, if the
//           network has failed); QueueShutDown; std::invalid_argument for a negative time-out, and
//           for one task_done() too many; the errors of a call to a manager. If put() throws one of
//           those, it is unknown whether the item was added. For a status: jobs->get.TryCall(),
//           whose codes errors.h has.
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_QUEUE_H_
#define REMOTEOBJ_MANAGER_QUEUE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/elements.h"
#include "remoteobj/manager/errors.h"  // IWYU pragma: export
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/wait_time.h"
#include "remoteobj/proxy/describe.h"

namespace remoteobj {

// The operations of a queue: `q->` leads to them. A time-out is an absl::Duration. The manager
// implements them for items of any type: T is AnyValue there, and Got what a get() returns, which
// is not copied on its way out.
template <typename T, typename Got = T>
class QueueInterface {
 public:
  virtual ~QueueInterface() = default;

  // Waits for room. Throws QueueFull at the time-out.
  virtual void put(const T& item, WaitTime timeout = {}) = 0;
  void put_nowait(const T& item) { put(item, absl::ZeroDuration()); }
  // Returns false if there is no room.
  virtual bool try_put(const T& item) = 0;

  // Waits for an item. Throws QueueEmpty at the time-out.
  virtual Got get(WaitTime timeout = {}) = 0;
  Got get_nowait() { return get(absl::ZeroDuration()); }
  // A std::optional: empty if there is no item.
  virtual Maybe<Got> try_get() = 0;

  // At the time of the call.
  virtual std::size_t size() const = 0;
  bool empty() const { return size() == 0; }
  virtual bool full() const = 0;

  // Later calls to put() throw QueueShutDown. Items in the queue can still be got, unless
  // `immediate`: then they are dropped, and waiting callers get QueueShutDown.
  virtual void shutdown(bool immediate = false) = 0;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T, typename Got), (QueueInterface<T, Got>), put, put_nowait,
                            try_put, get, get_nowait, try_get, size, empty, full, shutdown)

template <typename T, typename Got = T>
class JoinableQueueInterface : public QueueInterface<T, Got> {
 public:
  // Marks an item as done. Throws std::invalid_argument if all items that were got are done.
  virtual void task_done() = 0;
  // Waits until every item that was put is done. Returns false at the time-out.
  virtual bool join(WaitTime timeout = {}) = 0;
};
REMOTEOBJ_DESCRIBE_DERIVED_TEMPLATE((typename T, typename Got), (JoinableQueueInterface<T, Got>),
                                    (QueueInterface<T, Got>), task_done, join)

template <typename T>
class Queue final : public SharedProxy<Queue<T>, QueueInterface<T>> {
 public:
  static constexpr std::string_view kTypeId = "Queue";
  static std::string Type() { return absl::StrCat("Queue<", TypeName<T>(), ">"); }
  using SharedProxy<Queue, QueueInterface<T>>::SharedProxy;
};

template <typename T>
class JoinableQueue final : public SharedProxy<JoinableQueue<T>, JoinableQueueInterface<T>> {
 public:
  static constexpr std::string_view kTypeId = "JoinableQueue";
  static std::string Type() { return absl::StrCat("JoinableQueue<", TypeName<T>(), ">"); }
  using SharedProxy<JoinableQueue, JoinableQueueInterface<T>>::SharedProxy;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_QUEUE_H_
