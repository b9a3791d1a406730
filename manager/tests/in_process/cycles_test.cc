// SPDX-License-Identifier: MIT
//
// Objects that contain one another go when nothing else refers to them, and not before. For clients
// that are processes see quotas_test.cc.
#include "remoteobj/manager/server/cycles.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/namespace.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/set.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/manager/value.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

// An object of a user's type that refers to another one.
struct Holder {
  void Hold(const Reference& reference) { held = reference.referent; }
  void Drop() { held.reset(); }
  std::shared_ptr<Referent> held = nullptr;
};
REMOTEOBJ_DESCRIBE(Holder, Hold, Drop)

namespace {

using manager_internal::Begun;
using manager_internal::Root;
using manager_internal::TestClient;
using manager_internal::TestServer;
using Objects = List<Reference>;
using Named = Dict<std::string, Reference>;

Reference To(const SharedProxyBase& proxy) { return {proxy.referent()}; }

class CyclesTest : public testing::Test {
 protected:
  static void AddTypes(manager_internal::Registry& types) {
    manager_internal::AddDataTypes(types);
    manager_internal::AddSyncTypes(types);
    types.Add("Holder", {.name = TypeName<Holder>(),
                         .info = &proxy_internal::TypeOf<Holder>(),
                         .make = [](const ListReader&) { return std::make_shared<Holder>(); },
                         .run = Run::kInServer});
  }

  std::size_t count() { return server_.objects().object_count(); }
  void AwaitObjects(std::size_t count) {
    remoteobj_testing::Eventually(absl::StrCat("there are ", count, " objects"),
                                  [&] { return this->count() == count; });
  }
  // Returns when the collector has looked at all that there is now.
  void AwaitCollector() {
    std::uint64_t id = 0;
    {
      TestClient client(server_);
      const auto list = client.Make<Objects>();
      list->push_back(To(list));
      id = list.referent()->id();
    }
    remoteobj_testing::Eventually("the collector has run", [&] { return !Exists(id); });
  }
  bool Exists(std::uint64_t id) {
    try {
      return server_.objects().Find(id) != nullptr;
    } catch (const StaleReference&) {
      return false;
    }
  }
  // Two lists that contain each other, and a Dict that the first one contains.
  Objects MakeRing(TestClient& client) {
    const auto a = client.Make<Objects>();
    const auto b = client.Make<Objects>();
    const auto squares = client.Make<Dict<int, int>>();
    squares[3] = 9;
    a->push_back(To(b));
    b->push_back(To(a));
    a->push_back(To(squares));
    return a;
  }
  static void ExpectIntact(const Objects& ring) {
    EXPECT_EQ(ring->size(), 2u);
    EXPECT_EQ(Objects(ring->at(0))->at(0).referent->id(), ring.referent()->id());
    EXPECT_EQ((Dict<int, int>(ring->at(1))->at(3)), 9);
  }
  Proxy<Root> root() { return Proxy<Root>(server_.Find(0)); }

  TestServer server_{AddTypes};
};

TEST_F(CyclesTest, ADictThatContainsItself) {
  {
    TestClient client(server_);
    const auto dict = client.Make<Named>();
    dict["self"] = To(dict);
    EXPECT_EQ(count(), 1u);
  }
  AwaitObjects(0);
}

TEST_F(CyclesTest, ARingOfAllTypes) {
  {
    TestClient client(server_);
    const auto dict = client.Make<Named>();
    const auto list = client.Make<Objects>();
    const auto queue = client.Make<Queue<Reference>>();
    const auto joinable = client.Make<JoinableQueue<Reference>>();
    const auto value = client.Make<Value<Reference>>(To(dict));
    const auto ns = client.Make<Namespace>();
    const auto set = client.Make<Set<Reference>>();
    dict["list"] = To(list);
    list->push_back(To(queue));
    queue->put(To(joinable));
    joinable->put(To(ns));
    ns.Set("set", set);
    set->insert(To(value));
    EXPECT_EQ(count(), 7u);
  }
  AwaitObjects(0);
}

TEST_F(CyclesTest, ARingOfInitialContents) {
  {
    TestClient client(server_);
    const auto list = client.Make<Objects>();
    const auto other = client.Make<Objects>(std::vector<Reference>{To(list)});
    list->push_back(To(other));
  }
  AwaitObjects(0);
}

// Each is scanned in several steps.
TEST_F(CyclesTest, RingsWithManyValues) {
  constexpr int kMany = 2500;
  {
    TestClient client(server_);
    const auto dict = client.Make<Dict<int, std::optional<Reference>>>();
    const auto list = client.Make<List<std::optional<Reference>>>();
    const auto queue = client.Make<Queue<std::optional<Reference>>>();
    const auto ns = client.Make<Namespace>();
    const std::optional<Reference> none;
    for (int i = 0; i < kMany; ++i) {
      dict->insert_or_assign(i, none);
      list->push_back(none);
      queue->put(none);
      ns.Set(absl::StrCat("n", i), i);
    }
    dict->insert_or_assign(kMany, To(list));
    list->push_back(To(queue));
    queue->put(To(ns));
    ns.Set("z", dict);
    EXPECT_EQ(count(), 4u);
  }
  AwaitObjects(0);
}

// The key at which a scan goes on counted as a reference from outside.
TEST_F(CyclesTest, KeysThatAllContainTheirSet) {
  {
    TestClient client(server_);
    const auto set = client.Make<Set<std::pair<Reference, int>>>();
    const auto dict = client.Make<Dict<std::pair<Reference, int>, int>>();
    for (int i = 0; i < 2500; ++i) {
      set->insert({To(set), i});
      dict->insert_or_assign({To(dict), i}, i);
    }
    EXPECT_EQ(count(), 2u);
  }
  AwaitObjects(0);
}

// A client that changes a container between two steps of a scan could have it forgotten.
TEST_F(CyclesTest, AListThatIsReversedWhileItIsScanned) {
  std::atomic<bool> stop{false};
  {
    TestClient client(server_);
    const auto list = client.Make<List<std::optional<Reference>>>();
    for (int i = 0; i < 4000; ++i) list->push_back(std::nullopt);
    list->push_back(To(list));
    std::thread other([&] {
      while (!stop) list->reverse();
    });
    for (int i = 0; i < 5; ++i) AwaitCollector();
    stop = true;
    other.join();
  }
  AwaitObjects(0);
}

// One message with many references, and clients that come and go.
TEST_F(CyclesTest, AValueOfManyReferences) {
  {
    TestClient client(server_);
    const auto value = client.Make<Value<std::vector<Reference>>>(std::vector<Reference>());
    value->set(std::vector<Reference>(20'000, To(value)));
    for (int i = 0; i < 3; ++i) AwaitCollector();
    EXPECT_EQ(value->get().size(), 20'000u);
  }
  AwaitObjects(0);
}

TEST_F(CyclesTest, MoreRingsThanAStepFinds) {
  {
    TestClient client(server_);
    for (int i = 0; i < 1500; ++i) MakeRing(client);
    // One of more objects than the collector otherwise destroys at once.
    Objects last = client.Make<Objects>();
    const Objects first = last;
    for (int i = 0; i < 1500; ++i) {
      const auto next = client.Make<Objects>();
      next->push_back(To(last));
      last = next;
    }
    first->push_back(To(last));
  }
  AwaitObjects(0);
}

TEST_F(CyclesTest, ARingThatANameReaches) {
  {
    TestClient client(server_);
    const auto named = client.Make<Named>();
    named["ring"] = To(MakeRing(client));
    root()->publish("named", To(named));
  }
  AwaitCollector();
  EXPECT_EQ(count(), 4u);
  ExpectIntact(Objects(Named(root()->get("named"))->at("ring")));
  root()->unpublish("named");
  AwaitObjects(0);
}

TEST_F(CyclesTest, ARingThatAClientHolds) {
  {
    TestClient holder(server_);
    std::optional<Objects> held;
    {
      TestClient client(server_);
      held = holder.Get(Objects(MakeRing(client)->at(0)));
    }
    AwaitCollector();
    EXPECT_EQ(count(), 3u);
    const Objects ring((*held)->at(0));
    ExpectIntact(ring);
    ring->push_back(To(*held));
    AwaitCollector();
    EXPECT_EQ(ring->size(), 3u);
  }
  AwaitObjects(0);
}

TEST_F(CyclesTest, ARingInWhichACallWaits) {
  TestClient waiting(server_);
  std::optional<Begun<bool>> joined;
  {
    TestClient client(server_);
    const auto queue = client.Make<JoinableQueue<Reference>>();
    const auto list = client.Make<Objects>();
    list->push_back(To(queue));
    queue->put(To(list));
    joined.emplace(waiting.Begin<bool>(queue, "join", absl::InfiniteDuration()));
  }
  AwaitCollector();
  EXPECT_EQ(count(), 2u);
  EXPECT_FALSE(joined->ready());
  joined.reset();
  AwaitCollector();
  EXPECT_EQ(count(), 0u);
}

// A reference that is nowhere but in an outcome which its client has not acknowledged.
TEST_F(CyclesTest, ARingThatIsHandedOver) {
  {
    TestClient getter(server_);
    const auto queue = getter.Make<Queue<Reference>>();
    {
      TestClient client(server_);
      queue->put(To(MakeRing(client)));
    }
    Begun<Reference> got = getter.Begin<Reference>(queue, "get", absl::InfiniteDuration());
    EXPECT_TRUE(got.ready());
    AwaitCollector();
    EXPECT_EQ(count(), 4u);
    ExpectIntact(Objects(got.Get()));
  }
  AwaitObjects(0);
}

TEST_F(CyclesTest, AnItemThatIsNotDoneIsItsClients) {
  {
    TestClient worker(server_);
    const auto queue = worker.Make<JoinableQueue<Reference>>();
    {
      TestClient client(server_);
      const Objects ring = MakeRing(client);
      ring->push_back(To(queue));
      queue->put(To(ring));
      queue->get();
    }
    AwaitCollector();
    EXPECT_EQ(count(), 4u);
  }
  AwaitObjects(0);
}

// The queue stores no reference when the collector looks at it, and does again later.
TEST_F(CyclesTest, AnItemThatReturnsClosesARing) {
  TestClient getter(server_);
  std::optional<Begun<Reference>> got;
  {
    TestClient client(server_);
    const auto queue = client.Make<Queue<Reference>>();
    const auto list = client.Make<Objects>();
    list->push_back(To(queue));
    queue->put(To(list));
    got.emplace(getter.Begin<Reference>(queue, "get", absl::InfiniteDuration()));
  }
  AwaitCollector();
  EXPECT_EQ(count(), 2u);
  got.reset();
  AwaitCollector();
  EXPECT_EQ(count(), 0u);
}

// It is not known what an object of a user's type refers to.
TEST_F(CyclesTest, ARingThroughAnObjectOfAUsersTypeStays) {
  std::uint64_t id = 0;
  {
    TestClient client(server_);
    const Objects ring = MakeRing(client);
    const Reference made = root()->create("Holder", "", AnyValue::Of(std::vector<AnyValue>{}));
    ring->push_back(made);
    Proxy<Holder>(made)->Hold(Reference{server_.objects().Find(ring.referent()->id())});
    id = made.referent->id();
  }
  AwaitCollector();
  EXPECT_EQ(count(), 4u);
  Proxy<Holder>(server_.Find(id))->Drop();
  AwaitCollector();
  AwaitObjects(0);
}

TEST_F(CyclesTest, AClientThatDropsRingsAndStays) {
  TestClient client(server_);
  for (int i = 0; i < 3000; ++i) MakeRing(client);
  AwaitObjects(0);
}

// Clients hand rings to one another through objects, while others leave rings. A ring that is used
// is whole, and at the end all are gone.
TEST_F(CyclesTest, RingsThatAreHandedOnWhileOthersAreCollected) {
  {
    TestClient owner(server_);
    const auto queue = owner.Make<Queue<Reference>>();
    const auto places = owner.Make<Dict<int, Reference>>();
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        // Without an end the collector would fall behind on a slow machine.
        constexpr int kMost = 2000;
        for (int i = 0; i < kMost && !stop.load(); ++i) {
          TestClient client(server_);
          const auto my_queue = client.Get(queue);
          const auto my_places = client.Get(places);
          my_queue->put(To(MakeRing(client)));
          {
            const Objects ring(my_queue->get());
            ExpectIntact(ring);
            my_places->insert_or_assign(t, To(ring));
          }
          for (int other = 0; other < 3; ++other) {
            const auto place = my_places->get(other);
            if (place) ExpectIntact(Objects(*place));
          }
          const Reference last = my_places->pop(t);
          ExpectIntact(Objects(last));
        }
      });
    }
    for (int round = 0; round < 10; ++round) AwaitCollector();
    stop.store(true);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(queue->size(), 0u);
  }
  AwaitObjects(0);
}

}  // namespace
}  // namespace remoteobj
