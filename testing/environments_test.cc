// SPDX-License-Identifier: MIT
//
// A table of environments. A row is an environment that a process enters, a column is something
// that the library does there. Each cell is a process of its own. It works, or it throws the error
// that the row names; it never hangs, crashes or gives a wrong answer. testing/README.md has the
// table in words.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <numeric>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <typeinfo>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/remoteobj.h"
#include "remoteobj/testing/denied_call.h"
#include "remoteobj/testing/namespaces.h"

namespace app {

struct Store {
  int Inc() { return ++count; }
  std::string Reverse(const std::string& text) { return {text.rbegin(), text.rend()}; }
  int count = 0;
};
REMOTEOBJ_DESCRIBE(Store, Inc, Reverse, count)

}  // namespace app

namespace remoteobj {
namespace {

using remoteobj_testing::DenySystemCall;
using remoteobj_testing::ForkIntoPidNamespace;
using remoteobj_testing::LeaveProc;
using remoteobj_testing::WithCapabilities;

void Check(bool condition, const char* what) {
  if (!condition) throw std::logic_error(absl::StrCat("wrong: ", what));
}

// The columns

std::string Text(std::size_t size) {
  std::string text(size, '\0');
  std::iota(text.begin(), text.end(), '\0');
  return text;
}

// Calls `use` with a proxy of an object to which another process listens.
void WithListener(const std::function<void(Proxy<app::Store>&, Process<void>&)>& use) {
  app::Store store;
  Proxy<app::Store> remote(store);
  Process listener({.raises = false}, [&] {
    const auto listening = remote.Listen();
    for (;;) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(listener, absl::Seconds(30));
  use(remote, listener);
  listener.Kill();
}

void SmallCalls() {
  WithListener([](Proxy<app::Store>& remote, auto&) {
    for (int i = 1; i <= 100; ++i) Check(remote->Inc() == i, "the count");
    Check(remote->Reverse("abc") == "cba", "the text");
  });
}

void LargeCall() {
  WithListener([](Proxy<app::Store>& remote, auto&) {
    const std::string text = Text(1 << 20);
    Check(remote->Reverse(text) == std::string(text.rbegin(), text.rend()), "the text");
    Check(remote->Inc() == 1, "the count");
  });
}

void DeadListener() {
  WithListener([](Proxy<app::Store>& remote, auto& listener) {
    Check(remote->Inc() == 1, "the count");
    listener.Kill();
    try {
      for (;;) remote->Inc();
    } catch (const ListenerDied&) {
    } catch (const NotListening&) {
    }
  });
}

void Result() {
  Process process([] { return Text(100'000); });
  process.Join();
  Check(process.result() == Text(100'000), "the result");
}

void Error() {
  Process process([] { throw std::out_of_range("too far"); });
  try {
    process.Join();
  } catch (const std::out_of_range& e) {
    return;
  }
  Check(false, "no error");
}

void Killed() {
  Process process([] { remoteobj::SleepFor(absl::InfiniteDuration()); });
  process.Kill();
  try {
    process.Join();
  } catch (const ProcessDied& e) {
    return;
  }
  Check(false, "it did not die");
}

void ErrorsOfOthers() {
  Except errors;
  Process process([&] { errors("work", {.raises = false}, [] { throw std::out_of_range("x"); }); });
  process.Join();
  Check(errors.All().size() == 1, "the errors");
  try {
    errors.RaiseAny("work");
  } catch (const std::out_of_range&) {
    return;
  }
  Check(false, "another type");
}

void SharedDict() {
  Manager manager;
  const auto dict = manager.Dict<std::string, std::string>();
  const std::string large = Text(100'000);
  Process process([&] { dict["large"] = large; });
  process.Join();
  dict["small"] = "x";
  Check(*dict["large"] == large && *dict["small"] == "x", "the values");
}

void SharedQueue() {
  Manager manager;
  const auto queue = manager.Queue<int>();
  Process process([&] {
    for (int i = 0; i < 100; ++i) queue->put(i);
  });
  for (int i = 0; i < 100; ++i) Check(queue->get(absl::Seconds(30)) == i, "the order");
  process.Join();
}

int Square(int x) { return x * x; }

void PoolOfTwo() {
  Manager manager;
  const auto pool = manager.Pool(2);
  Check(pool->map(Square, std::vector{1, 2, 3}) == std::vector{1, 4, 9}, "the squares");
}

struct Column {
  const char* name;
  void (*run)();
};
void PrintTo(const Column& column, std::ostream* out) { *out << column.name; }

const Column kColumns[] = {
    {"SmallCalls", SmallCalls}, {"LargeCall", LargeCall}, {"DeadListener", DeadListener},
    {"Result", Result},         {"Error", Error},         {"Killed", Killed},
    {"Errors", ErrorsOfOthers}, {"Dict", SharedDict},     {"Queue", SharedQueue},
    {"Pool", PoolOfTwo},
};

// The rows

bool Limit(int resource, rlim_t value) {
  const rlimit limit{value, value};
  return setrlimit(resource, &limit) == 0;
}

bool BecomeNobody() {
  constexpr unsigned kNobody = 65534;
  return setgroups(0, nullptr) == 0 && setgid(kNobody) == 0 && setuid(kNobody) == 0;
}

bool LeaveMounts() {
  return WithCapabilities([] {
    return unshare(CLONE_NEWNS) == 0 &&
           mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  });
}

// Goes on in a child, and ends as that does.
bool GoOnInChild() {
  const pid_t pid = fork();
  if (pid <= 0) return pid == 0;
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  _exit(WEXITSTATUS(status));
}

std::size_t AddressSpace() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

struct Row {
  const char* name;
  bool (*enter)();  // False where the machine does not allow it.
  // Columns, by a comma, and a part of the error that they throw, or several of which one is
  // there. A column without an error works.
  struct Error {
    const char* columns;
    const char* text;
  };
  std::vector<Error> errors = {};
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

constexpr char kAll[] = "*";

const Row kRows[] = {
    {"Nothing", [] { return true; }},
    {"Chroot", [] { return LeaveProc(); }},
    {"NoProc", [] { return LeaveMounts() && mount("none", "/proc", "tmpfs", 0, nullptr) == 0; }},
    {"PidNamespaceWithOuterProc",
     [] { return ForkIntoPidNamespace() && GoOnInChild() && GoOnInChild(); }},
    {"PidNamespaceWithItsProc",
     [] {
       return LeaveMounts() && ForkIntoPidNamespace() && GoOnInChild() &&
              mount("proc", "/proc", "proc", 0, nullptr) == 0 && GoOnInChild();
     }},
    {"AsProcessOne", [] { return ForkIntoPidNamespace() && GoOnInChild(); }},
    {"SixteenDescriptors",
     [] { return close_range(3, ~0u, 0) == 0 && Limit(RLIMIT_NOFILE, 16); },
     // It depends on the kernel which of the pool's processes meets the limit.
     {{"Pool", "Too many open files|works"}}},
    {"FileSizeZero", [] { return Limit(RLIMIT_FSIZE, 0); }, {{kAll, "RLIMIT_FSIZE"}}},
    {"FileSizeOfOneMebibyte",
     [] { return Limit(RLIMIT_FSIZE, 1 << 20); },
     {{"LargeCall", "RLIMIT_FSIZE"}}},
    {"AddressSpaceOfTwoGibibytes",
     [] { return Limit(RLIMIT_AS, AddressSpace() + (rlim_t{2} << 30)); }},
    {"NoFurtherProcess",
     [] { return BecomeNobody() && Limit(RLIMIT_NPROC, 0); },
     {{kAll, "Resource temporarily unavailable"}}},
    {"OneProcess",
     [] { return BecomeNobody() && Limit(RLIMIT_NPROC, 1); },
     {{kAll, "Resource temporarily unavailable"}}},
    {"NoPidfdOpen_ENOSYS", [] { return DenySystemCall(SYS_pidfd_open, ENOSYS); }},
    {"NoPidfdOpen_EPERM", [] { return DenySystemCall(SYS_pidfd_open, EPERM); }},
    {"NoFutexWaitv_ENOSYS", [] { return DenySystemCall(449, ENOSYS); }},
    {"NoFutexWaitv_EPERM", [] { return DenySystemCall(449, EPERM); }},
    {"NoMemfd_ENOSYS", [] { return DenySystemCall(SYS_memfd_create, ENOSYS); }},
    {"NoMemfd_EPERM", [] { return DenySystemCall(SYS_memfd_create, EPERM); }},
    {"NoMemfdAndNoDevShm",
     [] { return LeaveProc() && DenySystemCall(SYS_memfd_create, EPERM); },
     {{kAll, "memfd_create is denied (allow it in the seccomp profile"}}},
    {"OneCpu",
     [] {
       cpu_set_t one;
       CPU_ZERO(&one);
       CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
       return sched_setaffinity(0, sizeof one, &one) == 0;
     }},
    {"ChildrenIgnored", [] { return signal(SIGCHLD, SIG_IGN) != SIG_ERR; }},
    {"ChildrenReapedElsewhere",
     [] {
       struct sigaction action{};
       action.sa_handler = [](int) {
         const int before = errno;
         while (waitpid(-1, nullptr, WNOHANG) > 0) {
         }
         errno = before;
       };
       action.sa_flags = SA_RESTART;
       return sigaction(SIGCHLD, &action, nullptr) == 0;
     }},
    {"SignalsBlocked",
     [] {
       sigset_t all;
       sigfillset(&all);
       return sigprocmask(SIG_SETMASK, &all, nullptr) == 0;
     }},
    {"NoStandardStreams",
     [] {
       for (int fd = 0; fd <= 2; ++fd) close(fd);
       return true;
     }},
    {"ReadOnlyRoot",
     [] {
       return LeaveMounts() && mount("/", "/", nullptr, MS_BIND | MS_REC, nullptr) == 0 &&
              mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0 &&
              chroot("/") == 0;
     }},
    {"AnotherUser", [] { return BecomeNobody(); }},
};

// A cell

constexpr int kSkipped = 77;

// In memory that is shared with the process of the cell.
struct Said {
  bool said;
  char text[4000];
};

class Environments : public testing::TestWithParam<std::tuple<Row, Column>> {
 protected:
  Environments()
      : said_(static_cast<Said*>(mmap(nullptr, sizeof(Said), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Environments() override { munmap(said_, sizeof *said_); }

  void Say(const std::string& text) {
    std::strncpy(said_->text, text.c_str(), sizeof said_->text - 1);
    said_->said = true;
  }

  // "works", the error, or how the process ended.
  std::string Run(const Row& row, const Column& column) {
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      setpgid(0, 0);
      if (!row.enter()) _exit(kSkipped);
      try {
        column.run();
        Say("works");
      } catch (const std::exception& e) {
        Say(absl::StrCat(TypeName(typeid(e)), ": ", e.what()));
      }
      _exit(0);
    }
    setpgid(pid, pid);
    int status = 0;
    bool hangs = true;
    // Against hanging only.
    for (int i = 0; hangs && i < 12'000; ++i) {
      hangs = waitpid(pid, &status, WNOHANG) != pid;
      if (hangs) absl::SleepFor(absl::Milliseconds(5));
    }
    kill(-pid, SIGKILL);
    if (hangs) {
      waitpid(pid, &status, 0);
      return absl::StrCat("hangs; before: ", said_->text);
    }
    if (WIFSIGNALED(status)) return absl::StrCat("signal ", WTERMSIG(status));
    if (WEXITSTATUS(status) == kSkipped) return "skipped";
    if (WEXITSTATUS(status) != 0 || !said_->said) {
      return absl::StrCat("ended with ", WEXITSTATUS(status));
    }
    return said_->text;
  }

 private:
  Said* const said_;
};

TEST_P(Environments, WorksOrNamesItsError) {
  const auto& [row, column] = GetParam();
  std::string expected = "works";
  for (const auto& [columns, text] : row.errors) {
    for (const absl::string_view each : absl::StrSplit(columns, ',')) {
      if (each == kAll || each == column.name) expected = text;
    }
  }
  const std::string result = Run(row, column);
  if (result == "skipped") GTEST_SKIP() << "this machine does not allow it";
  bool as_expected = false;
  for (const absl::string_view each : absl::StrSplit(expected, '|')) {
    as_expected |= absl::StrContains(result, each);
  }
  EXPECT_TRUE(as_expected) << "expected: " << expected << "\ngot: " << result;
}

INSTANTIATE_TEST_SUITE_P(All, Environments,
                         testing::Combine(testing::ValuesIn(kRows), testing::ValuesIn(kColumns)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param).name, "_",
                                               std::get<1>(info.param).name);
                         });

}  // namespace
}  // namespace remoteobj
