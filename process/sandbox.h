// SPDX-License-Identifier: MIT
//
// Limits and a sandbox for a process whose function handles data that is not trusted.
//
//   using remoteobj::Sandbox;
//   remoteobj::Process parse(
//       {.limits = {.memory = 256 << 20, .cpu = absl::Seconds(5), .files = 16},
//        .sandbox = Sandbox::kNoFiles | Sandbox::kNoNetwork | Sandbox::kNoProcesses},
//       Parse, data);
//   Tree tree = parse.Get();
//
// Both are in force before the function is called, for its thread, and for the threads and
// processes that it starts; they can't be taken off. They don't concern this process. Start::kFork,
// kSpawn and kForkServer apply them in the same way. The constructor of Process returns when they
// are in force, or throws SandboxUnavailable: the function never runs with less than what was
// asked for.
//
// Results, yields, errors and captured or forwarded output arrive as without a sandbox: they use
// shared memory and descriptors that exist already.
//
// A function that is refused something gets an error from the system call, and goes on: EACCES for
// files and the network, EPERM for the rest, usually a std::system_error or a failed stream. A
// limit of memory is a std::bad_alloc. If a limit or rule ends the process, that is a ProcessDied,
// whose limit() says which one it was, if that is known.
//
// Not covered by any of it:
//   - Descriptors that are open already. A fork has all of this program, a spawned process has the
//     standard streams and those of its arguments. It can read, write and pass them as before.
//   - Shared memory that is mapped already: the function's log, an Except, a Proxy. A fork can
//     write into all memory that this process shares with other forks (process/README.md).
//   - Signals to processes of the same user, and the processor and memory bandwidth.
//   - The user: a sandbox takes no user ID, group or capability away. Become another user first if
//     this program runs as root, which has further ways around limits and sandboxes.
//   - Threads that a spawned program starts before main(), in kNoFiles.
//
// Threads:  values.
// Errors:   SandboxUnavailable; std::invalid_argument for limits that make no sense, and for a Job
//           on a thread, which can't be confined.
// Source:   setrlimit(2), landlock(7), seccomp(2), prctl(2) PR_SET_NO_NEW_PRIVS.
#ifndef REMOTEOBJ_PROCESS_SANDBOX_H_
#define REMOTEOBJ_PROCESS_SANDBOX_H_

#include <cstdint>
#include <limits>
#include <stdexcept>

#include "absl/time/time.h"

namespace remoteobj {

// Upper limits for one process. The processes that it starts inherit them, and each has limits of
// its own (Sandbox::kNoProcesses prevents that). A limit that this process has already is not
// raised. A process with CAP_SYS_RESOURCE, such as one of root, can raise its limits again, except
// in a sandbox with kNoFiles, kNoNetwork or kNoProcesses.
struct ProcessLimits {
  static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

  // Bytes of address space that the process may take beyond what it has when its function starts:
  // heap, stacks (8 MiB for each thread), mappings (RLIMIT_AS). An allocation beyond it fails with
  // std::bad_alloc. Files in memory count only as far as they are mapped: captured output and those
  // of memfd_create are limited by `file_size`, the latter refused by Sandbox::kNoFiles, and what
  // is sent back by `results`. AddressSanitizer and ThreadSanitizer reserve their address space at
  // the start: with them the limit has hardly any effect.
  std::uint64_t memory = kNone;
  // Processor time of all its threads, in whole seconds, rounded up (RLIMIT_CPU). Then SIGXCPU ends
  // it, and a second later SIGKILL, if it ignores that.
  absl::Duration cpu = absl::InfiniteDuration();
  // Descriptors that it may open in addition to those which are open when its function starts
  // (RLIMIT_NOFILE). Further ones fail with EMFILE.
  std::uint64_t files = kNone;
  // Bytes to which a file may grow by its writes, captured output included (RLIMIT_FSIZE). A write
  // beyond them ends it by SIGXFSZ.
  std::uint64_t file_size = kNone;
  // Bytes of one message: a result, a yielded value or an error. The process may send four times as
  // many in its life. Beyond that it gets a std::system_error (EFBIG). The memory of what it has
  // sent can't exceed five times as many, whatever it does.
  std::uint64_t results = kNone;

  friend bool operator==(const ProcessLimits&, const ProcessLimits&) = default;
};

// The rights that a process gives up. Each of the other flags implies kNoNewPrivileges, and needs
// seccomp filters (Linux 3.17, on x86-64 or arm64).
//
// With any of kNoFiles, kNoNetwork and kNoProcesses it can also neither read nor change the memory
// of other processes by ptrace(2) or process_vm_readv(2) and process_vm_writev(2), nor take their
// descriptors (pidfd_getfd), nor use io_uring, nor raise its limits. A system call of another
// architecture (32-bit, x32) ends it by SIGSYS.
enum class Sandbox : std::uint32_t {
  kNone = 0,
  // Programs that it executes gain no privileges: set-user-ID bits and file capabilities have no
  // effect.
  kNoNewPrivileges = 1 << 0,
  // It opens, executes, makes, changes, renames and removes no files, directories and sockets of
  // the file system, /proc and /dev included, and no nameless files in memory (memfd_create, POSIX
  // message queues). System V shared memory, message queues and semaphores are refused, also those
  // of other programs. So it can't make a new Except, Proxy or Process itself.
  // The files of this program and of its shared libraries stay readable, for the names in stacks;
  // before Linux 6.2, where Landlock would let them be truncated, every open with O_TRUNC fails.
  // Not covered: to look up whether a file exists, its size and dates (stat), to list directories
  // that are open already, and to change its working directory. Takes Landlock (Linux 5.13).
  kNoFiles = 1 << 1,
  // It makes no socket of any family, AF_UNIX and AF_NETLINK included, and neither connects, binds,
  // listens on nor accepts from one that it has, nor connects one by sending (MSG_FASTOPEN). Not
  // covered: to send and receive by sockets that are open already, which includes sending to any
  // address by one that needs no connection (datagrams, SCTP); and socketpair(2) of AF_UNIX with
  // SOCK_STREAM or SOCK_SEQPACKET, whose ends lead nowhere else. Pairs of datagram sockets, which
  // can send to any name, are refused. Managers, which are called by sockets, can't be used;
  // proxies of objects in related processes can. Without kNoFiles it can still open the memory of
  // other processes of its user in /proc, and so have them connect.
  kNoNetwork = 1 << 2,
  // It starts no processes and executes no programs. Threads are not covered.
  kNoProcesses = 1 << 3,
};

constexpr Sandbox operator|(Sandbox a, Sandbox b) {
  return static_cast<Sandbox>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr Sandbox operator&(Sandbox a, Sandbox b) {
  return static_cast<Sandbox>(static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b));
}

// The kernel, or a sandbox around this program, does not provide what a limit or a sandbox takes.
// The text names the option and the reason. The function was not called.
class SandboxUnavailable : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_SANDBOX_H_
