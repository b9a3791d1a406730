// SPDX-License-Identifier: MIT
//
// The protocol, over a SOCK_SEQPACKET socket: a request says if descriptors for stdout and stderr
// come first, and carries the descriptors; a response is a pid, with a pidfd if the system has
// pidfds, or a negative errno. One request at a time.
//
// Only the owner is served: a process that has dropped its privileges must not have the server run
// a function with the owner's. A fork of the owner closes the socket, so it has a server of its
// own, and the kernel tells with each request which process has sent it (SCM_CREDENTIALS), so that
// a copy of the socket that was made past fork() is of no use. An owner that has changed its user
// starts another server.
#include "remoteobj/process/internal/fork_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <list>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/process/internal/confine.h"
#include "remoteobj/process/internal/control.h"
#include "remoteobj/process/internal/lifeline.h"
#include "remoteobj/process/internal/signals.h"
#include "remoteobj/process/internal/spawned.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/child_end.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj::process_internal {
namespace {

using transport_internal::EndOf;
using transport_internal::Identity;
using transport_internal::ReapChild;

constexpr std::size_t kMaxDescriptors = 250;  // The kernel takes 253 in a message.
constexpr std::uint32_t kExited = 1 << 16;
constexpr std::uint32_t kSignalled = 2 << 16;

[[noreturn]] void ThrowErrno(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

// Both return errno, or 0. A message has 4 bytes. EMFILE from ReceiveMessage(): this process has no
// free descriptor for those of the message.
int SendMessage(int socket, std::int32_t value, const std::vector<int>& descriptors) {
  iovec part{&value, sizeof value};
  std::vector<char> ancillary(CMSG_SPACE(descriptors.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = ancillary.data();
    message.msg_controllen = ancillary.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  }
  ssize_t n;
  do {
    n = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? errno : 0;
}

// Sets `sender`, if it is not null, to the process that has sent the message. REQUIRES: then the
// socket has SO_PASSCRED.
int ReceiveMessage(int socket, std::int32_t* value, std::vector<int>* descriptors,
                   ucred* sender = nullptr) {
  iovec part{value, sizeof *value};
  std::vector<char> ancillary(CMSG_SPACE((kMaxDescriptors + 3) * sizeof(int)) +
                              CMSG_SPACE(sizeof(ucred)));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.data();
  message.msg_controllen = ancillary.size();
  ssize_t n;
  do {
    n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return errno;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS && sender != nullptr) {
      memcpy(sender, CMSG_DATA(header), sizeof *sender);
    }
    if (header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    descriptors->resize(count);
    memcpy(descriptors->data(), CMSG_DATA(header), count * sizeof(int));
    for (int& fd : *descriptors) {
      if ((fd = transport_internal::AboveStandardStreams(fd)) < 0) return EMFILE;
    }
  }
  if (n != sizeof *value) return ECONNRESET;
  return (message.msg_flags & MSG_CTRUNC) == 0 ? 0 : EMFILE;
}

// The owner's side.

struct Server {
  Identity owner = 0;  // The process that started it. A fork of that has none.
  uid_t user = 0;      // Its user at that time.
  pid_t pid = 0;
  Identity identity = 0;
  transport_internal::OwnDescriptor socket;
  std::unique_ptr<Lifeline> lifeline;
};
struct ServerMutex;

Server& TheServer() {
  return transport_internal::MadeOnce([] { return new Server; });
}

// In a child; the mutex was free at the fork.
[[maybe_unused]] const int closed_in_child =
    pthread_atfork(nullptr, nullptr, [] { TheServer().socket.Close(); });

// A server that is given up. The destructor ends and reaps it. REQUIRES there: the mutex of
// TheServer() is not held, since a lifeline takes one, too.
class Ended {
 public:
  // Leaves `server` empty.
  explicit Ended(Server& server)
      : lifeline_(std::move(server.lifeline)),
        pid_(server.owner == transport_internal::Self() ? server.pid : 0) {
    server.socket.Close();
    server.owner = 0;
  }
  ~Ended() {
    // The kernel kills the server, also one that this process may not signal any more.
    lifeline_.reset();
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    ReapChild(pid_);
  }
  Ended(const Ended&) = delete;
  Ended& operator=(const Ended&) = delete;

 private:
  std::unique_ptr<Lifeline> lifeline_;
  const pid_t pid_;
};

void Begin(Server& server, std::unique_ptr<Lifeline> lifeline) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    ThrowErrno(errno, "remoteobj: socketpair");
  }
  transport_internal::OwnDescriptor here(ends[0]), there(ends[1]);
  if (here.get() < 0 || there.get() < 0) ThrowErrno(errno, "remoteobj: socket of the fork server");
  const int on = 1;
  if (setsockopt(there.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    ThrowErrno(errno, "remoteobj: SO_PASSCRED for the fork server");
  }
  server.lifeline = std::move(lifeline);
  server.pid = SpawnThisProgram(kForkServerVariable, {there.get(), server.lifeline->fd()}, -1, -1);
  server.socket = std::move(here);
  server.identity = transport_internal::IdentityOf(server.pid);
  server.owner = transport_internal::Self();
  server.user = getuid();
}

// The server's side.

// Settings that are restored in its children: the limit of descriptors, the handling of SIGINT.
rlimit before_server{};
struct sigaction before_server_interrupt;

struct Child {
  pid_t pid;
  std::unique_ptr<SharedLog> log;
};

// Forks for a request, and returns the response.
std::int32_t Fork(std::int32_t redirected, std::vector<int> descriptors,
                  std::list<Child>& children) {
  const std::size_t streams = redirected != 0 ? 2 : 0;
  if (descriptors.size() < streams + 3) return -EINVAL;
  // Everything that may fail comes before the fork.
  const int memory = fcntl(descriptors[streams + 1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (memory < 0) return -errno;
  Child child{0, nullptr};
  try {
    child.log = std::make_unique<SharedLog>(memory, -1);
  } catch (const std::system_error& e) {
    return -e.code().value();
  }
  const pid_t pid = fork();
  if (pid == 0) {
    sigaction(SIGINT, &before_server_interrupt, nullptr);
    signal(SIGCHLD, SIG_DFL);
    ResetSignalsOfFork();
    if (before_server.rlim_max != 0) setrlimit(RLIMIT_NOFILE, &before_server);
    for (std::size_t i = 0; i < streams; ++i) {
      dup2(descriptors[i], i == 0 ? STDOUT_FILENO : STDERR_FILENO);
    }
    RunDispatched({descriptors.begin() + static_cast<std::ptrdiff_t>(streams), descriptors.end()});
  }
  if (pid < 0) return -errno;
  child.pid = pid;
  children.push_back(std::move(child));
  return pid;
}

bool Runs(pid_t pid) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

void TellEnd(Child& child) {
  const std::int64_t cpu_ms = absl::ToInt64Milliseconds(CpuTimeOf(child.pid));
  const ProcessEnd end = ReapChild(child.pid).value_or(ProcessEnd());
  std::uint32_t told = kExited | kSignalled;  // Both: not known.
  if (end.exit_code) told = kExited | static_cast<std::uint32_t>(*end.exit_code);
  if (end.signal) told = kSignalled | static_cast<std::uint32_t>(*end.signal);
  ControlOf(*child.log).cpu_ms.store(static_cast<std::uint32_t>(cpu_ms), std::memory_order_relaxed);
  std::atomic<std::uint32_t>& word = ControlOf(*child.log).end;
  word.store(told, std::memory_order_release);
  transport_internal::FutexWakeAll(word);
}

}  // namespace

Forked ForkByServer(const std::vector<int>& descriptors, int out, int err) {
  if (descriptors.size() > kMaxDescriptors) {
    ThrowErrno(E2BIG, "remoteobj: more shared memory than one process can be started with");
  }
  std::vector<int> sent;
  if (out >= 0) sent = {out, err};
  sent.insert(sent.end(), descriptors.begin(), descriptors.end());
  std::unique_ptr<Lifeline> lifeline;  // For a new server. Made and destroyed without the lock.
  for (bool failed = false;;) {
    {
      std::list<Ended> ended;  // Destroyed after the lock is released.
      const std::scoped_lock lock(transport_internal::ForkSafeMutex<ServerMutex>());
      Server& server = TheServer();
      const bool usable = server.owner == transport_internal::Self() && server.user == getuid() &&
                          server.socket.IsOurs();
      if (!usable) ended.emplace_back(server);
      if (!usable && lifeline != nullptr) Begin(server, std::move(lifeline));
      if (server.owner != 0) {
        std::int32_t answer = 0;
        std::vector<int> received;
        int error = SendMessage(server.socket.get(), out >= 0 ? 1 : 0, sent);
        if (error == 0) error = ReceiveMessage(server.socket.get(), &answer, &received);
        if (error == 0 && answer < 0) ThrowErrno(-answer, "remoteobj: fork in the fork server");
        if (error == EMFILE && answer > 0) {
          // The server still works, and reaps it.
          kill(answer, SIGKILL);
          ThrowErrno(EMFILE, "remoteobj: the descriptor of a process of the fork server");
        }
        if (error == 0 && received.size() <= 1) {
          return {answer, received.empty() ? -1 : received[0], server.identity};
        }
        ended.emplace_back(server);  // It has died.
        if (std::exchange(failed, true)) {
          ThrowErrno(error != 0 ? error : EPROTO, "remoteobj: the fork server");
        }
      }
    }
    lifeline = std::make_unique<Lifeline>();
  }
}

void RunForkServer(int socket, int lifeline) {
  EndWithParent(lifeline);
  const pid_t owner = getppid();
  prctl(PR_SET_NAME, "fork server");
  // Ctrl-C goes to the whole process group; the owner decides when to end.
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGINT, &ignore, &before_server_interrupt);
  // Only interrupts ppoll().
  struct sigaction interrupt{};
  interrupt.sa_handler = [](int) {};
  sigaction(SIGCHLD, &interrupt, nullptr);
  sigset_t ended, none;
  sigemptyset(&none);
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  sigprocmask(SIG_SETMASK, &ended, nullptr);
  // Each child uses two descriptors.
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    before_server = limit;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  std::list<Child> children;
  for (;;) {
    for (auto child = children.begin(); child != children.end();) {
      if (Runs(child->pid)) {
        ++child;
      } else {
        TellEnd(*child);
        child = children.erase(child);
      }
    }
    pollfd wait{socket, POLLIN, 0};
    if (ppoll(&wait, 1, nullptr, &none) <= 0) continue;
    std::int32_t redirected = 0;
    std::vector<int> descriptors;
    ucred sender{.pid = -1, .uid = static_cast<uid_t>(-1), .gid = static_cast<gid_t>(-1)};
    int error = ReceiveMessage(socket, &redirected, &descriptors, &sender);
    if (error != 0 && error != EMFILE) _exit(EXIT_SUCCESS);
    if (sender.pid != owner || sender.uid != getuid()) error = EPERM;
    const std::int32_t answer = error != 0 ? -error : Fork(redirected, descriptors, children);
    for (const int fd : descriptors) close(fd);
    const int pidfd = answer > 0 ? OpenPidfd(answer) : -1;
    SendMessage(socket, answer, pidfd >= 0 ? std::vector<int>{pidfd} : std::vector<int>{});
    if (pidfd >= 0) close(pidfd);
  }
}

std::optional<ProcessEnd> EndToldByServer(std::atomic<std::uint32_t>& end, Identity server,
                                          pid_t pid) {
  const Deadline deadline = Deadline::After(absl::Seconds(5));
  std::uint32_t told;
  while ((told = end.load(std::memory_order_acquire)) == 0) {
    // The server may have written it between the two loads.
    if ((deadline.expired() || !transport_internal::Alive(server)) &&
        end.load(std::memory_order_acquire) == 0) {
      return std::nullopt;
    }
    transport_internal::FutexWait(end, 0, absl::Milliseconds(20));
  }
  if ((told & kExited) != 0 && (told & kSignalled) != 0) return std::nullopt;
  return EndOf(pid, (told & kExited) != 0, static_cast<int>(told & 0xffff));
}

}  // namespace remoteobj::process_internal
