// SPDX-License-Identifier: MIT
//
// Destroys built-in objects that only keep one another alive: a Dict that contains itself, two
// Lists that contain each other. Reference counts alone would keep them until the manager ends.
//
//   CycleCollector cycles(mutex, table);
//   cycles.MayStore(entry);          // a request to the object has a reference
//   cycles.Released();               // a client has gone, a name was unpublished
//
// The algorithm is trial deletion, as in CPython's gc. A reference count counts all references to
// an object. The collector counts those that are stored in other built-in objects. An object with
// more references than these is held from outside: by a client, a name, a call, an outcome, a timer
// that keeps it on its way to another process, an object of a user's type. It stays, and so does
// all that it leads to. The others can be reached by nothing, and are destroyed.
//
// Only candidates are looked at: objects that were sent a reference, since each member of a cycle
// stores one. This is done twice.
//   1. For all candidates, in steps of 1,000 values. Calls run between the steps, so the counts are
//      wrong for objects that change. A cycle that nothing holds does not change, so it is found.
//   2. For the objects found, one connected group after the other. The server's lock and the lock
//      of the table are held: no reference can be taken out of a stored value, or obtained by an
//      object's number. An object without references from outside can get none then, so the counts
//      are exact. The group leaves the table before the locks are released.
// The objects are destroyed without a lock, as others are.
//
// The collector runs 50 ms after a client has gone, a name was unpublished or many references were
// stored; then after four times as long, up to minutes, since calls and timers may still hold what
// a client has left. It has a thread, which runs only then, and only if there are candidates.
//
// Cost:     none for calls without references. A step holds the server's lock for 1,000 objects,
//           values and references (about 1 ms if nothing is optimized), or for one value, if that
//           has more references. The second pass holds it for as long as calls take that read all
//           values of the group, or of several groups of up to 1,000 objects. A pause of ten times
//           as long follows each of these, so that others have nine tenths of the lock's time. A
//           run takes about 100 bytes for each candidate, and 32 for each other object that it
//           refers to.
// Threads:  thread-safe.
// Lifetime: the server's. Stop() before the objects are destroyed.
// Not here: cycles through an object of a user's type, a stream, or a client's object.
#ifndef REMOTEOBJ_MANAGER_SERVER_CYCLES_H_
#define REMOTEOBJ_MANAGER_SERVER_CYCLES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "remoteobj/manager/server/worker_pool.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/cond_var.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class Entry;
class ObjectTable;

// Counts the references in the values that an object stores, in one or more steps. An object may
// change between two steps; then some references may be missed.
class ReferenceScan {
 public:
  using Counts = absl::flat_hash_map<const Referent*, std::size_t>;

  explicit ReferenceScan(std::size_t most) : left(most) {}

  // Looks at the elements from `at` on, which moves, until `left` is used up.
  template <typename Iterator, typename F>
  void Look(Iterator& at, const Iterator& end, F look) {
    for (; at != end && left > 0; ++at) {
      --left;
      look(*at);
    }
    done = at == end;
    several |= !done;
  }
  void Add(const AnyValue& value) {
    for (const auto& reference : value.references()) ++found[reference.get()];
    left -= std::min(left, value.references().size());
  }

  Counts found = {};
  std::size_t left;  // The elements and references that this step may still look at.
  bool done = true;
  bool several = false;  // It takes several steps.
  // True if the object may store further references without being sent them.
  bool may_store = false;
  // The last element that was looked at: one of these, as suits the type.
  std::optional<AnyValue> last_key = {};
  std::string last_name = {};
  std::uint64_t last_number = 0;
};

// The function of a RegisteredType that scans a T, which implements Interface; null if a T stores
// no values.
template <typename T, typename Interface>
constexpr auto ScanOf() -> void (*)(const void* object, ReferenceScan& scan) {
  if constexpr (requires(const T& object, ReferenceScan& scan) { object.Scan(scan); }) {
    return [](const void* object, ReferenceScan& scan) {
      static_cast<const T*>(static_cast<const Interface*>(object))->Scan(scan);
    };
  } else {
    return nullptr;
  }
}

class CycleCollector {
 public:
  // `mutex` is the server's, which guards built-in objects.
  CycleCollector(absl::Mutex& mutex, ObjectTable& table) : mutex_(mutex), table_(table) {}
  CycleCollector(const CycleCollector&) = delete;
  CycleCollector& operator=(const CycleCollector&) = delete;

  // Makes an object a candidate, if it is one that stores values. REQUIRES: the mutex is held, as
  // does Released().
  void MayStore(Entry& entry);
  // Schedules a run.
  void Released();
  // REQUIRES: the mutex is not held.
  void Stop();

 private:
  using Candidates = std::vector<std::weak_ptr<Entry>>;
  // An object with the number of references to it, and those that its values contain.
  struct Node {
    const Referent* object = nullptr;
    std::size_t references = 0;
    ReferenceScan::Counts contains = {};
    std::weak_ptr<Entry> entry = {};
  };
  // The references among nodes, by the places of these.
  struct Graph {
    explicit Graph(const std::vector<Node>& nodes);
    // Returns which nodes are held from outside, or led to by those that are.
    std::vector<bool> Held(const std::vector<Node>& nodes) const;
    // Returns the connected groups of the others.
    std::vector<std::vector<std::size_t>> GroupsWithout(const std::vector<bool>& held) const;

    std::vector<std::vector<std::size_t>> contains;
    std::vector<std::size_t> stored;  // How many references to each are in the others' values.
  };

  void Work();
  void Run();
  // The first pass.
  std::vector<Node> ScanCandidates();
  // Scans candidates until the step is over. Returns false if none is left. `seen` keeps the
  // objects, which must not be destroyed with the mutex held.
  bool ScanSome(std::size_t& next, ReferenceScan& scan, std::vector<Node>& nodes,
                std::vector<std::shared_ptr<Entry>>& seen);
  // The second pass.
  void Destroy(const Candidates& suspects);
  // Returns false if the collector stops.
  bool Pause(absl::Duration duration);

  absl::Mutex& mutex_;
  ObjectTable& table_;

  // Guarded by the mutex:
  Candidates candidates_;
  std::size_t stored_ = 0;  // References that were sent since the last run that these caused.
  Deadline next_ = Deadline::Never();
  absl::Duration delay_;
  bool working_ = false;
  bool stop_ = false;
  transport_internal::CondVar changed_;

  WorkerPool thread_{1};
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_CYCLES_H_
