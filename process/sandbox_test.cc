// SPDX-License-Identifier: MIT
//
// Each limit and each flag of the sandbox, for each way of starting a process. Has a main of its
// own, which begins with Init(): this program is executed again.
#include "remoteobj/process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/process/internal/confine.h"
#include "remoteobj/process/job.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/starts_testing.h"
#include "remoteobj/testing/denied_call.h"
#include "remoteobj/testing/forked.h"

namespace app {

// Returns the errno of a system call, or 0.
template <typename... A>
int ErrorOfCall(long number, A... arguments) {
  return syscall(number, arguments...) < 0 ? errno : 0;
}

using Errors = std::map<std::string, int>;

int Add(int x, int y) { return x + y; }
remoteobj::Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}
void Fail(std::string text) { throw std::out_of_range(text); }
void Print() {
  std::cout << "out\n";
  std::cerr << "err\n";
}
void WriteNowhere() { *reinterpret_cast<volatile int*>(8) = 1; }
void Record(remoteobj::Except errors) {
  errors("work", {.raises = false}, [] { throw std::invalid_argument("recorded"); });
}

int NewPrivileges() { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }

Errors Network() {
  Errors errors;
  for (const auto& [name, family] : std::map<std::string, int>{{"ipv4", AF_INET},
                                                               {"ipv6", AF_INET6},
                                                               {"unix", AF_UNIX},
                                                               {"netlink", AF_NETLINK},
                                                               {"packet", AF_PACKET}}) {
    errors[name] = ErrorOfCall(SYS_socket, family, SOCK_DGRAM, 0);
  }
  int pair[2];
  const auto pair_of = [&](int family, int type) {
    return ErrorOfCall(SYS_socketpair, family, type, 0, pair);
  };
  errors["datagram pair"] = pair_of(AF_UNIX, SOCK_DGRAM);
  errors["raw pair"] = pair_of(AF_UNIX, SOCK_RAW);
  errors["datagram pair with flags"] = pair_of(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
  errors["pair of another family"] = pair_of(AF_TIPC, SOCK_SEQPACKET);
  errors["packet pair"] = pair_of(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK);
  errors["socketpair"] = pair_of(AF_UNIX, SOCK_STREAM);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  errors["connect"] = ErrorOfCall(SYS_connect, pair[0], &address, sizeof address);
  errors["bind"] = ErrorOfCall(SYS_bind, pair[0], &address, sizeof address);
  errors["listen"] = ErrorOfCall(SYS_listen, pair[0], 1);
  errors["write"] = write(pair[0], "x", 1) == 1 ? 0 : errno;
  errors["send"] = send(pair[0], "x", 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
  return errors;
}

// Sends to a name in the abstract namespace.
int SendByPair(std::string name) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) return errno;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), to.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return sendto(pair[0], "x", 1, 0, reinterpret_cast<sockaddr*>(&to), size) < 0 ? errno : 0;
}

// Uses memory, a queue and a semaphore of another program.
Errors SystemV(int memory, int queue, int semaphore) {
  Errors errors;
  struct {
    long type = 1;
    char text[8] = {};
  } message;
  sembuf add{.sem_num = 0, .sem_op = 1, .sem_flg = 0};
  errors["shmat"] = ErrorOfCall(SYS_shmat, memory, nullptr, 0);
  errors["shmctl"] = ErrorOfCall(SYS_shmctl, memory, IPC_RMID, nullptr);
  errors["shmget"] = ErrorOfCall(SYS_shmget, IPC_PRIVATE, 4096, 0600);
  errors["msgsnd"] = ErrorOfCall(SYS_msgsnd, queue, &message, 1, IPC_NOWAIT);
  errors["msgrcv"] = ErrorOfCall(SYS_msgrcv, queue, &message, 1, 0, IPC_NOWAIT);
  errors["msgctl"] = ErrorOfCall(SYS_msgctl, queue, IPC_RMID, nullptr);
  errors["msgget"] = ErrorOfCall(SYS_msgget, IPC_PRIVATE, 0600);
  errors["semop"] = ErrorOfCall(SYS_semop, semaphore, &add, 1);
  errors["semtimedop"] = ErrorOfCall(SYS_semtimedop, semaphore, &add, 1, nullptr);
  errors["semctl"] = ErrorOfCall(SYS_semctl, semaphore, 0, IPC_RMID, 0);
  errors["semget"] = ErrorOfCall(SYS_semget, IPC_PRIVATE, 1, 0600);
  errors["mq_unlink"] = ErrorOfCall(SYS_mq_unlink, "sandbox_test");
  return errors;
}

// Ways to have something else do it, or to do it to another process.
Errors WaysAround(int parent) {
  Errors errors;
  char ring[256] = {};
  errors["io_uring_setup"] = ErrorOfCall(425, 1, ring);
  errors["pidfd_getfd"] = ErrorOfCall(438, 0, 0, 0);
  char byte = 0;
  const iovec here{&byte, 1}, there{&byte, 1};
  errors["read"] = ErrorOfCall(SYS_process_vm_readv, parent, &here, 1, &there, 1, 0);
  errors["write"] = ErrorOfCall(SYS_process_vm_writev, parent, &here, 1, &there, 1, 0);
  errors["ptrace"] = ErrorOfCall(SYS_ptrace, PTRACE_ATTACH, parent, 0, 0);
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  errors["prlimit64"] = ErrorOfCall(SYS_prlimit64, 0, RLIMIT_CPU, &limit, 0);
  errors["setrlimit"] = ErrorOfCall(SYS_setrlimit, RLIMIT_CPU, &limit);
  errors["getrlimit"] = ErrorOfCall(SYS_prlimit64, 0, RLIMIT_CPU, 0, &limit);
  return errors;
}

Errors Files(std::string directory) {
  Errors errors;
  const std::string file = directory + "/file";
  const std::string next = directory + "/next";
  const auto opened = [](const char* path, int flags) {
    const int fd = open(path, flags, 0600);
    if (fd < 0) return errno;
    close(fd);
    return 0;
  };
  errors["read"] = opened(file.c_str(), O_RDONLY);
  errors["write"] = opened(file.c_str(), O_WRONLY);
  errors["make"] = opened(next.c_str(), O_WRONLY | O_CREAT);
  errors["nameless"] = opened(directory.c_str(), O_TMPFILE | O_RDWR);
  errors["list"] = opened("/", O_RDONLY | O_DIRECTORY);
  errors["proc"] = opened("/proc/self/mem", O_RDWR);
  errors["device"] = opened("/dev/zero", O_RDONLY);
  errors["execute"] = execl("/bin/true", "true", nullptr) != 0 ? errno : 0;
  errors["unlink"] = unlink(file.c_str()) != 0 ? errno : 0;
  errors["rename"] = rename(file.c_str(), next.c_str()) != 0 ? errno : 0;
  errors["link"] = link(file.c_str(), next.c_str()) != 0 ? errno : 0;
  errors["mkdir"] = mkdir(next.c_str(), 0700) != 0 ? errno : 0;
  errors["chmod"] = chmod(file.c_str(), 0777) != 0 ? errno : 0;
  errors["chown"] = chown(file.c_str(), 1, 1) != 0 ? errno : 0;
  errors["truncate"] = truncate(file.c_str(), 0) != 0 ? errno : 0;
  errors["utimes"] = utimensat(AT_FDCWD, file.c_str(), nullptr, 0) != 0 ? errno : 0;
  errors["setxattr"] = ErrorOfCall(SYS_setxattr, file.c_str(), "user.x", "y", 1, 0);
  errors["memfd_create"] = ErrorOfCall(SYS_memfd_create, "x", 0);
  errors["program"] = opened("/proc/self/exe", O_RDONLY);
  return errors;
}

Errors Processes() {
  Errors errors;
  const auto ended = [](pid_t pid) {
    if (pid < 0) return errno;
    if (pid == 0) _exit(0);
    waitpid(pid, nullptr, 0);
    return 0;
  };
  errors["fork"] = ended(fork());
  errors["clone"] = ended(static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
#ifdef SYS_fork
  errors["system call"] = ended(static_cast<pid_t>(syscall(SYS_fork)));
#endif
  errors["execute"] = execl("/bin/true", "true", nullptr) != 0 ? errno : 0;
  int value = 0;
  std::thread([&] { value = 1; }).join();
  errors["thread"] = value == 1 ? 0 : 1;
  return errors;
}

// x32 on x86-64, a number that does not exist elsewhere.
void OtherArchitecture() { syscall(0x40000000 + SYS_getpid); }

std::uint64_t Allocate(std::uint64_t bytes) {
  std::vector<char> memory(bytes, 'x');
  return memory.size();
}
void AllocateInNoexcept(std::uint64_t bytes) noexcept { Allocate(bytes); }

void BurnTime() {
  for (std::atomic<int> count = 0;;) ++count;
}
void BurnTimeStubbornly() {
  signal(SIGXCPU, SIG_IGN);
  BurnTime();
}

int OpenMany(int most) {
  std::vector<int> open;
  for (int fd; static_cast<int>(open.size()) < most && (fd = dup(0)) >= 0;) open.push_back(fd);
  // UBSan looks at objects through a pipe, and takes them for broken without a free descriptor.
  for (const int fd : open) close(fd);
  return static_cast<int>(open.size());
}

void WriteMuch(std::uint64_t bytes) {
  const std::string line(1 << 16, 'x');
  for (std::uint64_t done = 0; done < bytes; done += line.size()) {
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(7);
  }
}
std::string Large(std::uint64_t size) { return std::string(size, 'x'); }

// A hostile function that fills the memory of its results.
int FillTheLog() {
  for (int fd = 3; fd < 64; ++fd) {
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (fallocate(fd, 0, status.st_size, 1 << 20) == 0) return fd;
    if (status.st_blocks * 512 > (1 << 20)) return fd;
  }
  return 0;
}

REMOTEOBJ_REGISTER_FUNCTION(Add)
REMOTEOBJ_REGISTER_FUNCTION(Range)
REMOTEOBJ_REGISTER_FUNCTION(Fail)
REMOTEOBJ_REGISTER_FUNCTION(Print)
REMOTEOBJ_REGISTER_FUNCTION(WriteNowhere)
REMOTEOBJ_REGISTER_FUNCTION(Record)
REMOTEOBJ_REGISTER_FUNCTION(NewPrivileges)
REMOTEOBJ_REGISTER_FUNCTION(Network)
REMOTEOBJ_REGISTER_FUNCTION(SendByPair)
REMOTEOBJ_REGISTER_FUNCTION(SystemV)
REMOTEOBJ_REGISTER_FUNCTION(WaysAround)
REMOTEOBJ_REGISTER_FUNCTION(Files)
REMOTEOBJ_REGISTER_FUNCTION(Processes)
REMOTEOBJ_REGISTER_FUNCTION(OtherArchitecture)
REMOTEOBJ_REGISTER_FUNCTION(Allocate)
REMOTEOBJ_REGISTER_FUNCTION(AllocateInNoexcept)
REMOTEOBJ_REGISTER_FUNCTION(BurnTime)
REMOTEOBJ_REGISTER_FUNCTION(BurnTimeStubbornly)
REMOTEOBJ_REGISTER_FUNCTION(OpenMany)
REMOTEOBJ_REGISTER_FUNCTION(WriteMuch)
REMOTEOBJ_REGISTER_FUNCTION(Large)
REMOTEOBJ_REGISTER_FUNCTION(FillTheLog)

}  // namespace app

namespace remoteobj {
namespace {

using remoteobj_testing::DenySystemCall;
using remoteobj_testing::Forked;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Pair;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr Sandbox kAll =
    Sandbox::kNoNewPrivileges | Sandbox::kNoFiles | Sandbox::kNoNetwork | Sandbox::kNoProcesses;

class SandboxTest : public testing::TestWithParam<Start> {
 protected:
  void SetUp() override {
    if (syscall(444, nullptr, 0, 1) < 1) GTEST_SKIP() << "this kernel has no Landlock";
  }
  static ProcessOptions With(Sandbox sandbox) { return {.start = GetParam(), .sandbox = sandbox}; }
  static ProcessOptions With(ProcessLimits limits, Sandbox sandbox = Sandbox::kNone) {
    return {.start = GetParam(), .limits = limits, .sandbox = sandbox};
  }
  // With limits and all flags, as a parser of hostile data has them.
  static ProcessOptions Strict() {
    return With({.memory = 256 << 20,
                 .cpu = absl::Seconds(20),
                 .files = 16,
                 .file_size = 1 << 20,
                 .results = 1 << 20},
                kAll);
  }
};

template <typename P>
ProcessDied DeathOf(P& process) {
  try {
    process.Join();
  } catch (const ProcessDied& e) {
    return e;
  }
  throw std::logic_error("nothing was thrown");
}

TEST_P(SandboxTest, WhatAFunctionSaysArrives) {
  EXPECT_EQ(Process(Strict(), app::Add, 5, 6).Get(), 11);
  Process range(Strict(), app::Range, 1000);
  int next = 0;
  for (const int i : range.result()) EXPECT_EQ(i, next++);
  EXPECT_EQ(next, 1000);
  Process failed(Strict(), app::Fail, "too far");
  EXPECT_THROW(failed.Join(), std::out_of_range);
  for (const Output output : {Output::kCapture, Output::kForward}) {
    ProcessOptions options = Strict();
    options.output = output;
    Process print(options, app::Print);
    print.Join();
    EXPECT_EQ(print.output(), output == Output::kCapture ? "out\n" : "");
  }
  const Except errors;
  Process(Strict(), app::Record, errors).Join();
  EXPECT_EQ(errors.size(), 1u);
}

TEST_P(SandboxTest, ACrashTellsItsStack) {
  Process crashed(Strict(), app::WriteNowhere);
  const ProcessDied died = DeathOf(crashed);
  ASSERT_FALSE(died.stack().empty()) << died.what();
  EXPECT_THAT(died.what(), HasSubstr("WriteNowhere"));
  EXPECT_EQ(died.limit(), "");
}

TEST_P(SandboxTest, NoNewPrivileges) {
  EXPECT_EQ(Process(With(Sandbox::kNone), app::NewPrivileges).Get(), 0);
  for (const Sandbox flag :
       {Sandbox::kNoNewPrivileges, Sandbox::kNoFiles, Sandbox::kNoNetwork, Sandbox::kNoProcesses}) {
    EXPECT_EQ(Process(With(flag), app::NewPrivileges).Get(), 1);
  }
}

TEST_P(SandboxTest, NoNetwork) {
  app::Errors errors = Process(With(Sandbox::kNoNetwork), app::Network).Get();
  for (const char* const allowed : {"socketpair", "packet pair", "write", "send"}) {
    EXPECT_EQ(errors.extract(allowed).mapped(), 0) << allowed;
  }
  EXPECT_THAT(errors, Each(Pair(testing::_, EACCES)));
  // Files are not its affair.
  EXPECT_EQ(Process(With(Sandbox::kNoNetwork), app::OpenMany, 3).Get(), 3);
}

// It could send to every datagram socket with a name, and be answered.
TEST_P(SandboxTest, ADatagramPairTalkedToOtherPrograms) {
  const int other = socket(AF_UNIX, SOCK_DGRAM, 0);
  ASSERT_GE(other, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof address;
  // The kernel chooses the name.
  ASSERT_EQ(bind(other, reinterpret_cast<sockaddr*>(&address), sizeof address.sun_family), 0);
  ASSERT_EQ(getsockname(other, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string name(address.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
  const auto received = [&] {
    char text[8];
    return recv(other, text, sizeof text, MSG_DONTWAIT);
  };
  EXPECT_EQ(Process(With(Sandbox::kNone), app::SendByPair, name).Get(), 0);
  EXPECT_EQ(received(), 1);
  EXPECT_EQ(Process(With(Sandbox::kNoNetwork), app::SendByPair, name).Get(), EACCES);
  EXPECT_EQ(received(), -1);
  close(other);
}

// Memory, queues and semaphores of others were open to it.
TEST_P(SandboxTest, SystemVMemoryOfAnotherProgram) {
  const int memory = shmget(IPC_PRIVATE, 4096, 0600);
  const int queue = msgget(IPC_PRIVATE, 0600);
  const int semaphore = semget(IPC_PRIVATE, 1, 0600);
  if (memory < 0 || queue < 0 || semaphore < 0) GTEST_SKIP() << "no System V memory here";
  const app::Errors errors =
      Process(With(Sandbox::kNoFiles), app::SystemV, memory, queue, semaphore).Get();
  EXPECT_THAT(errors, Each(Pair(testing::_, EACCES)));
  EXPECT_EQ(semctl(semaphore, 0, GETVAL), 0);
  EXPECT_EQ(shmctl(memory, IPC_RMID, nullptr), 0);
  EXPECT_EQ(msgctl(queue, IPC_RMID, nullptr), 0);
  EXPECT_EQ(semctl(semaphore, 0, IPC_RMID), 0);
}

TEST_P(SandboxTest, NoWayAround) {
  for (const Sandbox flag : {Sandbox::kNoFiles, Sandbox::kNoNetwork, Sandbox::kNoProcesses}) {
    app::Errors errors = Process(With(flag), app::WaysAround, getpid()).Get();
    EXPECT_EQ(errors.extract("getrlimit").mapped(), 0);
    EXPECT_THAT(errors, Each(Pair(testing::_, EPERM)));
  }
}

TEST_P(SandboxTest, NoFiles) {
  char directory[] = "/tmp/sandbox_test.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string file = std::string(directory) + "/file";
  close(open(file.c_str(), O_WRONLY | O_CREAT, 0600));
  app::Errors errors = Process(With(Sandbox::kNoFiles), app::Files, std::string(directory)).Get();
  EXPECT_EQ(errors.extract("program").mapped(), 0);
  EXPECT_THAT(errors, Each(Pair(testing::_, EACCES)));
  unlink(file.c_str());
  EXPECT_EQ(rmdir(directory), 0);
}

TEST_P(SandboxTest, NoProcesses) {
  app::Errors errors = Process(With(Sandbox::kNoProcesses), app::Processes).Get();
  EXPECT_EQ(errors.extract("thread").mapped(), 0);
  EXPECT_THAT(errors, Each(Pair(testing::_, EPERM)));
}

#if defined(__x86_64__)
TEST_P(SandboxTest, ACallOfAnotherArchitectureEndsIt) {
  for (const Sandbox flag : {Sandbox::kNoFiles, Sandbox::kNoNetwork, Sandbox::kNoProcesses}) {
    Process process(With(flag), app::OtherArchitecture);
    const ProcessDied died = DeathOf(process);
    EXPECT_EQ(died.signal(), SIGSYS);
    EXPECT_THAT(died.limit(), HasSubstr("ProcessOptions::sandbox"));
    EXPECT_THAT(died.what(), HasSubstr(died.limit()));
  }
}
#endif

TEST_P(SandboxTest, MemoryIsLimited) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have their address space before";
  const ProcessOptions options = With({.memory = 64 << 20});
  EXPECT_EQ(Process(options, app::Allocate, std::uint64_t{16} << 20).Get(), 16u << 20);
  Process large(options, app::Allocate, std::uint64_t{128} << 20);
  try {
    large.Join();
    FAIL();
  } catch (const std::bad_alloc& e) {
    EXPECT_THAT(e.what(), HasSubstr("a limit of 67108864 bytes of memory"));
  }
  Process terminated(options, app::AllocateInNoexcept, std::uint64_t{128} << 20);
  const ProcessDied died = DeathOf(terminated);
  EXPECT_EQ(died.signal(), SIGABRT);
  EXPECT_THAT(died.limit(), HasSubstr("ProcessOptions::limits.memory"));
}

TEST_P(SandboxTest, ProcessorTimeIsLimited) {
  Process busy(With({.cpu = absl::Milliseconds(300)}), app::BurnTime);
  const ProcessDied died = DeathOf(busy);
  EXPECT_EQ(died.signal(), SIGXCPU);
  EXPECT_EQ(died.limit(), "a limit of 1s of processor time (ProcessOptions::limits.cpu)");
  EXPECT_THAT(died.what(), AllOf(HasSubstr(died.limit()), HasSubstr("BurnTime")));
  Process stubborn(With({.cpu = absl::Seconds(1)}), app::BurnTimeStubbornly);
  const ProcessDied killed = DeathOf(stubborn);
  EXPECT_EQ(killed.signal(), SIGKILL);
  EXPECT_THAT(killed.limit(), HasSubstr(died.limit()));
  EXPECT_THROW(Process(With({.cpu = absl::ZeroDuration()}), app::Add, 1, 2), std::invalid_argument);
}

TEST_P(SandboxTest, OpenFilesAreLimited) {
  EXPECT_EQ(Process(With({.files = 5}), app::OpenMany, 100).Get(), 5);
  EXPECT_EQ(Process(With({.files = 5}, kAll), app::OpenMany, 100).Get(), 5);
}

TEST_P(SandboxTest, TheSizeOfFilesIsLimited) {
  ProcessOptions options = With({.file_size = 1 << 20});
  options.output = Output::kCapture;
  Process process(options, app::WriteMuch, std::uint64_t{1} << 30);
  const ProcessDied died = DeathOf(process);
  EXPECT_EQ(died.signal(), SIGXFSZ);
  EXPECT_THAT(died.limit(), HasSubstr("a limit of 1048576 bytes for each file"));
  EXPECT_EQ(process.output().size(), 1u << 20);
}

TEST_P(SandboxTest, WhatIsSentBackIsLimited) {
  const ProcessOptions options = With({.results = 1 << 20});
  EXPECT_EQ(Process(options, app::Large, std::uint64_t{1'000'000}).Get().size(), 1'000'000u);
  Process large(options, app::Large, std::uint64_t{3} << 20);
  try {
    large.Join();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("a log has no room left"));
  }
  EXPECT_EQ(Process(options, app::FillTheLog).Get(), 0);
}

TEST_P(SandboxTest, WhatTheKernelLacksIsNamed) {
  struct Case {
    long denied;
    Sandbox flag;
    const char* text;
  };
  for (const Case& c :
       {Case{444, Sandbox::kNoFiles, "Sandbox::kNoFiles is not available here: it takes Landlock"},
        Case{446, Sandbox::kNoFiles, "landlock_restrict_self"},
        Case{SYS_seccomp, Sandbox::kNoNetwork, "Sandbox::kNoNetwork is not available here"},
        Case{SYS_seccomp, Sandbox::kNoProcesses, "Sandbox::kNoProcesses is not available here"}}) {
    SCOPED_TRACE(c.text);
    Forked child([&] {
      const Except errors;
      ProcessOptions options = With(c.flag);
      options.errors = errors;
      if (!DenySystemCall(c.denied, ENOSYS)) _exit(2);
      try {
        Process process(options, app::Print);
        _exit(3);
      } catch (const SandboxUnavailable& e) {
        if (std::string(e.what()).find(c.text) == std::string::npos) {
          std::fprintf(stderr, "%s\n", e.what());
          _exit(4);
        }
      }
      if (errors.size() != 0) _exit(5);
      if (waitpid(-1, nullptr, WNOHANG) > 0) _exit(6);
    });
    EXPECT_EQ(child.Wait(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Starts, SandboxTest, EachStart(), NameOfStart);

// A fork has the sockets of its parent, which it may use, but not connect.
TEST(SandboxForkTest, ASocketThatIsOpenAlready) {
  const int udp = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_GE(udp, 0);
  Process process({.sandbox = Sandbox::kNoNetwork}, [&] {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(udp, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ? errno : 0;
  });
  EXPECT_EQ(process.Get(), EACCES);
  close(udp);
}

// MSG_FASTOPEN connects a socket, and so do the calls that have it.
TEST(SandboxForkTest, ASocketThatIsOpenAlreadyWasConnectedBySending) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int tcp = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  Process process({.sandbox = Sandbox::kNoNetwork}, [&] {
    char byte = 'x';
    iovec part{&byte, 1};
    mmsghdr messages[1] = {};
    msghdr& message = messages[0].msg_hdr;
    message.msg_name = &address;
    message.msg_namelen = size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    app::Errors errors;
    errors["sendto"] = app::ErrorOfCall(SYS_sendto, tcp, &byte, 1, MSG_FASTOPEN, &address, size);
    errors["sendmsg"] = app::ErrorOfCall(SYS_sendmsg, tcp, &message, MSG_FASTOPEN);
    errors["sendmmsg"] = app::ErrorOfCall(SYS_sendmmsg, tcp, messages, 1, MSG_FASTOPEN);
    return errors;
  });
  EXPECT_THAT(process.Get(), Each(Pair(testing::_, EACCES)));
  pollfd connection{listener, POLLIN, 0};
  EXPECT_EQ(poll(&connection, 1, 0), 0);
  close(tcp);
  close(listener);
}

// Landlock of Linux 5.13 to 6.1 lets a file that may be read be truncated: the program's libraries.
TEST(SandboxFilterTest, ALibraryWasTruncatedOnAnOlderKernel) {
  char path[] = "/tmp/sandbox_test.XXXXXX";
  const int file = mkstemp(path);
  ASSERT_GE(file, 0);
  ASSERT_EQ(write(file, "code", 4), 4);
  for (const long version : {1, 2, 3}) {
    SCOPED_TRACE(version);
    Forked child([&] {
      if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(2);
      process_internal::RefuseCalls(Sandbox::kNoFiles, version);
      if (app::ErrorOfCall(SYS_openat, AT_FDCWD, path, O_RDONLY) != 0) _exit(3);
      if (version > 2) return;
      if (app::ErrorOfCall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_TRUNC) != EACCES) _exit(4);
      const std::uint64_t how[3] = {O_RDONLY | O_TRUNC, 0, 0};
      if (app::ErrorOfCall(437, AT_FDCWD, path, how, sizeof how) != ENOSYS) _exit(5);
#ifdef SYS_open
      if (app::ErrorOfCall(SYS_open, path, O_RDONLY) != 0) _exit(6);
      if (app::ErrorOfCall(SYS_open, path, O_RDONLY | O_TRUNC) != EACCES) _exit(7);
#endif
    });
    EXPECT_EQ(child.Wait(), 0);
  }
  struct stat status;
  ASSERT_EQ(fstat(file, &status), 0);
  EXPECT_EQ(status.st_size, 4);
  close(file);
  unlink(path);
}

TEST(SandboxForkTest, OfAProgramWithManyDescriptors) {
  std::vector<int> open;
  for (int i = 0; i < 100; ++i) open.push_back(dup(0));
  EXPECT_EQ(Process({.limits = {.files = 5}}, app::OpenMany, 100).Get(), 5);
  for (const int fd : open) close(fd);
}

// The name of the thrower, too: the traceback is made in the sandbox.
TEST(SandboxForkTest, AnErrorHasItsTraceback) {
  Process process({.sandbox = kAll}, [] { app::Fail("here"); });
  try {
    process.Join();
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_THAT(RemoteErrorOf(e)->traceback(), testing::Contains(HasSubstr("app::Fail")));
  }
}

TEST(SandboxJobTest, AThreadIsNotConfined) {
  EXPECT_THROW(Job({.sandbox = Sandbox::kNoFiles, .threaded = true}, app::Add, 1, 2),
               std::invalid_argument);
  EXPECT_THROW(Job({.limits = {.memory = 1 << 20}, .threaded = true}, app::Add, 1, 2),
               std::invalid_argument);
  EXPECT_EQ(Job({.sandbox = kAll}, app::Add, 1, 2).Get(), 3);
}

TEST(ProcessDiedTest, ItsLimitTravels) {
  Process outer([] {
    Process inner({.limits = {.cpu = absl::Seconds(1)}}, [] { app::BurnTime(); });
    inner.Join();
  });
  EXPECT_THAT(DeathOf(outer).limit(), HasSubstr("processor time"));
}

}  // namespace
}  // namespace remoteobj

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
