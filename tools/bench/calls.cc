// SPDX-License-Identifier: MIT
//
// Calls through a Proxy, and how they scale.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/proxy/batch.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/tools/bench/bench.h"
#include "remoteobj/tools/bench/free_memory.h"
#include "remoteobj/tools/bench/serve.h"

namespace bench {

struct Sink {
  std::size_t Take(const std::vector<double>& values) { return values.size(); }
};
REMOTEOBJ_DESCRIBE(Sink, Take)

struct Link {
  std::unique_ptr<Link> next;
  int value = 0;
};
REMOTEOBJ_DESCRIBE(Link, next, value)

namespace {

using remoteobj::Future;
using remoteobj::Proxy;
using remoteobj_testing::Forked;

// --- Small calls ---

// The same calls wherever the two processes are. Peers are beside the first.
void SmallCalls(Bench& bench, const std::string& group, Placement placement, int pause_us,
                const std::string& limit, const std::map<std::string, Calls>& others) {
  app::Counter counter;
  Proxy remote(counter);
  auto server = Serve(remote, placement.server);
  std::vector<std::string> peers;
  for (const auto& [name, calls] : others) {
    if (name != limit) peers.push_back(name);
  }
  Pin(placement.client);
  bench.Compare(
      group,
      {{"remote->Inc()", Each([&] { remote->Inc(); }, pause_us), limit, peers},
       {"*remote->count", Each([&] { (void)*remote->count; }, pause_us), limit},
       {"remote->config->timeout = 5", Each([&] { remote->config->timeout = 5; }, pause_us), limit},
       {"remote.PassTo(lambda)",
        Each([&] { remote.PassTo([](app::Counter& c) { return ++c.count; }); }, pause_us), limit},
       {"*remote->data[\"a\"]", Each([&] { (void)*remote->data["a"]; }, pause_us), limit}},
      others);
}

void TwoCores(Bench& bench) {
  const Placement two = bench.two_cores();
  if (two.client == two.server) return;
  std::map<std::string, Calls> others = {{"spinning", remoteobj_testing::SpinPingPong(two)}};
  for (const char* peer : {"Boost.Interprocess", "ZeroMQ", "gRPC", "RPyC", "Python's remoteobj"}) {
    others.emplace(peer, bench.Peer(peer, "call"));
  }
  SmallCalls(bench, "small calls, two cores", two, 0, "spinning", others);
}

void Asleep(Bench& bench) {
  const std::string limit = "futex after 1 ms";
  SmallCalls(bench, "the listener has gone to sleep", bench.two_cores(), 1000, limit,
             {{limit, remoteobj_testing::FutexPingPong(bench.two_cores(), 1000)}});
}

void OneCore(Bench& bench) {
  const Placement one{.client = bench.two_cores().client, .server = bench.two_cores().client};
  SmallCalls(bench, "small calls, one core", one, 0, "futex, one core",
             {{"futex, one core", remoteobj_testing::FutexPingPong(one)}});
}

// --- Many ---

// Makes so many calls, in batches of so many, of which so many are under way.
void InBatches(const Proxy<app::Counter>& remote, int calls, int size, std::size_t under_way) {
  remoteobj::Batch batch;
  std::deque<std::pair<Future<void>, std::vector<Future<int>>>> sent;
  int sum = 0;
  const auto get = [&] {
    sent.front().first.Get();
    for (Future<int>& count : sent.front().second) sum += count.Get();
    sent.pop_front();
  };
  for (int i = 0; i < calls; i += size) {
    std::vector<Future<int>> counts;
    counts.reserve(static_cast<std::size_t>(size));
    for (int k = 0; k < size; ++k) counts.push_back(batch.Call(remote->Inc));
    if (sent.size() == under_way) get();
    Future<void> all = batch.Send();
    sent.emplace_back(std::move(all), std::move(counts));
  }
  while (!sent.empty()) get();
  if (sum == 0) std::abort();
}

void Asynchronously(const Proxy<app::Counter>& remote, int calls, std::size_t under_way) {
  std::deque<Future<int>> sent;
  for (int i = 0; i < calls; ++i) {
    if (sent.size() == under_way) {
      sent.front().Get();
      sent.pop_front();
    }
    sent.push_back(remote->Inc.Async());
  }
  for (Future<int>& count : sent) count.Get();
}

void Many(Bench& bench) {
  const Placement two = bench.two_cores();
  if (two.client == two.server) return;
  app::Counter counter;
  Proxy remote(counter);
  auto server = Serve(remote, two.server);
  Pin(two.client);
  constexpr int kCalls = 10'000;
  const std::string limit = "one after the other";
  bench.Compare(
      "many small calls: time for each, beside calls that wait for one another",
      {{"a Batch of 100", EachOf(kCalls, [&] { InBatches(remote, kCalls, 100, 1); }), limit},
       {"a Batch of 100, four under way",
        EachOf(kCalls, [&] { InBatches(remote, kCalls, 100, 4); }), limit},
       {"a Batch of 10,000", EachOf(kCalls, [&] { InBatches(remote, kCalls, kCalls, 1); }), limit},
       {"remote->Inc.Async(), 16 under way",
        EachOf(kCalls, [&] { Asynchronously(remote, kCalls, 16); }), limit}},
      {{limit, EachOf(kCalls, [&] {
          for (int i = 0; i < kCalls; ++i) remote->Inc();
        })}});
}

// --- Scaling ---

std::string Bytes(std::size_t bytes) {
  for (const auto& [unit, shift] : {std::pair{"GiB", 30}, {"MiB", 20}, {"KiB", 10}}) {
    if (bytes >> shift != 0) return absl::StrCat(bytes >> shift, " ", unit);
  }
  return absl::StrCat(bytes, " B");
}

void Payloads(Bench& bench) {
  Sink sink;
  Proxy remote(sink);
  auto server = Serve(remote, bench.two_cores().server);
  Pin(bench.two_cores().client);
  for (const std::size_t bytes :
       {std::size_t{8}, std::size_t{64}, std::size_t{512}, std::size_t{4} << 10,
        std::size_t{32} << 10, std::size_t{256} << 10, std::size_t{2} << 20, std::size_t{16} << 20,
        std::size_t{64} << 20, std::size_t{256} << 20}) {
    // The argument, its way, what is made of it, and memcpy's two.
    if (8 * bytes > FreeMemory()) {
      std::fprintf(stderr, "no payload of %s: too little memory\n", Bytes(bytes).c_str());
      break;
    }
    const std::vector<double> values(bytes / sizeof(double), 1.0);
    bench.Compare("an argument of so many bytes, beside one memcpy of it",
                  {{Bytes(bytes), Each([&] { remote->Take(values); }), "memcpy"}},
                  {{"memcpy", remoteobj_testing::Copy(bytes)}},
                  Point{"payload", static_cast<double>(bytes)});
  }
}

void Chains(Bench& bench) {
  Link first;
  std::string path = "value";
  Link* last = &first;
  Proxy remote(first);
  std::vector<std::unique_ptr<Forked>> servers;
  for (int length = 1; length <= 64; length *= 2) {
    for (int i = length / 2; i < length && length > 1; ++i) {
      last->next = std::make_unique<Link>();
      last = last->next.get();
      path = "next." + path;
    }
    servers.clear();
    servers.push_back(Serve(remote, bench.two_cores().server));
    Pin(bench.two_cores().client);
    const remoteobj::UntypedView view = remote.Attrs(path);
    bench.Compare("a chain of so many operations",
                  {{absl::StrCat(length), Each([&] { (void)view.Get<int>(); })}}, {},
                  Point{"chain", static_cast<double>(length)});
  }
}

// One measurement is many calls by many processes, which begin together.
Calls Together(int clients, const std::function<void()>& call) {
  return [clients, call](int count, Times& times) {
    for (int n = 0; n < count; ++n) {
      constexpr int kCalls = 20'000;
      const int each = kCalls / clients;
      int ready[2];
      int go[2];
      if (pipe(ready) != 0 || pipe(go) != 0) std::abort();
      std::vector<std::unique_ptr<Forked>> children;
      for (int i = 0; i < clients; ++i) {
        children.push_back(std::make_unique<Forked>([&] {
          Pin(-1);
          call();
          close(go[1]);
          char byte = 0;
          if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0) std::abort();
          for (int k = 0; k < each; ++k) call();
        }));
      }
      char byte;
      for (int i = 0; i < clients; ++i) {
        if (read(ready[0], &byte, 1) != 1) std::abort();
      }
      using Clock = std::chrono::steady_clock;
      const Clock::time_point begin = Clock::now();
      close(go[1]);
      for (auto& child : children) child->Wait();
      const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
      times.push_back(time.count() / (each * clients));
      for (const int fd : {ready[0], ready[1], go[0]}) close(fd);
    }
  };
}

void Clients(Bench& bench) {
  app::Counter counter;
  Proxy remote(counter);
  auto server = Serve(remote, -1);
  Pin(-1);
  for (int clients = 1; clients <= 64; clients *= 2) {
    bench.Compare("so many client processes: time for each of all their calls",
                  {{absl::StrCat(clients), Together(clients, [&] { remote->Inc(); })}}, {},
                  Point{"clients", static_cast<double>(clients)});
  }
}

}  // namespace

std::vector<Scenario> CallScenarios() {
  return {{"calls/two-cores", TwoCores}, {"calls/asleep", Asleep},      {"calls/one-core", OneCore},
          {"calls/many", Many},          {"scaling/payload", Payloads}, {"scaling/chain", Chains},
          {"scaling/clients", Clients}};
}

}  // namespace bench
