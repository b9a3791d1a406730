// SPDX-License-Identifier: MIT
//
// Clients that use everything at once, and die at any moment: nothing is lost, nothing stays held,
// and nobody waits for ever.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/condition.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/event.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/semaphore.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"

namespace remoteobj::manager_internal {
namespace {

constexpr int kSeats = 2;

// The objects that all clients share.
struct Objects {
  explicit Objects(TestClient& client)
      : items(client.Make<Queue<int>>(3)),
        jobs(client.Make<JoinableQueue<int>>(5)),
        lock(client.Make<Lock>()),
        rlock(client.Make<RLock>()),
        condition(client.Make<Condition>(rlock)),
        seats(client.Make<BoundedSemaphore>(kSeats)),
        event(client.Make<Event>()) {}
  Objects(TestClient& client, const Objects& other)
      : items(client.Get(other.items)),
        jobs(client.Get(other.jobs)),
        lock(client.Get(other.lock)),
        rlock(client.Get(other.rlock)),
        condition(client.Get(other.condition)),
        seats(client.Get(other.seats)),
        event(client.Get(other.event)) {}

  Queue<int> items;
  JoinableQueue<int> jobs;
  Lock lock;
  RLock rlock;
  Condition condition;
  BoundedSemaphore seats;
  Event event;
};

// The events that the clients have recorded.
struct Record {
  std::mutex mutex;
  int last_item = 0;
  // True if the item is known to be in: a put that failed may have put it.
  std::map<int, bool> put_items, put_jobs;
  std::multiset<int> got_items;
  // Jobs that are known to be done, and jobs whose client died as it said so.
  std::set<int> done_jobs, maybe_done_jobs;
  std::atomic<int> locked{0}, rlocked{0}, seated{0};

  int NewItem(std::map<int, bool>& put) {
    const std::scoped_lock guard(mutex);
    put[++last_item] = false;
    return last_item;
  }
  void IsIn(std::map<int, bool>& put, int item) {
    const std::scoped_lock guard(mutex);
    put[item] = true;
  }
};

// Counts who is in it.
class Inside {
 public:
  Inside(std::atomic<int>& count, int most) : count_(count) { EXPECT_LE(++count_, most); }
  ~Inside() { --count_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  std::atomic<int>& count_;
};

// One client, which does what it likes until it dies or is told to stop.
class Worker {
 public:
  Worker(TestServer& server, const Objects& objects, Record& record, unsigned seed)
      : client_(server), mine_(client_, objects), record_(record), random_(seed) {
    thread_ = std::thread([this] {
      try {
        while (!stop_) DoSomething();
      } catch (const ClientDied&) {
      }
    });
  }
  ~Worker() { Stop(); }

  // The server is told when it has left what it was in.
  void Die() {
    client_.Kill();
    Stop();
    client_.Die();
  }

 private:
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int Random(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  absl::Duration SomeTime() {
    return std::array{absl::ZeroDuration(), absl::Milliseconds(1), absl::Milliseconds(5),
                      absl::Milliseconds(50)}[static_cast<std::size_t>(Random(4))];
  }
  void MaybeSleep() {
    if (Random(4) == 0) absl::SleepFor(absl::Microseconds(Random(2000)));
  }

  void DoSomething() {
    try {
      switch (Random(9)) {
        case 0:
          return PutItem();
        case 1:
          return GetItem();
        case 2:
          return PutJob();
        case 3:
          return DoJob();
        case 4:
          return InLock();
        case 5:
          return InRLock();
        case 6:
          return InSeat();
        case 7:
          return Notify();
        default:
          return AwaitNotification();
      }
    } catch (const QueueFull&) {
    } catch (const QueueEmpty&) {
    }
  }

  void PutItem() {
    const int item = record_.NewItem(record_.put_items);
    mine_.items->put(item, SomeTime());
    record_.IsIn(record_.put_items, item);
  }
  void GetItem() {
    const int item = mine_.items->get(SomeTime());
    const std::scoped_lock guard(record_.mutex);
    record_.got_items.insert(item);
  }
  void PutJob() {
    const int job = record_.NewItem(record_.put_jobs);
    mine_.jobs->put(job, SomeTime());
    record_.IsIn(record_.put_jobs, job);
  }
  void DoJob() {
    const int job = mine_.jobs->get(SomeTime());
    {
      const std::scoped_lock guard(record_.mutex);
      EXPECT_FALSE(record_.done_jobs.contains(job)) << job;
    }
    MaybeSleep();
    mine_.event->is_set();  // It may die here, too.
    {
      const std::scoped_lock guard(record_.mutex);
      record_.maybe_done_jobs.insert(job);
    }
    mine_.jobs->task_done();
    const std::scoped_lock guard(record_.mutex);
    EXPECT_TRUE(record_.done_jobs.insert(job).second) << job;
  }
  void InLock() {
    const std::scoped_lock guard(mine_.lock);
    Use(record_.locked, 1);
  }
  void InRLock() {
    const std::scoped_lock guard(mine_.rlock);
    const std::unique_lock again(mine_.rlock);
    Use(record_.rlocked, 1);
  }
  void InSeat() {
    if (!mine_.seats->acquire(SomeTime())) return;
    Use(record_.seated, kSeats);
    mine_.seats->release();
  }
  void Notify() {
    const std::scoped_lock guard(mine_.condition);
    Use(record_.rlocked, 1);
    Random(2) == 0 ? mine_.condition->notify() : mine_.condition->notify_all();
    mine_.event->set();
    mine_.event->clear();
  }
  void AwaitNotification() {
    mine_.event->wait(SomeTime());
    const std::scoped_lock guard(mine_.condition);
    mine_.condition->wait(SomeTime());
    Use(record_.rlocked, 1);
  }
  void Use(std::atomic<int>& count, int most) {
    const Inside inside(count, most);
    MaybeSleep();
    mine_.event->is_set();  // It may die here.
  }

  TestClient client_;
  const Objects mine_;
  Record& record_;
  std::mt19937 random_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

template <typename Q>
std::multiset<int> Drain(const Q& queue) {
  std::multiset<int> items;
  while (const auto item = queue->try_get()) items.insert(*item);
  return items;
}

class SyncDeathsTest : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Seeds, SyncDeathsTest, testing::Range(1u, 6u));

TEST_P(SyncDeathsTest, NothingIsLostAndNobodyWaits) {
  constexpr std::size_t kWorkers = 5;
  TestServer server(AddSyncTypes);
  TestClient survivor(server);
  const Objects objects(survivor);
  Record record;
  std::mt19937 random(GetParam());
  std::vector<std::unique_ptr<Worker>> workers(kWorkers);
  for (int deaths = 0; deaths < 60; ++deaths) {
    for (std::unique_ptr<Worker>& worker : workers) {
      if (worker == nullptr) {
        worker = std::make_unique<Worker>(server, objects, record, static_cast<unsigned>(random()));
      }
    }
    absl::SleepFor(absl::Microseconds(random() % 5000));
    std::unique_ptr<Worker>& dies = workers[random() % kWorkers];
    dies->Die();
    dies.reset();
  }
  workers.clear();

  EXPECT_EQ(server.waiting(), 0u);
  EXPECT_FALSE(objects.lock->locked());
  EXPECT_FALSE(objects.rlock->locked());
  for (int i = 0; i < kSeats; ++i) EXPECT_TRUE(objects.seats->acquire(absl::ZeroDuration()));
  EXPECT_FALSE(objects.seats->acquire(absl::ZeroDuration()));

  // Each item was got once, or is there still.
  std::multiset<int> items = Drain(objects.items);
  items.merge(record.got_items);
  for (const int item : items) {
    EXPECT_EQ(items.count(item), 1u) << item;
    EXPECT_TRUE(record.put_items.contains(item)) << item;
  }
  for (const auto& [item, known] : record.put_items) {
    EXPECT_TRUE(!known || items.contains(item)) << item;
  }
  // Each job was done once, or is there still.
  const std::multiset<int> jobs = Drain(objects.jobs);
  for (const int job : jobs) {
    EXPECT_EQ(jobs.count(job), 1u) << job;
    EXPECT_FALSE(record.done_jobs.contains(job)) << job;
    objects.jobs->task_done();
  }
  EXPECT_TRUE(objects.jobs->join(absl::ZeroDuration()));
  for (const auto& [job, known] : record.put_jobs) {
    EXPECT_TRUE(!known || jobs.contains(job) || record.maybe_done_jobs.contains(job)) << job;
  }
  EXPECT_FALSE(items.empty());
  EXPECT_FALSE(record.done_jobs.empty());
}

}  // namespace
}  // namespace remoteobj::manager_internal
