// SPDX-License-Identifier: MIT
//
// Calls to a manager, beside what can be had without one. The callers are on one core, what they
// call on another.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/tools/bench/bare_rpc.h"
#include "remoteobj/tools/bench/bench.h"
#include "remoteobj/tools/bench/serve.h"
#include "remoteobj/transport/rpc/tls.h"

namespace bench {

class Counter {
 public:
  std::int64_t Add(std::int64_t n) { return sum += n; }
  std::int64_t sum = 0;
};
REMOTEOBJ_DESCRIBE(Counter, Add, sum)

// Has many objects made where it is.
class Hoard {
 public:
  void Grow(std::uint64_t size) {
    while (counters_.size() < size) {
      counters_.push_back(remoteobj::Share(std::make_shared<Counter>()));
    }
  }

 private:
  std::vector<remoteobj::Proxy<Counter>> counters_;
};
REMOTEOBJ_DESCRIBE(Hoard, Grow)

namespace {

using remoteobj::Manager;
using remoteobj::ManagerOptions;
using remoteobj::Proxy;
using remoteobj::Run;
using remoteobj_testing::Forked;

// How connections by TCP are secured.
enum class Security { kKey, kCertificate, kPlaintext };

std::string Pem(const std::string& name) {
  std::ifstream in(absl::StrCat(getenv("BENCH_CERTIFICATES"), "/", name, ".pem"));
  return {std::istreambuf_iterator<char>(in), {}};
}

// The certificate of both sides: a manager is its own first client.
std::shared_ptr<remoteobj::Tls> Certificate() {
  return remoteobj::NewTls(
      {.certificate = Pem("server"), .private_key = Pem("server_key"), .authorities = Pem("ca")});
}

Manager NewManager(int cpu, const std::string& address, bool shared_memory,
                   Security security = Security::kKey) {
  Manager manager(address,
                  {.initializer = [cpu] { Pin(cpu); },
                   .tls = security == Security::kCertificate ? Certificate() : nullptr,
                   .plaintext = security == Security::kPlaintext,
                   .shared_memory = shared_memory,
                   .max_threads = 4,
                   .quotas = {.connections = 10'000, .calls = 1'000'000, .objects = 2'000'000}});
  manager.Register<bench::Counter>("Counter", {.run = Run::kInServer});
  manager.Register<bench::Counter>("ThreadedCounter", {.run = Run::kOnThread});
  manager.Register<bench::Hoard>("Hoard", {.run = Run::kInServer});
  manager.Start();
  return manager;
}

// The objects that calls go to.
struct Objects {
  explicit Objects(Manager& manager)
      : counter(manager.Create<Counter>("Counter")),
        threaded(manager.Create<Counter>("ThreadedCounter")),
        value(manager.Value<std::int64_t>(1)),
        dict(manager.Dict<std::string, int>({{"a", 1}})),
        queue(manager.Queue<int>()),
        lock(manager.Lock()) {}

  void PutAndGet() const {
    queue->put(1);
    queue->get();
  }
  void AcquireAndRelease() const {
    lock->acquire();
    lock->release();
  }

  Proxy<Counter> counter, threaded;
  remoteobj::Value<std::int64_t> value;
  remoteobj::Dict<std::string, int> dict;
  remoteobj::Queue<int> queue;
  remoteobj::Lock lock;
};

// Peers' operations by the names that they have in rows.
std::map<std::string, Calls> Peers(
    Bench& bench, const std::vector<std::pair<std::string, std::string>>& operations) {
  std::map<std::string, Calls> peers;
  for (const auto& [name, operation] : operations) {
    peers.emplace(absl::StrCat(name, ": ", operation), bench.Peer(name, operation));
  }
  return peers;
}

const char* const kPython = "multiprocessing.Manager";

std::string Python(const std::string& operation) { return absl::StrCat(kPython, ": ", operation); }

// `where` is a part of the groups' names. `peers` have an operation that is `counter->Add(1)`,
// each.
void OverSocket(Bench& bench, BareRpc::Kind kind, const Placement& placement,
                const std::string& where,
                const std::vector<std::pair<std::string, std::string>>& peers = {},
                Security security = Security::kKey) {
  const std::string limit = "Cap'n Proto RPC";
  BareRpc bare(kind, placement.server);
  Manager manager = NewManager(placement.server, kind == BareRpc::kUnix ? "" : "tcp:127.0.0.1:0",
                               /*shared_memory=*/false, security);
  const Objects on(manager);
  std::map<std::string, Calls> others = Peers(bench, peers);
  std::vector<std::string> names;
  for (const auto& [name, calls] : others) names.push_back(name);
  others.emplace(limit, bare.calls());
  Pin(placement.client);
  bench.Compare(
      absl::StrCat("a manager, ", where),
      {{"counter->Add(1), in the server", Each([&] { on.counter->Add(1); }), limit, names},
       {"*value", Each([&] { (void)*on.value; }), limit},
       {"*dict[\"a\"]", Each([&] { (void)*on.dict["a"]; }), limit},
       {"dict[\"a\"] = 2", Each([&] { on.dict["a"] = 2; }), limit},
       {"counter->Add(1), on a thread", Each([&] { on.threaded->Add(1); }), limit}},
      others);
  bench.Compare(
      absl::StrCat("two calls to a manager, ", where),
      {{"queue->put(1), queue->get()", Each([&] { on.PutAndGet(); }), limit},
       {"lock->acquire(), lock->release()", Each([&] { on.AcquireAndRelease(); }), limit}},
      {{limit, bare.calls(2)}});
}

// Theirs go by unix sockets.
const std::vector<std::pair<std::string, std::string>> kOnThisMachine = {{"gRPC", "call"},
                                                                         {kPython, "call"}};

void UnixSocket(Bench& bench) {
  OverSocket(bench, BareRpc::kUnix, bench.two_cores(), "over a unix socket", kOnThisMachine);
}

void Tcp(Bench& bench) {
  OverSocket(bench, BareRpc::kTcp, bench.two_cores(), "over TCP, loopback");
  OverSocket(bench, BareRpc::kTcp, bench.two_cores(), "over TCP, loopback, by certificates",
             {{"gRPC", "tls-call"}}, Security::kCertificate);
  OverSocket(bench, BareRpc::kTcp, bench.two_cores(), "over TCP, loopback, plaintext", {},
             Security::kPlaintext);
  const int server = bench.two_cores().server;
  Manager encrypted = NewManager(server, "tcp:127.0.0.1:0", /*shared_memory=*/false);
  Manager plain =
      NewManager(server, "tcp:127.0.0.1:0", /*shared_memory=*/false, Security::kPlaintext);
  auto one = encrypted.Dict<int, std::string>();
  auto other = plain.Dict<int, std::string>();
  const std::string large(std::size_t{1} << 20, 'x');
  Pin(bench.two_cores().client);
  bench.Compare("1 MiB to a manager, over TCP, loopback",
                {{"dict[1] = large", Each([&] { one[1] = large; }), "plaintext"}},
                {{"plaintext", Each([&] { other[1] = large; })}});
}

// All processes on one core, peers included: no wake-up crosses cores.
void OneCoreSocket(Bench& bench) {
  const int core = bench.two_cores().client;
  Pin(core);
  OverSocket(bench, BareRpc::kUnix, {.client = core, .server = core},
             "over a unix socket, all on one core", kOnThisMachine);
}

void SharedMemory(Bench& bench) {
  Manager manager = NewManager(bench.two_cores().server, "", /*shared_memory=*/true);
  Counter object;
  Proxy plain(object);
  auto listener = Serve(plain, bench.two_cores().server);
  const Objects on(manager);
  const std::string limit = "a plain proxy";
  auto others = Peers(bench, {{kPython, "call"},
                              {kPython, "dict-get"},
                              {kPython, "dict-set"},
                              {kPython, "value-get"},
                              {"RPyC", "dict-get"}});
  others.emplace(limit, Each([&] { plain->Add(1); }));
  Pin(bench.two_cores().client);
  bench.Compare("a manager, through shared memory",
                {{"counter->Add(1), in the server",
                  Each([&] { on.counter->Add(1); }),
                  limit,
                  {Python("call")}},
                 {"*value", Each([&] { (void)*on.value; }), limit, {Python("value-get")}},
                 {"*dict[\"a\"]",
                  Each([&] { (void)*on.dict["a"]; }),
                  limit,
                  {Python("dict-get"), "RPyC: dict-get"}},
                 {"dict[\"a\"] = 2", Each([&] { on.dict["a"] = 2; }), limit, {Python("dict-set")}},
                 {"dict[\"a\"] += 1", Each([&] { on.dict["a"] += 1; }), limit},
                 {"counter->Add(1), on a thread", Each([&] { on.threaded->Add(1); }), limit}},
                others);

  others = Peers(bench, {{kPython, "queue-put-get"}, {kPython, "lock-acquire-release"}});
  const std::string twice = "two calls of a plain proxy";
  others.emplace(twice, Each([&] {
                   plain->Add(1);
                   plain->Add(1);
                 }));
  Pin(bench.two_cores().client);
  bench.Compare("two calls to a manager, through shared memory",
                {{"queue->put(1), queue->get()",
                  Each([&] { on.PutAndGet(); }),
                  twice,
                  {Python("queue-put-get")}},
                 {"lock->acquire(), lock->release()",
                  Each([&] { on.AcquireAndRelease(); }),
                  twice,
                  {Python("lock-acquire-release")}}},
                others);
}

// The other process is where the manager is, or anywhere if that is on another core than the
// caller.
void HandOver(Bench& bench, const Placement& placement, const std::string& where) {
  const int elsewhere = placement.client == placement.server ? placement.client : -1;
  BareRpc bare(BareRpc::kUnix, placement.server);
  Manager manager = NewManager(placement.server, "", /*shared_memory=*/true);
  const auto there = manager.Queue<int>();
  const auto back = manager.Queue<int>();
  const auto lock = manager.Lock();
  const std::string limit = "two calls of Cap'n Proto RPC";
  auto others = Peers(bench, {{kPython, "queue-round-trip"}});
  others.emplace(limit, bare.calls(2));
  Pin(placement.client);
  {
    Forked echo([&] {
      Pin(elsewhere);
      for (;;) back->put(there->get());
    });
    bench.Compare(absl::StrCat("a process that waits at a manager, beside as many wake-ups", where),
                  {{"to it and back by two queues",
                    Each([&] {
                      there->put(1);
                      back->get();
                    }),
                    limit,
                    {Python("queue-round-trip")}}},
                  others);
  }
  Forked other([&] {
    Pin(elsewhere);
    for (;;) {
      lock->acquire();
      lock->release();
    }
  });
  bench.Compare(absl::StrCat("a lock that another process takes, too", where),
                {{"lock->acquire(), lock->release()", Each([&] {
                    lock->acquire();
                    lock->release();
                  }),
                  limit}},
                {{limit, bare.calls(2)}});
}

void HandOvers(Bench& bench) { HandOver(bench, bench.two_cores(), ""); }

void OneCoreHandOvers(Bench& bench) {
  const int core = bench.two_cores().client;
  Pin(core);
  HandOver(bench, {.client = core, .server = core}, ", all on one core");
}

// --- Scaling ---

void ManyObjects(Bench& bench) {
  Manager manager = NewManager(bench.two_cores().server, "", /*shared_memory=*/true);
  Manager other = NewManager(bench.two_cores().server, "", /*shared_memory=*/true);
  const auto hoard = manager.Create<Hoard>("Hoard");
  const auto value = manager.Value<std::int64_t>(1);
  const auto alone = other.Value<std::int64_t>(1);
  const std::string limit = "a manager without";
  Pin(bench.two_cores().client);
  for (const std::uint64_t size : {1, 10, 100, 1'000, 10'000, 100'000, 1'000'000}) {
    hoard->Grow(size);
    bench.Compare("*value, in a manager with so many objects",
                  {{absl::StrCat(size), Each([&] { (void)*value; }), limit}},
                  {{limit, Each([&] { (void)*alone; })}},
                  Point{"objects", static_cast<double>(size)});
  }
}

void IdleClients(Bench& bench) {
  Manager manager = NewManager(bench.two_cores().server, "", /*shared_memory=*/true);
  Manager other = NewManager(bench.two_cores().server, "", /*shared_memory=*/true);
  const auto value = manager.Value<std::int64_t>(1);
  const auto alone = other.Value<std::int64_t>(1);
  Manager there = Manager::Connect(manager.address(), {.shared_memory = false});
  Manager other_there = Manager::Connect(other.address(), {.shared_memory = false});
  manager.Publish("value", value);
  other.Publish("value", alone);
  const auto by_socket = there.Get<remoteobj::Value<std::int64_t>>("value");
  const auto alone_by_socket = other_there.Get<remoteobj::Value<std::int64_t>>("value");
  const std::string limit = "a manager without";
  std::vector<std::unique_ptr<Forked>> idle;
  std::size_t clients = 0;
  Pin(bench.two_cores().client);
  for (const std::size_t count : {1, 10, 100, 1'000}) {
    idle.push_back(std::make_unique<Forked>([&] {
      Pin(-1);
      std::vector<Manager> connections;
      for (std::size_t i = clients; i < count; ++i) {
        connections.push_back(Manager::Connect(manager.address()));
      }
      pause();
    }));
    while (manager.Inspect().clients.size() < count + 2) absl::SleepFor(absl::Milliseconds(20));
    clients = count;
    bench.Compare("*value, in a manager with so many idle clients",
                  {{absl::StrCat(count), Each([&] { (void)*value; }), limit}},
                  {{limit, Each([&] { (void)*alone; })}},
                  Point{"idle clients", static_cast<double>(count)});
    bench.Compare("the same by its socket",
                  {{absl::StrCat(count), Each([&] { (void)*by_socket; }), limit}},
                  {{limit, Each([&] { (void)*alone_by_socket; })}},
                  Point{"idle clients, socket", static_cast<double>(count)});
  }
}

}  // namespace

std::vector<Scenario> ManagerScenarios() {
  return {{"manager/unix", UnixSocket},
          {"manager/one-core", OneCoreSocket},
          {"manager/tcp", Tcp},
          {"manager/shared-memory", SharedMemory},
          {"manager/hand-overs", HandOvers},
          {"manager/one-core-hand-overs", OneCoreHandOvers},
          {"scaling/objects", ManyObjects},
          {"scaling/idle-clients", IdleClients}};
}

}  // namespace bench
