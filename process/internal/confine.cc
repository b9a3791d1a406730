// SPDX-License-Identifier: MIT
//
// The order matters. First comes what needs files: the names of functions and the size of the
// address space. Landlock and seccomp take no_new_privs (or CAP_SYS_ADMIN). The filter is the last
// step, since it refuses to change limits.
#include "remoteobj/process/internal/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/debugging/symbolize.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/transport/internal/own_descriptor.h"

namespace remoteobj {

REMOTEOBJ_REGISTER_ERROR(SandboxUnavailable)

namespace process_internal {
namespace {

using transport_internal::OwnDescriptor;

constexpr Sandbox kFiltered = Sandbox::kNoFiles | Sandbox::kNoNetwork | Sandbox::kNoProcesses;

[[noreturn]] void Unavailable(const char* option, const char* what, int error = errno) {
  std::string text = absl::StrCat("remoteobj: ", option, " is not available here: ", what);
  if (error != 0) absl::StrAppend(&text, ": ", std::generic_category().message(error));
  throw SandboxUnavailable(text);
}

// Limits

bool Limited(std::uint64_t limit) { return limit != ProcessLimits::kNone; }
bool Limited(absl::Duration limit) { return limit != absl::InfiniteDuration(); }

rlim_t SecondsOf(absl::Duration cpu) {
  return static_cast<rlim_t>(
      std::max<std::int64_t>(1, absl::ToInt64Seconds(absl::Ceil(cpu, absl::Seconds(1)))));
}

// Lowers a limit; never raises one.
void Limit(decltype(RLIMIT_AS) which, std::uint64_t soft, std::uint64_t hard, const char* option) {
  rlimit limit;
  if (getrlimit(which, &limit) != 0) Unavailable(option, "getrlimit");
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, hard);
  limit.rlim_cur = std::min<rlim_t>({limit.rlim_cur, limit.rlim_max, soft});
  if (setrlimit(which, &limit) != 0) Unavailable(option, "setrlimit");
}

void LimitMemory(std::uint64_t bytes) {
  constexpr char kOption[] = "ProcessOptions::limits.memory";
  const OwnDescriptor file(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  char text[64] = {};
  unsigned long long pages = 0;
  if (file.get() < 0 || read(file.get(), text, sizeof text - 1) <= 0 ||
      std::sscanf(text, "%llu", &pages) != 1) {
    Unavailable(kOption, "the address space in use is not known without /proc/self/statm");
  }
  const std::uint64_t used = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t limit = bytes > ProcessLimits::kNone - used ? bytes : used + bytes;
  Limit(RLIMIT_AS, limit, limit, kOption);
}

void LimitFiles(std::uint64_t count) {
  constexpr char kOption[] = "ProcessOptions::limits.files";
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) Unavailable(kOption, "getrlimit");
  // The number below which there are so many free ones.
  std::uint64_t end = 0;
  for (std::uint64_t free = 0; free < count && end < limit.rlim_cur; ++end) {
    if (fcntl(static_cast<int>(end), F_GETFD) < 0) ++free;
  }
  Limit(RLIMIT_NOFILE, end, end, kOption);
}

// Landlock. The system calls and constants of linux/landlock.h, which older headers lack in part.

constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockAddRule = 445;
constexpr long kLandlockRestrictSelf = 446;
constexpr unsigned kLandlockVersion = 1;         // LANDLOCK_CREATE_RULESET_VERSION
constexpr int kLandlockPathBeneath = 1;          // LANDLOCK_RULE_PATH_BENEATH
constexpr std::uint64_t kLandlockRead = 1 << 2;  // LANDLOCK_ACCESS_FS_READ_FILE

struct LandlockRuleset {
  std::uint64_t handled_access_fs;
};
struct __attribute__((packed)) LandlockPath {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
};

constexpr long kLandlockWithTruncate = 3;

// All rights of a version: refer came with 2, truncate with 3, ioctl of devices with 5.
std::uint64_t LandlockRightsOf(long version) {
  std::uint64_t rights = (1 << 13) - 1;
  if (version >= 2) rights |= 1 << 13;
  if (version >= kLandlockWithTruncate) rights |= 1 << 14;
  if (version >= 5) rights |= 1 << 15;
  return rights;
}

int AllowToRead(int ruleset, std::string_view path) {
  if (!path.starts_with('/')) return 0;  // The vDSO, which is no file.
  const OwnDescriptor file(open(std::string(path).c_str(), O_PATH | O_CLOEXEC));
  if (file.get() < 0) return 0;  // Its functions have no names in stacks.
  const LandlockPath rule{kLandlockRead, file.get()};
  return static_cast<int>(syscall(kLandlockAddRule, ruleset, kLandlockPathBeneath, &rule, 0));
}

// Returns the version of Landlock.
long DenyFiles() {
  constexpr char kOption[] = "Sandbox::kNoFiles";
  const long version = syscall(kLandlockCreateRuleset, nullptr, 0, kLandlockVersion);
  if (version < 1) {
    Unavailable(kOption,
                "it takes Landlock (Linux 5.13, and `landlock` among the security modules of the "
                "kernel's command line), landlock_create_ruleset");
  }
  const LandlockRuleset rules{LandlockRightsOf(version)};
  const OwnDescriptor ruleset(
      static_cast<int>(syscall(kLandlockCreateRuleset, &rules, sizeof rules, 0)));
  if (ruleset.get() < 0) Unavailable(kOption, "landlock_create_ruleset");
  // The crash handler's list of files is read once, here.
  char name[64];
  absl::Symbolize(reinterpret_cast<void*>(&AllowToRead), name, sizeof name);
  int fd = ruleset.get();
  const int failed = dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* argument) {
        const bool program = info->dlpi_name == nullptr || info->dlpi_name[0] == '\0';
        return AllowToRead(*static_cast<int*>(argument),
                           program ? "/proc/self/exe" : info->dlpi_name);
      },
      &fd);
  if (failed != 0) Unavailable(kOption, "landlock_add_rule");
  if (syscall(kLandlockRestrictSelf, ruleset.get(), 0) != 0) {
    Unavailable(kOption, "landlock_restrict_self");
  }
  return version;
}

// seccomp

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;
#endif

// System calls that are newer than the headers of some systems; the numbers are the same
// everywhere.
enum Newer : long {
  kIoUringSetup = 425,
  kIoUringEnter = 426,
  kIoUringRegister = 427,
  kClone3 = 435,
  kOpenat2 = 437,
  kPidfdGetfd = 438,
  kMemfdSecret = 447,
  kFchmodat2 = 452,
  kSetxattrat = 463,
  kRemovexattrat = 466,
};

class Filter {
 public:
  Filter() {
    // Numbers mean other calls in another architecture. x32 has the same one, and a bit in each
    // number.
    Load(offsetof(seccomp_data, arch));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
    Return(SECCOMP_RET_KILL_PROCESS);
    Load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
    constexpr std::uint32_t kX32 = 0x40000000;
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 0, 1));
    Return(SECCOMP_RET_KILL_PROCESS);
#endif
  }

  void Refuse(std::initializer_list<long> calls, int error) {
    for (const long call : calls) {
      code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
      Return(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
    }
  }
  void RefuseIfHas(long call, int argument, std::uint32_t bits, int error) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 4));
    Load(Low(argument));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    Return(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
    Load(offsetof(seccomp_data, nr));
  }
  // For an argument of 32 bits.
  void RefuseUnlessIs(long call, int argument, std::uint32_t value, int error) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 4));
    Load(Low(argument));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    Return(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
    Load(offsetof(seccomp_data, nr));
  }
  // No later rule applies to this call.
  void RefuseUnlessHas(long call, int argument, std::uint32_t bits, int error) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 4));
    Load(Low(argument));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0));
    Return(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
    Return(SECCOMP_RET_ALLOW);
  }
  // No later rule applies to this call.
  void RefuseUnlessNull(long call, int argument, int error) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 6));
    Load(Low(argument));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2));
    Load(Low(argument) + 4);
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
    Return(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
    Return(SECCOMP_RET_ALLOW);
  }

  // For all threads of this process. Returns false with errno.
  bool Install() {
    Return(SECCOMP_RET_ALLOW);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
  }

 private:
  // Both architectures are little-endian.
  static std::uint32_t Low(int argument) {
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args)) +
           static_cast<std::uint32_t>(argument) * 8;
  }
  void Load(std::size_t offset) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
  }
  void Return(std::uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }

  std::vector<sock_filter> code_;
};

}  // namespace

void RefuseCalls(Sandbox sandbox, long landlock_version) {
  const char* const option = Has(sandbox, Sandbox::kNoFiles)     ? "Sandbox::kNoFiles"
                             : Has(sandbox, Sandbox::kNoNetwork) ? "Sandbox::kNoNetwork"
                                                                 : "Sandbox::kNoProcesses";
  if (kArchitecture == 0) Unavailable(option, "it takes x86-64 or arm64", 0);
  Filter filter;
  filter.Refuse({SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, kPidfdGetfd,
                 kIoUringSetup, kIoUringEnter, kIoUringRegister, SYS_setrlimit},
                EPERM);
  filter.RefuseUnlessNull(SYS_prlimit64, 2, EPERM);
  if (Has(sandbox, Sandbox::kNoNetwork)) {
    filter.Refuse({SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4}, EACCES);
    // A datagram socket sends to any address, also one of a pair. The bit is in SOCK_DGRAM and
    // SOCK_RAW, which is the same for AF_UNIX, and in neither SOCK_STREAM nor SOCK_SEQPACKET.
    constexpr std::uint32_t kDatagrams = SOCK_DGRAM & SOCK_RAW;
    static_assert(kDatagrams != 0 && ((SOCK_STREAM | SOCK_SEQPACKET) & kDatagrams) == 0);
    filter.RefuseUnlessIs(SYS_socketpair, 0, AF_UNIX, EACCES);
    filter.RefuseIfHas(SYS_socketpair, 1, kDatagrams, EACCES);
    // A connect() by another name.
    filter.RefuseIfHas(SYS_sendto, 3, MSG_FASTOPEN, EACCES);
    filter.RefuseIfHas(SYS_sendmsg, 2, MSG_FASTOPEN, EACCES);
    filter.RefuseIfHas(SYS_sendmmsg, 3, MSG_FASTOPEN, EACCES);
  }
  if (Has(sandbox, Sandbox::kNoFiles)) {
    // Changes that Landlock does not know, and files and memory that are in no directory.
    filter.Refuse(
        {SYS_fchmodat, kFchmodat2, SYS_fchownat, SYS_utimensat, SYS_truncate, SYS_setxattr,
         SYS_lsetxattr, SYS_removexattr, SYS_lremovexattr, kSetxattrat, kRemovexattrat, SYS_chroot,
         SYS_open_by_handle_at, SYS_memfd_create, kMemfdSecret, SYS_mq_open, SYS_mq_unlink},
        EACCES);
    filter.Refuse({SYS_shmget, SYS_shmat, SYS_shmctl, SYS_msgget, SYS_msgsnd, SYS_msgrcv,
                   SYS_msgctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl},
                  EACCES);
#if defined(__x86_64__)
    filter.Refuse({SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat}, EACCES);
#endif
    if (landlock_version < kLandlockWithTruncate) {
      // A right to read lets a file be truncated. openat2 has its flags in memory.
      filter.RefuseIfHas(SYS_openat, 2, O_TRUNC, EACCES);
      filter.Refuse({kOpenat2}, ENOSYS);
#if defined(__x86_64__)
      filter.RefuseIfHas(SYS_open, 1, O_TRUNC, EACCES);
#endif
    }
  }
  if (Has(sandbox, Sandbox::kNoProcesses)) {
    // The flags of clone3 are in memory, where a filter can't see them. Without it the C library
    // uses clone.
    filter.Refuse({kClone3}, ENOSYS);
    filter.RefuseUnlessHas(SYS_clone, 0, CLONE_THREAD, EPERM);
    filter.Refuse({SYS_execve, SYS_execveat}, EPERM);
#if defined(__x86_64__)
    filter.Refuse({SYS_fork, SYS_vfork}, EPERM);
#endif
  }
  if (!filter.Install()) Unavailable(option, "a seccomp filter can't be installed, seccomp");
}

bool IsConfined(const ProcessOptions& options) {
  ProcessLimits applied = options.limits;
  applied.results = ProcessLimits::kNone;  // The log has it.
  return options.sandbox != Sandbox::kNone || applied != ProcessLimits();
}

void CheckLimits(const ProcessLimits& limits) {
  if (limits.cpu <= absl::ZeroDuration()) {
    throw std::invalid_argument(absl::StrCat("remoteobj: ProcessOptions::limits.cpu is ",
                                             absl::FormatDuration(limits.cpu)));
  }
}

void Confine(const ProcessLimits& limits, Sandbox sandbox) {
  if (sandbox != Sandbox::kNone && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    Unavailable("Sandbox::kNoNewPrivileges", "prctl");
  }
  // /proc is read before files are denied; the descriptors are counted after that.
  if (Limited(limits.memory)) LimitMemory(limits.memory);
  const long landlock_version = Has(sandbox, Sandbox::kNoFiles) ? DenyFiles() : 0;
  if (Limited(limits.files)) LimitFiles(limits.files);
  if (Limited(limits.file_size)) {
    Limit(RLIMIT_FSIZE, limits.file_size, limits.file_size, "ProcessOptions::limits.file_size");
  }
  if (Limited(limits.cpu)) {
    const rlim_t seconds = SecondsOf(limits.cpu);
    Limit(RLIMIT_CPU, seconds, seconds + 1, "ProcessOptions::limits.cpu");
  }
  if (Has(sandbox, kFiltered)) RefuseCalls(sandbox, landlock_version);
}

std::string MemoryLimitText(const ProcessLimits& limits) {
  return absl::StrCat("a limit of ", limits.memory,
                      " bytes of memory (ProcessOptions::limits.memory)");
}

std::string LimitThatEnded(const ProcessOptions& options, const ProcessEnd& end,
                           absl::Duration cpu_time, bool killed, const std::string& last_words) {
  const ProcessLimits& limits = options.limits;
  const int signal = end.signal.value_or(0);
  if (Limited(limits.cpu)) {
    const auto seconds = static_cast<std::int64_t>(SecondsOf(limits.cpu));
    std::string limit =
        absl::StrCat("a limit of ", seconds, "s of processor time (ProcessOptions::limits.cpu)");
    if (signal == SIGXCPU) return limit;
    // It has ignored SIGXCPU. The kernel sends SIGKILL by a count of clock ticks, and tells times
    // that it has measured in another way, which may differ much on a busy machine.
    if (signal == SIGKILL && !killed && cpu_time > absl::Seconds(seconds) / 2) {
      return absl::StrCat(limit, ", probably: it was killed after ", absl::FormatDuration(cpu_time),
                          " of it");
    }
  }
  if (Limited(limits.file_size) && signal == SIGXFSZ) {
    return absl::StrCat("a limit of ", limits.file_size,
                        " bytes for each file (ProcessOptions::limits.file_size)");
  }
  if (Has(options.sandbox, kFiltered) && signal == SIGSYS) {
    return "its sandbox: it made a system call of another architecture "
           "(ProcessOptions::sandbox)";
  }
  if (Limited(limits.memory) && absl::StrContains(last_words, "std::bad_alloc")) {
    return MemoryLimitText(limits);
  }
  return {};
}

absl::Duration CpuTimeOf(pid_t child) {
  // Not by the C library, whose waitid() has no rusage.
  siginfo_t info{};
  rusage usage{};
  if (syscall(SYS_waitid, P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT, &usage) != 0 ||
      info.si_pid != child) {
    return absl::ZeroDuration();
  }
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

}  // namespace process_internal
}  // namespace remoteobj
