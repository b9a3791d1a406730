// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/sync_types.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/manager/server/types/barrier_object.h"
#include "remoteobj/manager/server/types/condition_object.h"
#include "remoteobj/manager/server/types/event_object.h"
#include "remoteobj/manager/server/types/lock_object.h"
#include "remoteobj/manager/server/types/queue_object.h"
#include "remoteobj/manager/server/types/semaphore_object.h"
#include "remoteobj/manager/server/waiting_type.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {
namespace {

template <typename T, typename Interface, typename Make>
void Add(Registry& registry, std::string type_id, Make make) {
  registry.Add(std::move(type_id), WaitingType<T, Interface>(std::move(make)));
}

template <typename T>
T ArgumentOr(const ListReader& arguments, std::size_t i, T otherwise) {
  return arguments.size() > i ? Decode<T>(arguments[i]) : otherwise;
}

}  // namespace

void AddSyncTypes(Registry& registry) {
  const auto make_queue = [](QueueObject::Kind kind) {
    return [kind](const ListReader& in) {
      return std::make_shared<QueueObject>(kind, ArgumentOr<std::int64_t>(in, 0, 0));
    };
  };
  Add<QueueObject, QueueInterface<AnyValue, QueueItem>>(registry, "Queue",
                                                        make_queue(QueueObject::Kind::kQueue));
  Add<QueueObject, JoinableQueueInterface<AnyValue, QueueItem>>(
      registry, "JoinableQueue", make_queue(QueueObject::Kind::kJoinable));
  for (const auto& [type_id, kind] :
       {std::pair("Lock", LockObject::Kind::kLock), std::pair("RLock", LockObject::Kind::kRLock)}) {
    Add<LockObject, LockInterface>(registry, type_id, [k = kind](const ListReader&) {
      return std::make_shared<LockObject>(k);
    });
  }
  for (const auto& [type_id, bounded] :
       {std::pair("Semaphore", false), std::pair("BoundedSemaphore", true)}) {
    Add<SemaphoreObject, SemaphoreInterface>(
        registry, type_id, [b = bounded](const ListReader& in) {
          return std::make_shared<SemaphoreObject>(ArgumentOr<std::int64_t>(in, 0, 1), b);
        });
  }
  Add<EventObject, EventInterface>(
      registry, "Event", [](const ListReader&) { return std::make_shared<EventObject>(); });
  Add<ConditionObject, ConditionInterface>(registry, "Condition", [](const ListReader& in) {
    const auto lock = ArgumentOr<std::optional<Reference>>(in, 0, std::nullopt);
    return lock ? std::make_shared<ConditionObject>(*lock) : std::make_shared<ConditionObject>();
  });
  Add<BarrierObject, BarrierInterface>(registry, "Barrier", [](const ListReader& in) {
    return std::make_shared<BarrierObject>(
        Decode<std::int64_t>(in[0]), ArgumentOr<absl::Duration>(in, 1, absl::InfiniteDuration()));
  });
}

}  // namespace remoteobj::manager_internal
