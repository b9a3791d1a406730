// SPDX-License-Identifier: MIT
//
// What calls to a manager cost, beside what can be had without one, measured in one run:
//
//   tools/bazel run -c opt //manager:manager_benchmark
//
// The ratio is what to read: to the first row of each table, with which the others take turns. The
// callers are on one core, what they call on another.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "capnp/rpc-twoparty.h"
#include "kj/async-io.h"
#include "remoteobj/manager/benchmark.capnp.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/testing/limits.h"

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

}  // namespace bench

namespace {

using remoteobj::Manager;
using remoteobj::ManagerOptions;
using remoteobj::Proxy;
using remoteobj::Run;
using remoteobj_testing::Forked;
using remoteobj_testing::Pin;

const int kClientCpu = 0;
const int kServerCpu = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0;

// --- Tables ---

using Times = std::vector<double>;

// Calls that often, and adds what each has taken, in microseconds.
using Calls = std::function<void(int count, Times& times)>;

template <typename F>
void Repeat(F&& call, int count, Times& times) {
  for (int i = 0; i < count; ++i) {
    const std::int64_t begin = absl::GetCurrentTimeNanos();
    call();
    times.push_back(static_cast<double>(absl::GetCurrentTimeNanos() - begin) / 1e3);
  }
}

template <typename F>
Calls Each(F call) {
  return [call](int count, Times& times) { Repeat(call, count, times); };
}

struct Row {
  std::string what;
  Calls calls;
};

double Quantile(const Times& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

void PrintHeader(const std::string& title) {
  std::printf("\n%s\n  %-44s %10s %10s %8s\n", title.c_str(), "", "p50 us", "p99 us", "ratio");
}

// The p50 of each row, by its name.
std::map<std::string, double> p50_of;

// Takes turns, so that all rows see the same machine.
void Table(const std::string& title, const std::vector<Row>& rows, int calls = 20'000) {
  constexpr int kTurns = 20;
  PrintHeader(title);
  std::vector<Times> times(rows.size());
  for (int turn = 0; turn < kTurns; ++turn) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Times warm;
      rows[i].calls(calls / kTurns / 10, warm);
      rows[i].calls(calls / kTurns, times[i]);
    }
  }
  double limit = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::sort(times[i].begin(), times[i].end());
    const double p50 = p50_of[rows[i].what] = Quantile(times[i], 0.5);
    if (i == 0) limit = p50;
    std::printf("  %-44s %10.3f %10.3f %7.2fx\n", rows[i].what.c_str(), p50,
                Quantile(times[i], 0.99), p50 / limit);
  }
  std::fflush(stdout);
}

// --- Bare Cap'n Proto RPC ---

class BareCounter final : public bench::schema::Counter::Server {
  kj::Promise<void> add(AddContext context) override {
    sum_ += context.getParams().getN();
    context.getResults().setSum(sum_);
    return kj::READY_NOW;
  }
  std::int64_t sum_ = 0;
};

enum class Kind { kUnix, kTcp };

// A server that does nothing else, in a process of its own.
class Bare {
 public:
  explicit Bare(Kind kind) {
    const int fd = socket(kind == Kind::kUnix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (kind == Kind::kTcp) {
      sockaddr_in at = {};
      at.sin_family = AF_INET;
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size_ = sizeof at;
      std::memcpy(&address_, &at, sizeof at);
    } else {
      size_ = sizeof(sa_family_t);  // The kernel chooses a name.
      address_.ss_family = AF_UNIX;
    }
    if (bind(fd, address(), size_) != 0 || listen(fd, 10) != 0) throw std::runtime_error("listen");
    size_ = sizeof address_;
    getsockname(fd, address(), &size_);
    server_.emplace([fd] {
      Pin(kServerCpu);
      kj::AsyncIoContext io = kj::setupAsyncIo();
      capnp::TwoPartyServer server(kj::heap<BareCounter>());
      auto listener = io.lowLevelProvider->wrapListenSocketFd(fd);
      server.listen(*listener).wait(io.waitScope);
    });
    close(fd);
  }

  // Connects, for a manager's client has an event loop of its own in this thread.
  void Call(int count, Times& times, int at_once = 1) {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    auto stream =
        io.lowLevelProvider
            ->wrapConnectingSocketFd(socket(address_.ss_family, SOCK_STREAM, 0), address(), size_,
                                     kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP)
            .wait(io.waitScope);
    if (address_.ss_family == AF_INET) {
      int one = 1;
      stream->setsockopt(IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    capnp::TwoPartyClient client(*stream);
    auto counter = client.bootstrap().castAs<bench::schema::Counter>();
    const auto call = [&] {
      auto request = counter.addRequest();
      request.setN(1);
      request.send().wait(io.waitScope);
    };
    for (int i = 0; i < 20; ++i) call();
    Repeat(
        [&] {
          for (int i = 0; i < at_once; ++i) call();
        },
        count, times);
  }
  Calls calls(int at_once = 1) {
    return [this, at_once](int count, Times& times) { Call(count, times, at_once); };
  }

 private:
  sockaddr* address() { return reinterpret_cast<sockaddr*>(&address_); }

  sockaddr_storage address_ = {};
  socklen_t size_ = 0;
  std::optional<Forked> server_;
};

// --- What is measured ---

Manager NewManager(const std::string& address, bool shared_memory) {
  Manager manager(
      address,
      {.initializer = [] { Pin(kServerCpu); }, .shared_memory = shared_memory, .max_threads = 4});
  manager.Register<bench::Counter>("Counter", {.run = Run::kInServer});
  manager.Register<bench::Counter>("ThreadedCounter", {.run = Run::kOnThread});
  manager.Register<bench::Hoard>("Hoard", {.run = Run::kInServer});
  manager.Start();
  return manager;
}

void OverSockets(const std::string& title, Bare& bare, const std::string& address) {
  const Manager manager = NewManager(address, /*shared_memory=*/false);
  const auto counter = manager.Create<bench::Counter>("Counter");
  const auto threaded = manager.Create<bench::Counter>("ThreadedCounter");
  const auto value = manager.Value<std::int64_t>(1);
  const auto dict = manager.Dict<std::string, int>({{"a", 1}});
  const auto queue = manager.Queue<int>();
  const auto lock = manager.Lock();
  Table(title, {{"bare Cap'n Proto: add(1)", bare.calls()},
                {"counter->Add(1), in the server", Each([&] { counter->Add(1); })},
                {"*value", Each([&] { (void)*value; })},
                {"*dict[\"a\"]", Each([&] { (void)*dict["a"]; })},
                {"dict[\"a\"] = 2", Each([&] { dict["a"] = 2; })},
                {"counter->Add(1), on a thread", Each([&] { threaded->Add(1); })}});
  Table(title + ", two calls",
        {{"bare Cap'n Proto: add(1) twice", bare.calls(2)},
         {"queue->put(1), queue->get()", Each([&] {
            queue->put(1);
            queue->get();
          })},
         {"lock->acquire(), lock->release()", Each([&] {
            lock->acquire();
            lock->release();
          })}},
        10'000);
}

void ThroughSharedMemory(const Manager& manager) {
  bench::Counter object;
  Proxy plain(object);
  Forked listener([&] {
    Pin(kServerCpu);
    auto listening = plain.Listen();
    for (;;) plain.Poll(absl::InfiniteDuration());
  });
  plain.WaitUntilListening(listener);
  const auto counter = manager.Create<bench::Counter>("Counter");
  const auto threaded = manager.Create<bench::Counter>("ThreadedCounter");
  const auto value = manager.Value<std::int64_t>(1);
  const auto dict = manager.Dict<std::string, int>({{"a", 1}});
  const auto queue = manager.Queue<int>();
  const auto lock = manager.Lock();
  Table("through shared memory, beside a plain proxy",
        {{"Proxy: counter->Add(1)", Each([&] { plain->Add(1); })},
         {"counter->Add(1), in the server", Each([&] { counter->Add(1); })},
         {"*value", Each([&] { (void)*value; })},
         {"*dict[\"a\"]", Each([&] { (void)*dict["a"]; })},
         {"dict[\"a\"] = 2", Each([&] { dict["a"] = 2; })},
         {"dict[\"a\"] += 1", Each([&] { dict["a"] += 1; })},
         {"counter->Add(1), on a thread", Each([&] { threaded->Add(1); })}});
  Table("two calls through shared memory, beside two of a plain proxy",
        {{"Proxy: counter->Add(1) twice", Each([&] {
            plain->Add(1);
            plain->Add(1);
          })},
         {"queue->put(1), queue->get()", Each([&] {
            queue->put(1);
            queue->get();
          })},
         {"lock->acquire(), lock->release()", Each([&] {
            lock->acquire();
            lock->release();
          })}});
}

void HandOvers(Bare& bare, const Manager& manager) {
  const auto there = manager.Queue<int>();
  const auto back = manager.Queue<int>();
  const auto lock = manager.Lock();
  Forked echo([&] {
    Pin(-1);
    for (;;) back->put(there->get());
  });
  Table("hand-overs to a process that waits, beside as many wake-ups",
        {{"bare Cap'n Proto: add(1) twice", bare.calls(2)},
         {"to another process and back by two queues", Each([&] {
            there->put(1);
            back->get();
          })}},
        10'000);
  Forked other([&] {
    Pin(-1);
    for (;;) {
      lock->acquire();
      lock->release();
    }
  });
  Table("a lock that another process takes, too",
        {{"bare Cap'n Proto: add(1) twice", bare.calls(2)},
         {"lock->acquire(), lock->release(), contended", Each([&] {
            lock->acquire();
            lock->release();
          })}},
        10'000);
}

void ManyObjects(const Manager& manager) {
  const auto hoard = manager.Create<bench::Hoard>("Hoard");
  const auto value = manager.Value<std::int64_t>(1);
  const auto other = NewManager("", true);
  const auto alone = other.Value<std::int64_t>(1);
  for (const std::uint64_t size : {1, 1'000, 1'000'000}) {
    hoard->Grow(size);
    Table(absl::StrCat(size, " more objects"),
          {{"*value, in a manager without", Each([&] { (void)*alone; })},
           {"*value", Each([&] { (void)*value; })}});
  }
}

void ManyClients() {
  const Manager manager = NewManager("", true);
  const Manager other = NewManager("", true);
  const auto value = manager.Value<std::int64_t>(1);
  const auto alone = other.Value<std::int64_t>(1);
  const Manager there = Manager::Connect(manager.address(), {.shared_memory = false});
  const Manager other_there = Manager::Connect(other.address(), {.shared_memory = false});
  manager.Publish("value", value);
  other.Publish("value", alone);
  const auto by_socket = there.Get<remoteobj::Value<std::int64_t>>("value");
  const auto alone_by_socket = other_there.Get<remoteobj::Value<std::int64_t>>("value");
  std::vector<std::unique_ptr<Forked>> idle;
  std::size_t clients = 0;
  for (const std::size_t count : {0, 10, 100, 1'000}) {
    if (count > clients) {
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
    }
    Table(absl::StrCat(count, " idle clients"),
          {{"*value, in a manager without", Each([&] { (void)*alone; })},
           {"*value", Each([&] { (void)*value; })}});
    Table(absl::StrCat(count, " idle clients, by the socket"),
          {{"*value, in a manager without", Each([&] { (void)*alone_by_socket; })},
           {"*value", Each([&] { (void)*by_socket; })}},
          5'000);
  }
}

// What it takes in Python, and how much of that here. `ours` are rows of tables above.
void Python(const std::vector<std::pair<std::string, std::string>>& ours) {
  PrintHeader("Python's multiprocessing.Manager, times what it takes here");
  const std::string command =
      absl::StrCat("python3 manager/testdata/manager_benchmark.py ", kClientCpu, " ", kServerCpu);
  std::FILE* const python = popen(command.c_str(), "r");
  std::map<std::string, double> figures;
  char line[200];
  while (python != nullptr && std::fgets(line, sizeof line, python) != nullptr) {
    if (char* const tab = std::strchr(line, '\t')) {
      figures.emplace(std::string(line, tab), std::strtod(tab + 1, nullptr));
    }
  }
  if (python == nullptr || pclose(python) != 0) {
    std::printf("  skipped: python3 is not there, or its multiprocessing does not work\n");
    return;
  }
  for (const auto& [theirs, our] : ours) {
    std::printf("  %-44s %10.3f %10s %7.0fx\n", theirs.c_str(), figures[theirs], "",
                figures[theirs] / p50_of[our]);
  }
}

}  // namespace

int main() {
  Pin(kClientCpu);
  {
    Bare bare(Kind::kUnix);
    OverSockets("over a unix socket", bare, "");
  }
  {
    Bare bare(Kind::kTcp);
    OverSockets("over TCP, loopback", bare, "tcp:127.0.0.1:0");
  }
  const Manager manager = NewManager("", /*shared_memory=*/true);
  ThroughSharedMemory(manager);
  {
    Bare bare(Kind::kUnix);
    HandOvers(bare, manager);
  }
  Python({{"dict get", "*dict[\"a\"]"},
          {"dict set", "dict[\"a\"] = 2"},
          {"value get", "*value"},
          {"queue put+get", "queue->put(1), queue->get()"},
          {"lock acquire+release", "lock->acquire(), lock->release()"},
          {"queue round trip", "to another process and back by two queues"}});
  ManyObjects(manager);
  ManyClients();
}
