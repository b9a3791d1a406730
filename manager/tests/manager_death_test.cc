// SPDX-License-Identifier: MIT
//
// Processes that use a manager's objects are killed at any moment, stopped and continued; and the
// manager itself is killed, and restarted. No lock stays held, no item is lost or comes twice,
// nobody waits for ever, and the manager has nothing of the dead.
//
// REMOTEOBJ_DEATH_ROUNDS says how often a process is killed. There is a watchdog against hanging,
// and no other limit of time.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;
using remoteobj_testing::OpenDescriptors;
using remoteobj_testing::TryEventually;

constexpr absl::Duration kWatchdog = absl::Seconds(30);
constexpr int kSeats = 2;
constexpr std::size_t kWorkers = 4;
constexpr int kMostItems = 1 << 22;
constexpr int kMostWorkers = 1 << 15;

int Rounds() {
  const char* rounds = std::getenv("REMOTEOBJ_DEATH_ROUNDS");
  return rounds == nullptr ? 100 : std::atoi(rounds);
}

// Shared by all processes, and survives them.
template <typename T>
class Survivor {
 public:
  Survivor()
      : memory_(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        value_(static_cast<T*>(memory_)) {}  // Cleared, which is what it begins as.
  ~Survivor() { munmap(memory_, sizeof(T)); }
  Survivor(const Survivor&) = delete;
  Survivor& operator=(const Survivor&) = delete;
  T* operator->() const { return value_; }

 private:
  void* const memory_;
  T* const value_;
};

// The events that the processes have recorded.
struct Ledger {
  std::atomic<int> failures, last_item, last_worker;
  // By item: whether its put() has returned, and how often it was got; and of jobs, whether
  // task_done() has returned.
  std::atomic<std::uint8_t> put[kMostItems], got[kMostItems], done[kMostItems];
  // By worker.
  std::atomic<std::uint32_t> progress[kMostWorkers];
  std::atomic<bool> doomed[kMostWorkers], getting[kMostWorkers];
  // The number of workers inside.
  std::atomic<int> in_lock, in_rlock;

  void Fail(const char* what, int which) {
    std::fprintf(stderr, "process %d: %s: %d\n", getpid(), what, which);
    ++failures;
  }
};

// The objects that all processes share.
struct Objects {
  explicit Objects(Manager& manager)
      : items(manager.Queue<int>(5)),
        jobs(manager.JoinableQueue<int>(5)),
        results(manager.Dict<int, int>()),
        lock(manager.Lock()),
        rlock(manager.RLock()),
        condition(manager.Condition(rlock)),
        seats(manager.BoundedSemaphore(kSeats)) {}

  Queue<int> items;
  JoinableQueue<int> jobs;
  Dict<int, int> results;
  Lock lock;
  RLock rlock;
  Condition condition;
  BoundedSemaphore seats;
};

// Does what it likes, in a process of its own, until that is killed.
class Worker {
 public:
  Worker(const Objects& objects, const Survivor<Ledger>& ledger, int number)
      : objects_(objects),
        ledger_(ledger),
        number_(number),
        random_(static_cast<unsigned>(number)) {}

  [[noreturn]] void Run() {
    for (;;) {
      try {
        DoSomething();
      } catch (const QueueFull&) {
      } catch (const QueueEmpty&) {
      }
      ++ledger_->progress[number_];
    }
  }

 private:
  int Random(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  absl::Duration SomeTime() {
    return std::array{absl::ZeroDuration(), absl::Milliseconds(1), absl::Milliseconds(20),
                      absl::InfiniteDuration()}[static_cast<std::size_t>(Random(4))];
  }
  void MaybeSleep() {
    if (Random(4) == 0) absl::SleepFor(absl::Microseconds(Random(1000)));
  }

  void DoSomething() {
    switch (Random(9)) {
      case 0:
        return Put(objects_.items);
      case 1:
        return GetItem();
      case 2:
        return Put(objects_.jobs);
      case 3:
        return DoJob();
      case 4: {
        const std::scoped_lock guard(objects_.lock);
        return Use(ledger_->in_lock);
      }
      case 5: {
        const std::scoped_lock guard(objects_.rlock);
        const std::unique_lock again(objects_.rlock);
        return Use(ledger_->in_rlock);
      }
      case 6:
        if (!objects_.seats->acquire(SomeTime())) return;
        MaybeSleep();
        return objects_.seats->release();
      case 7: {
        const std::scoped_lock guard(objects_.condition);
        Random(2) == 0 ? objects_.condition->notify() : objects_.condition->notify_all();
        return Use(ledger_->in_rlock);
      }
      default: {
        const std::scoped_lock guard(objects_.condition);
        objects_.condition->wait(SomeTime());
        return Use(ledger_->in_rlock);
      }
    }
  }

  template <typename Q>
  void Put(const Q& queue) {
    const int item = ++ledger_->last_item;
    queue->put(item, SomeTime());
    ledger_->put[item] = 1;
  }
  void GetItem() {
    ledger_->getting[number_] = true;
    try {
      const int item = objects_.items->get(SomeTime());
      if (ledger_->got[item]++ != 0) ledger_->Fail("an item came twice", item);
    } catch (const QueueEmpty&) {
    }
    ledger_->getting[number_] = false;
  }
  void DoJob() {
    const int job = objects_.jobs->get(SomeTime());
    if (ledger_->done[job] != 0) ledger_->Fail("a job came again that was done", job);
    MaybeSleep();
    objects_.results->insert(job, number_);
    MaybeSleep();
    objects_.jobs->task_done();
    ledger_->done[job] = 1;
  }
  // Alone, but for one who is dead or about to be.
  void Use(std::atomic<int>& in) {
    const int other = in.exchange(number_);
    if (other != 0 && !ledger_->doomed[other]) ledger_->Fail("two are in the same lock", other);
    MaybeSleep();
    objects_.lock->locked();  // It may die here.
    int self = number_;
    if (!in.compare_exchange_strong(self, 0)) ledger_->Fail("another came into the lock", self);
  }

  const Objects& objects_;
  const Survivor<Ledger>& ledger_;
  const int number_;
  std::minstd_rand random_;
};

template <typename Q>
std::multiset<int> Drain(const Q& queue) {
  std::multiset<int> items;
  while (const auto item = queue->try_get()) items.insert(*item);
  return items;
}

std::uint64_t WaitingIn(const Manager& manager) {
  std::uint64_t waiting = 0;
  for (const ObjectInfo& object : manager.Inspect().objects) waiting += object.waiting;
  return waiting;
}

ManagerOptions WithSharedMemory(bool wanted) {
  ManagerOptions options;
  options.shared_memory = wanted;
  return options;
}

class ClientDeathTest : public testing::TestWithParam<bool> {
 protected:
  struct Running {
    int number;
    std::unique_ptr<Forked> process;
  };

  Running Start() {
    const int number = ++ledger_->last_worker;
    return {number, std::make_unique<Forked>([&] { Worker(objects_, ledger_, number).Run(); })};
  }
  void Kill(Running& worker) {
    ledger_->doomed[worker.number] = true;
    EXPECT_EQ(worker.process->Kill(), -SIGKILL);
    if (ledger_->getting[worker.number]) ++may_have_an_item_;
    worker.process.reset();
  }
  // Each waiting call is answered.
  void Help() {
    if (const auto item = objects_.items->try_get()) {
      if (ledger_->got[*item]++ != 0) ledger_->Fail("an item came twice", *item);
    }
    const int item = ++ledger_->last_item;
    if (objects_.items->try_put(item)) ledger_->put[item] = 1;
    const int job = ++ledger_->last_item;
    if (objects_.jobs->try_put(job)) ledger_->put[job] = 1;
    if (const auto other = objects_.jobs->try_get()) {
      objects_.results->insert(*other, 0);
      objects_.jobs->task_done();
      ledger_->done[*other] = 1;
    }
    if (objects_.condition->acquire(absl::ZeroDuration())) {
      objects_.condition->notify_all();
      objects_.condition->release();
    }
  }

  Manager manager_{WithSharedMemory(GetParam())};
  const Objects objects_{manager_};
  const Survivor<Ledger> ledger_;
  int may_have_an_item_ = 0;
};
INSTANTIATE_TEST_SUITE_P(, ClientDeathTest, testing::Bool(), [](const auto& info) {
  return info.param ? "SharedMemory" : "SocketsOnly";
});

TEST_P(ClientDeathTest, NothingIsLostOrHeldAndNobodyWaits) {
  const std::uint64_t objects_before = manager_.object_count();
  const int descriptors_before = OpenDescriptors();
  std::minstd_rand random(4711);
  std::array<Running, kWorkers> workers;
  for (Running& worker : workers) worker = Start();
  for (int round = 0; round < Rounds() && ledger_->failures == 0; ++round) {
    absl::SleepFor(absl::Microseconds(random() % (random() % 4 == 0 ? 20'000 : 4'000)));
    Running& dies = workers[random() % kWorkers];
    Running& stops = workers[random() % kWorkers];
    if (round % 4 == 0) {
      stops.process->Signal(SIGSTOP);
      absl::SleepFor(absl::Microseconds(random() % 4'000));
    }
    Kill(dies);
    if (stops.process != nullptr) stops.process->Signal(SIGCONT);
    dies = Start();
    if (round % 8 == 0) Help();
  }
  // All that live go on.
  for (Running& worker : workers) {
    const std::uint32_t progress = ledger_->progress[worker.number];
    EXPECT_TRUE(TryEventually([&] {
      Help();
      return ledger_->progress[worker.number] > progress + 10;
    })) << "worker "
        << worker.number << " waits for ever";
  }
  for (Running& worker : workers) Kill(worker);

  EXPECT_TRUE(TryEventually([&] { return manager_.Inspect().clients.size() == 1; }))
      << manager_.Inspect().clients.size();
  EXPECT_EQ(WaitingIn(manager_), 0u);
  EXPECT_EQ(manager_.object_count(), objects_before);
  EXPECT_EQ(OpenDescriptors(), descriptors_before);
  EXPECT_FALSE(objects_.lock->locked());
  EXPECT_FALSE(objects_.rlock->locked());
  for (int i = 0; i < kSeats; ++i) EXPECT_TRUE(objects_.seats->acquire(absl::ZeroDuration()));
  EXPECT_FALSE(objects_.seats->acquire(absl::ZeroDuration()));

  EXPECT_EQ(ledger_->failures, 0);
  std::multiset<int> items = Drain(objects_.items);
  std::multiset<int> jobs = Drain(objects_.jobs);
  std::set<int> results;
  for (const int job : objects_.results->keys()) results.insert(job);
  int missing = 0, items_got = 0, jobs_done = 0;
  const int last = ledger_->last_item;
  ASSERT_LT(last, kMostItems);
  for (int item = 1; item <= last; ++item) {
    const int got = ledger_->got[item];
    items_got += got;
    jobs_done += ledger_->done[item];
    EXPECT_LE(static_cast<std::size_t>(got) + items.count(item), 1u) << item;
    EXPECT_LE(ledger_->done[item] + jobs.count(item), 1u) << item;
    const bool somewhere =
        got != 0 || items.contains(item) || jobs.contains(item) || results.contains(item);
    if (ledger_->put[item] != 0 && !somewhere) ++missing;
  }
  // It had come to one who died before it could say so.
  EXPECT_LE(missing, may_have_an_item_);
  for (std::size_t i = 0; i < jobs.size(); ++i) objects_.jobs->task_done();
  EXPECT_TRUE(objects_.jobs->join(absl::ZeroDuration()));
  EXPECT_GT(items_got, 0);
  EXPECT_GT(jobs_done, 0);
  std::printf("rounds %d, items %d, got %d, jobs done %d, gone with the dead %d of %d\n", Rounds(),
              last, items_got, jobs_done, missing, may_have_an_item_);
}

// The errors that a client of a dying manager gets.
enum Told : int { kAllWell = 0, kNothing = 2, kSomethingElse = 3, kNotStale = 4 };

class ManagerDeathTest : public testing::TestWithParam<bool> {
 protected:
  ManagerDeathTest()
      : address_("unix:/tmp/remoteobj-death." + std::to_string(std::random_device()())) {}

  const std::string address_;
};
INSTANTIATE_TEST_SUITE_P(, ManagerDeathTest, testing::Bool(), [](const auto& info) {
  return info.param ? "SharedMemory" : "SocketsOnly";
});

// Waits in a way of its own; then finds that its object is gone for good.
int WaitAndBeTold(const Objects& objects, int way, std::atomic<int>& ready) {
  bool told = false;
  try {
    ++ready;
    if (way == 2) objects.condition->acquire();
    switch (way) {
      case 0:
        objects.items->get();
        break;
      case 1:
        objects.lock->acquire();
        break;
      case 2:
        for (;;) objects.condition->wait();
      case 3:
        objects.jobs->join();
        break;
      default:
        for (int i = 0;; ++i) objects.results->insert_or_assign(i % 100, i);
    }
  } catch (const ListenerDied&) {
    told = true;
  } catch (const NotListening&) {
    told = true;
  } catch (const StaleReference&) {
    return kAllWell;  // It came so late that it met the next manager.
  }
  if (!told) return kNothing;
  int code = kNotStale;
  const bool over = TryEventually([&] {
    try {
      objects.lock->locked();
      return true;
    } catch (const StaleReference&) {
      code = kAllWell;
      return true;
    } catch (const NotListening&) {
    } catch (const ListenerDied&) {
    }
    return false;
  });
  return over ? code : kNotStale;
}

TEST_P(ManagerDeathTest, ThoseWhoWaitAreToldAndObjectsOfTheNextAreOthers) {
  constexpr int kWays = 5;
  int descriptors = 0;
  for (int round = 0; round < std::max(3, Rounds() / 20) && !HasFailure(); ++round) {
    // The first one opens what stays open.
    if (round == 1) descriptors = OpenDescriptors();
    Manager manager(address_, WithSharedMemory(GetParam()));
    manager.Start();
    auto old = std::make_unique<Objects>(manager);
    old->lock->acquire();
    old->jobs->put(1);
    struct Counter {
      std::atomic<int> ready;
    };
    const Survivor<Counter> counter;
    std::vector<std::unique_ptr<Forked>> clients;
    for (int i = 0; i < 2 * kWays; ++i) {
      clients.push_back(std::make_unique<Forked>(
          [&, i] { _exit(WaitAndBeTold(*old, i % kWays, counter->ready)); }));
    }
    EXPECT_TRUE(TryEventually([&] { return counter->ready == 2 * kWays; }));
    absl::SleepFor(absl::Microseconds(1 + 997 * (round % 7)));
    ASSERT_EQ(kill(manager.pid(), SIGKILL), 0);
    EXPECT_TRUE(manager.Join(kWatchdog));
    bool told = false;
    try {
      old->results->size();
    } catch (const ListenerDied&) {
      told = true;
    } catch (const NotListening&) {
      told = true;
    }
    EXPECT_TRUE(told);

    Manager next(address_, WithSharedMemory(GetParam()));
    next.Start();
    const Objects fresh(next);
    EXPECT_THROW(old->lock->locked(), StaleReference);
    EXPECT_THROW(old->items->get(), StaleReference);
    fresh.items->put(7);
    EXPECT_EQ(fresh.items->get(), 7);
    for (auto& client : clients) EXPECT_EQ(client->Wait(), kAllWell);
    EXPECT_TRUE(TryEventually([&] { return next.Inspect().clients.size() <= 2; }));
    EXPECT_EQ(next.object_count(), 7u);
  }
  EXPECT_EQ(OpenDescriptors(), descriptors);
}

}  // namespace
}  // namespace remoteobj
