// SPDX-License-Identifier: MIT
//
// Many clients that wait at once. The test prints the memory that the manager takes for them, and
// checks only that a waiting call keeps no thread.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {
namespace {

using manager_internal::AwaitClients;
using remoteobj_testing::Eventually;
using remoteobj_testing::Forked;

constexpr int kProcesses = 4;
constexpr int kGetsPerConnection = 10;

int ConnectionsPerProcess() {
  const char* const connections = std::getenv("REMOTEOBJ_LOAD_CONNECTIONS");
  return std::atoi(connections == nullptr ? "100" : connections) / kProcesses;
}

// A number of /proc/PID/status.
std::int64_t StatusOf(pid_t pid, const std::string& field) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string name;
  std::int64_t value = 0;
  while (status >> name) {
    if (name == field + ":") return status >> value ? value : 0;
    std::getline(status, name);
  }
  return 0;
}

void Print(const std::string& when, pid_t pid) {
  std::cout << when << ": " << StatusOf(pid, "Threads") << " threads, " << StatusOf(pid, "VmRSS")
            << " kB\n";
}

// Each connection takes a few descriptors; the usual limit may be 1024.
void RaiseFileLimit() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

// queue->get(), without a thread that waits for it.
std::unique_ptr<PendingCall> StartGet(const Queue<int>& queue) {
  return queue.referent()->channel().Start(
      [](RequestWriter request) {
        request.SetThread(1);
        const OperationsWriter operations = request.Operations(2);
        operations.Set(0, OperationKind::kGetAttribute, "get", 0);
        operations.Set(1, OperationKind::kCall, {}, 0);
        Encode<absl::Duration>(absl::InfiniteDuration(), operations.Arguments(1, 1)[0]);
      },
      Deadline::Never());
}

int Finish(PendingCall& get) {
  int item = 0;
  get.Finish([&](const OutcomeReader& outcome) { item = Decode<int>(outcome.Value()); },
             Deadline::Never());
  return item;
}

// Waits in many connections, then tells what came.
void GetInManyConnections(const std::string& address, int connections) {
  std::vector<Manager> managers;
  std::vector<Queue<int>> queues;
  std::vector<std::unique_ptr<PendingCall>> gets;
  for (int i = 0; i < connections; ++i) {
    managers.push_back(Manager::Connect(address));
    queues.push_back(managers.back().Get<Queue<int>>("jobs"));
    for (int n = 0; n < kGetsPerConnection; ++n) gets.push_back(StartGet(queues.back()));
  }
  std::vector<int> items;
  for (const auto& get : gets) items.push_back(Finish(*get));
  managers.front().Get<Queue<std::vector<int>>>("results")->put(items);
}

std::uint64_t WaitingAt(const Manager& manager, const std::string& name) {
  for (const auto& object : manager.Inspect().objects) {
    if (object.name == name) return object.waiting;
  }
  return 0;
}

TEST(ManagerLoadTest, ManyWaitAndAllAreServed) {
  RaiseFileLimit();
  const int connections = ConnectionsPerProcess();
  const int gets = kProcesses * connections * kGetsPerConnection;
  Manager manager({.quotas = {.connections = 100'000}});
  const auto jobs = manager.GetOrCreate<Queue<int>>("jobs");
  const auto results = manager.GetOrCreate<Queue<std::vector<int>>>("results");
  const std::int64_t threads = StatusOf(manager.pid(), "Threads");
  Print("before", manager.pid());

  const Deadline begin = Deadline::Now();
  std::vector<std::unique_ptr<Forked>> clients;
  for (int i = 0; i < kProcesses; ++i) {
    clients.push_back(
        std::make_unique<Forked>([&] { GetInManyConnections(manager.address(), connections); }));
  }
  Eventually(
      absl::StrCat(gets, " calls wait"),
      [&] { return WaitingAt(manager, "jobs") >= static_cast<std::uint64_t>(gets); },
      absl::Minutes(4));
  EXPECT_EQ(manager.Inspect().clients.size(), 1u + kProcesses * connections);
  Print(absl::StrCat(kProcesses * connections, " connections, ", gets, " calls that wait"),
        manager.pid());
  EXPECT_EQ(StatusOf(manager.pid(), "Threads"), threads);

  const Deadline waiting = Deadline::Now();
  for (int i = 0; i < gets; ++i) jobs->put(i);
  std::vector<int> all;
  for (int i = 0; i < kProcesses; ++i) {
    const std::vector<int> items = results->get();
    all.insert(all.end(), items.begin(), items.end());
    // Calls are served in order of arrival, which is known within a connection.
    for (auto at = items.begin(); at != items.end(); at += kGetsPerConnection) {
      EXPECT_TRUE(std::is_sorted(at, at + kGetsPerConnection));
    }
  }
  const Deadline served = Deadline::Now();
  std::vector<int> expected(static_cast<std::size_t>(gets));
  std::iota(expected.begin(), expected.end(), 0);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, expected);
  EXPECT_EQ(WaitingAt(manager, "jobs"), 0u);
  EXPECT_EQ(jobs->size(), 0u);

  for (auto& client : clients) EXPECT_EQ(client->Wait(), 0);
  AwaitClients(manager, 1);
  EXPECT_EQ(manager.object_count(), 2u);
  EXPECT_EQ(StatusOf(manager.pid(), "Threads"), threads);
  Print("after", manager.pid());
  std::cout << "all wait after " << absl::Nanoseconds(waiting.nanos() - begin.nanos())
            << ", are served in " << absl::Nanoseconds(served.nanos() - waiting.nanos()) << "\n";
}

}  // namespace
}  // namespace remoteobj
