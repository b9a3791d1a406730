// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/rpc/internal/loopback.h"
#include "remoteobj/transport/rpc/internal/network.h"

namespace remoteobj::transport_internal {
namespace {

// All sockets that are open. Guarded by ForkSafeMutex<OpenSocketsMutex>().
struct OpenSocketsMutex;
std::map<int, OwnDescriptor>& OpenSockets() {
  return MadeOnce([] { return new std::map<int, OwnDescriptor>; });
}
[[maybe_unused]] const int closed_in_child =
    pthread_atfork(nullptr, nullptr, [] { OpenSockets().clear(); });

[[noreturn]] void Throw(const Address& address, const char* what) {
  throw std::system_error(errno, std::generic_category(),
                          absl::StrCat(what, " ", address.ToString()));
}

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

bool IsOnLoopback(const SocketAddress& at) {
  return at.storage.ss_family == AF_INET6
             ? IsLoopback(reinterpret_cast<const sockaddr_in6*>(&at.storage)->sin6_addr)
             : IsLoopback(reinterpret_cast<const sockaddr_in*>(&at.storage)->sin_addr);
}

std::uint16_t PortOf(const SocketAddress& at) {
  return ntohs(at.storage.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&at.storage)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&at.storage)->sin_port);
}

// REQUIRES: a unix address, whose path fits.
SocketAddress UnixAddress(const Address& address) {
  SocketAddress to;
  auto* un = reinterpret_cast<sockaddr_un*>(&to.storage);
  un->sun_family = AF_UNIX;
  const bool abstract = address.kind() == Address::Kind::kUnixAbstract;
  std::memcpy(un->sun_path + (abstract ? 1 : 0), address.path().data(), address.path().size());
  to.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path().size() + 1);
  return to;
}

// For a TCP address without a host name, other than localhost.
std::optional<SocketAddress> IpAddress(const Address& address) {
  SocketAddress to;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&to.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&to.storage);
  const bool is_localhost = address.host() == "localhost" || address.host() == "localhost.";
  const std::string host = is_localhost ? "127.0.0.1" : address.host();
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port());
    to.size = sizeof *v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port());
    to.size = sizeof *v6;
  } else {
    return std::nullopt;
  }
  return to;
}

std::vector<SocketAddress> Resolve(const Address& address, bool to_listen) {
  if (address.kind() != Address::Kind::kTcp) return {UnixAddress(address)};
  // Without getaddrinfo where there is nothing to look up: it takes locks, which a forked child may
  // find taken for good.
  if (const auto known = IpAddress(address)) return {*known};
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(address.host().c_str(), std::to_string(address.port()).c_str(), &hints, &found);
  if (error != 0) {
    throw NotListening(
        absl::StrCat("the host of ", address.ToString(), " is not known: ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    SocketAddress& one = addresses.emplace_back();
    std::memcpy(&one.storage, at->ai_addr, at->ai_addrlen);
    one.size = at->ai_addrlen;
  }
  return addresses;
}

constexpr int kSocketType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

Socket NewSocket(const SocketAddress& address) {
  const int fd = socket(address.storage.ss_family, kSocketType, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
  return Socket(fd);
}

// A peer that is gone without a word is noticed within about a minute.
void SetTcpOptions(int fd) {
  const auto set = [fd](int level, int name, int value) {
    setsockopt(fd, level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 20);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
}

// Held while a socket's file is looked at, removed and made, so that of several servers which begin
// at one path at the same time each sees what the others have done. The lock is that of the
// directory, which leaves no file behind. Another process may hold it for long: then this goes on
// without it.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == path.npos ? "." : path.substr(0, slash + 1);
    const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    directory_ = Socket(fd);
    constexpr int kMostTries = 2000;
    for (int i = 0; i < kMostTries && flock(directory_.fd(), LOCK_EX | LOCK_NB) != 0; ++i) {
      if (errno != EWOULDBLOCK && errno != EINTR) return;
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  // Closing is not enough: a child that another thread forks may have a copy for a moment.
  ~DirectoryLock() {
    if (directory_.fd() >= 0) flock(directory_.fd(), LOCK_UN);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  Socket directory_;
};

// Returns true if the file of a unix socket is left over from a process that is gone.
bool IsLeftOver(const Address& address) {
  const SocketAddress to = UnixAddress(address);
  const Socket probe = NewSocket(to);
  return connect(probe.fd(), to.get(), to.size) != 0 && errno == ECONNREFUSED;
}

bool IsSameFile(const struct stat& a, dev_t device, ino_t inode) {
  return a.st_dev == device && a.st_ino == inode;
}

// Removes the file at which bind() has found the path taken, if it is left over. REQUIRES: the
// directory is locked.
void RemoveLeftOver(const Address& address) {
  const char* const path = address.path().c_str();
  struct stat found = {};
  if (lstat(path, &found) != 0) return;  // It is gone: bind() tells.
  if (!S_ISSOCK(found.st_mode)) {
    errno = EADDRINUSE;
    Throw(address,
          "a file that is no socket is in the way: remove it, or choose another path than");
  }
  struct stat again = {};
  if (!IsLeftOver(address) || lstat(path, &again) != 0 ||
      !IsSameFile(again, found.st_dev, found.st_ino)) {
    errno = EADDRINUSE;
    Throw(address, "another process listens at");
  }
  unlink(path);
}

// Waits in slices, so that an interruption of this thread is noticed. Returns false at the
// deadline.
bool Await(std::span<pollfd> waits, Deadline deadline) {
  for (;;) {
    const absl::Duration left = deadline.left();
    if (left <= absl::ZeroDuration()) return false;
    const absl::Duration slice =
        std::min(left, interruption == nullptr ? absl::Hours(1) : absl::Milliseconds(20));
    const int ready =
        poll(waits.data(), waits.size(), static_cast<int>(absl::ToInt64Milliseconds(slice)) + 1);
    if (ready > 0) return true;
    InterruptionPoint();
  }
}
void Await(int fd, short events, Deadline deadline) {
  pollfd wait{fd, events, 0};
  if (!Await({&wait, 1}, deadline))
    throw DeadlineExceeded("the peer did not answer the handshake in time");
}

}  // namespace

Socket::Socket(int fd) : process_(getpid()) {
  OwnDescriptor own(fd);
  if (own.get() < 0) throw std::system_error(errno, std::generic_category(), "socket");
  fd_ = own.get();
  const std::scoped_lock lock(ForkSafeMutex<OpenSocketsMutex>());
  OwnDescriptor& entry = OpenSockets()[fd_];
  entry.Release();  // The program has closed it.
  entry = std::move(own);
}

Socket::~Socket() {
  // In a forked child it is closed, and its number may be another descriptor's.
  if (fd_ < 0 || process_ != getpid()) return;
  const std::scoped_lock lock(ForkSafeMutex<OpenSocketsMutex>());
  OpenSockets().erase(fd_);
}

SocketFile::SocketFile(std::string path) : path_(std::move(path)) {
  struct stat now = {};
  if (lstat(path_.c_str(), &now) != 0) path_.clear();
  device_ = now.st_dev;
  inode_ = now.st_ino;
}

void SocketFile::Remove() {
  if (path_.empty()) return;
  const DirectoryLock lock(path_);
  struct stat now = {};
  if (lstat(path_.c_str(), &now) == 0 && IsSameFile(now, device_, inode_)) unlink(path_.c_str());
  path_.clear();
}

Address AbsoluteAddress(const Address& address) {
  if (address.kind() != Address::Kind::kUnix || address.path().starts_with('/')) return address;
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  if (error) return address;
  const std::string path = (here / address.path()).string();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) return address;
  return Address::Parse("unix:" + path);
}

Socket ListenAt(const Address& address, Address& bound, SocketFile& file) {
  const SocketAddress at = Resolve(address, /*to_listen=*/true).front();
  // A name is believed only if this machine has it, too.
  if (address.kind() == Address::Kind::kTcp && address.IsLocalOnly() && !IsOnLoopback(at)) {
    throw std::invalid_argument(
        absl::StrCat(address.ToString(), " is not a loopback address on this machine"));
  }
  Socket socket = NewSocket(at);
  const int on = 1;
  if (address.kind() == Address::Kind::kTcp) {
    setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    SetTcpOptions(socket.fd());  // Accepted sockets inherit them.
  }
  std::optional<DirectoryLock> lock;
  if (address.kind() == Address::Kind::kUnix) lock.emplace(address.path());
  if (bind(socket.fd(), at.get(), at.size) != 0) {
    if (errno != EADDRINUSE || !lock) Throw(address, "can't listen at");
    RemoveLeftOver(address);
    if (bind(socket.fd(), at.get(), at.size) != 0) Throw(address, "can't listen at");
  }
  if (lock) file = SocketFile(address.path());
  if (listen(socket.fd(), SOMAXCONN) != 0) Throw(address, "can't listen at");
  bound = address;
  if (address.kind() == Address::Kind::kTcp) {
    SocketAddress chosen;
    chosen.size = sizeof chosen.storage;
    getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&chosen.storage), &chosen.size);
    bound = address.WithPort(PortOf(chosen));
  }
  return socket;
}

namespace {

[[noreturn]] void ThrowLate(const Address& address) {
  throw DeadlineExceeded(
      absl::StrCat("no connection to ", address.ToString(), " came about in time"));
}

Socket ConnectToUnix(const Address& address, Deadline deadline) {
  const SocketAddress to = UnixAddress(address);
  Socket socket = NewSocket(to);
  while (connect(socket.fd(), to.get(), to.size) != 0) {
    if (errno != EAGAIN) {
      std::string why = std::generic_category().message(errno);
      if (errno == ECONNREFUSED && address.kind() == Address::Kind::kUnixAbstract) {
        why +=
            "; a name that is no file is known in one network namespace only: for clients in "
            "another, use an address such as unix:/run/name";
      }
      throw NotListening(absl::StrCat("no server listens at ", address.ToString(), ": ", why));
    }
    // The listener's queue is full.
    if (deadline.expired()) ThrowLate(address);
    absl::SleepFor(absl::Milliseconds(1));
    InterruptionPoint();
  }
  return socket;
}

}  // namespace

Socket ConnectTo(const Address& address, Deadline deadline) {
  if (address.kind() != Address::Kind::kTcp) return ConnectToUnix(address, deadline);
  // One that does not answer must not take the time of the next.
  constexpr absl::Duration kHeadStart = absl::Milliseconds(250);
  const std::vector<SocketAddress> addresses = Resolve(address, /*to_listen=*/false);
  std::vector<Socket> under_way;
  std::string why;
  Deadline next_start = Deadline::Passed();
  for (auto next = addresses.begin();;) {
    if (next != addresses.end() && (under_way.empty() || next_start.expired())) {
      const SocketAddress& to = *next++;
      const int fd = socket(to.storage.ss_family, kSocketType, 0);
      if (fd < 0) {  // For example on a machine without IPv6.
        why = std::generic_category().message(errno);
        continue;
      }
      Socket socket(fd);
      SetTcpOptions(socket.fd());
      if (connect(socket.fd(), to.get(), to.size) == 0) return socket;
      if (errno == EINPROGRESS) {
        under_way.push_back(std::move(socket));
        next_start = Deadline::After(kHeadStart);
      } else {
        why = std::generic_category().message(errno);
      }
      continue;
    }
    if (under_way.empty()) break;
    std::vector<pollfd> waits;
    for (const Socket& socket : under_way) waits.push_back({socket.fd(), POLLOUT, 0});
    if (!Await(waits, next == addresses.end() ? deadline : std::min(deadline, next_start))) {
      if (deadline.expired()) ThrowLate(address);
      continue;
    }
    for (std::size_t i = waits.size(); i-- > 0;) {
      if (waits[i].revents == 0) continue;
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(waits[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error == 0) return std::move(under_way[i]);
      why = std::generic_category().message(error);
      under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  throw NotListening(absl::StrCat("no server listens at ", address.ToString(), ": ", why));
}

std::optional<PeerCredentials> CredentialsOf(int fd) {
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  int domain = 0;
  socklen_t domain_size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) != 0 || domain != AF_UNIX ||
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return std::nullopt;
  }
  return PeerCredentials{credentials.pid, credentials.uid};
}

namespace {

std::string HostOf(const SocketAddress& at) {
  char host[INET6_ADDRSTRLEN] = "?";
  const bool v6 = at.storage.ss_family == AF_INET6;
  inet_ntop(
      at.storage.ss_family,
      v6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(&at.storage)->sin6_addr)
         : &reinterpret_cast<const sockaddr_in*>(&at.storage)->sin_addr,
      host, sizeof host);
  return host;
}

// Returns false for a peer that has hung up.
bool FindPeer(int fd, SocketAddress& at) {
  at.size = sizeof at.storage;
  return getpeername(fd, reinterpret_cast<sockaddr*>(&at.storage), &at.size) == 0;
}

}  // namespace

std::string NameOfPeer(int fd) {
  if (const auto credentials = CredentialsOf(fd)) return absl::StrCat("pid ", credentials->pid);
  SocketAddress at;
  if (!FindPeer(fd, at)) return "?";
  return absl::StrCat(HostOf(at), ":", PortOf(at));
}

std::string NetworkOfPeer(int fd) {
  SocketAddress at;
  if (!FindPeer(fd, at)) return "?";
  return NetworkOf(HostOf(at));
}

void ReadAll(int fd, std::span<std::byte> out, Deadline deadline, std::vector<int>* descriptors) {
  while (!out.empty()) {
    constexpr std::size_t kMostDescriptors = 4;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostDescriptors)];
    iovec part{out.data(), out.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptors != nullptr) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
    }
    const ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      Await(fd, POLLIN, deadline);
      continue;
    }
    if (got <= 0) throw NotListening("the peer closed the connection during the handshake");
    for (cmsghdr* header = descriptors == nullptr ? nullptr : CMSG_FIRSTHDR(&message);
         header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int received;
        std::memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof received);
        descriptors->push_back(AboveStandardStreams(received));
      }
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

std::size_t ReadSome(int fd, std::span<std::byte> out, Deadline deadline) {
  for (;;) {
    const ssize_t got = recv(fd, out.data(), out.size(), 0);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      throw NotListening("the peer closed the connection during the handshake");
    }
    Await(fd, POLLIN, deadline);
  }
}

void WriteAll(int fd, std::span<const std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      Await(fd, POLLOUT, deadline);
      continue;
    }
    if (sent < 0) throw NotListening("the peer closed the connection during the handshake");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

Socket NewBell() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return Socket(fd);
}

std::array<Socket, 2> NewBellBetweenPrograms() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  return {Socket(ends[0]), Socket(ends[1])};
}

void RingBell(int bell) {
  const std::uint64_t one = 1;
  // It can only fail where it has been rung already.
  [[maybe_unused]] const ssize_t written = write(bell, &one, sizeof one);
}

void HearBell(int bell) {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t got = read(bell, &count, sizeof count);
}

void SendWithDescriptors(int fd, std::span<const std::byte> bytes,
                         std::span<const int> descriptors) {
  std::vector<std::max_align_t> control(
      CMSG_SPACE(descriptors.size_bytes()) / sizeof(std::max_align_t) + 1);
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(sent < 0 ? errno : EMSGSIZE, std::generic_category(), "sendmsg");
  }
}

}  // namespace remoteobj::transport_internal
