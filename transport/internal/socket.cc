// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
#include "remoteobj/transport/internal/loopback.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::transport_internal {
namespace {

// All sockets that are open. Held over a fork, so that the child sees it whole.
struct OpenSockets {
  std::mutex mutex;
  std::map<int, OwnDescriptor> fds;

  static OpenSockets& Get() {
    static OpenSockets* const sockets = [] {
      auto* made = new OpenSockets;
      pthread_atfork([] { Get().mutex.lock(); }, [] { Get().mutex.unlock(); },
                     [] {
                       Get().fds.clear();
                       Get().mutex.unlock();
                     });
      return made;
    }();
    return *sockets;
  }
};

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

std::vector<SocketAddress> Resolve(const Address& address, bool to_listen) {
  if (address.kind() != Address::Kind::kTcp) return {UnixAddress(address)};
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

Socket NewSocket(const SocketAddress& address) {
  const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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

// Whether the file of a unix socket is left over from a process that is gone.
bool IsLeftOver(const Address& address) {
  const SocketAddress to = UnixAddress(address);
  const Socket probe = NewSocket(to);
  return connect(probe.fd(), to.get(), to.size) != 0 && errno == ECONNREFUSED;
}

// Waits in slices, so that an interruption of this thread is noticed.
void Await(int fd, short events, Deadline deadline) {
  for (;;) {
    const absl::Duration left = deadline.left();
    if (left <= absl::ZeroDuration()) throw DeadlineExceeded("the connection did not come about");
    const absl::Duration slice =
        std::min(left, interruption == nullptr ? absl::Hours(1) : absl::Milliseconds(20));
    pollfd wait{fd, events, 0};
    const int ready = poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(slice)) + 1);
    if (ready > 0) return;
    InterruptionPoint();
  }
}

}  // namespace

Socket::Socket(int fd) : process_(getpid()) {
  OwnDescriptor own(fd);
  if (own.get() < 0) throw std::system_error(errno, std::generic_category(), "socket");
  fd_ = own.get();
  OpenSockets& open = OpenSockets::Get();
  const std::scoped_lock lock(open.mutex);
  OwnDescriptor& entry = open.fds[fd_];
  entry.Release();  // Of one that the program has closed.
  entry = std::move(own);
}

Socket::~Socket() {
  // In a forked child it is closed, and its number may be another's by now.
  if (fd_ < 0 || process_ != getpid()) return;
  OpenSockets& open = OpenSockets::Get();
  const std::scoped_lock lock(open.mutex);
  open.fds.erase(fd_);
}

Socket ListenAt(const Address& address, Address& bound) {
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
    SetTcpOptions(socket.fd());  // Those that are accepted have them, too.
  }
  if (bind(socket.fd(), at.get(), at.size) != 0) {
    if (errno != EADDRINUSE || address.kind() != Address::Kind::kUnix || !IsLeftOver(address)) {
      errno = errno == 0 ? EADDRINUSE : errno;
      Throw(address, "can't listen at");
    }
    unlink(address.path().c_str());
    if (bind(socket.fd(), at.get(), at.size) != 0) Throw(address, "can't listen at");
  }
  if (listen(socket.fd(), SOMAXCONN) != 0) Throw(address, "can't listen at");
  bound = address;
  if (address.kind() == Address::Kind::kTcp) {
    SocketAddress chosen;
    chosen.size = sizeof chosen.storage;
    getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&chosen.storage), &chosen.size);
    const in_port_t port = chosen.storage.ss_family == AF_INET6
                               ? reinterpret_cast<sockaddr_in6*>(&chosen.storage)->sin6_port
                               : reinterpret_cast<sockaddr_in*>(&chosen.storage)->sin_port;
    bound = address.WithPort(ntohs(port));
  }
  return socket;
}

Socket ConnectTo(const Address& address, Deadline deadline) {
  std::string why;
  for (const SocketAddress& to : Resolve(address, /*to_listen=*/false)) {
    Socket socket = NewSocket(to);
    if (address.kind() == Address::Kind::kTcp) SetTcpOptions(socket.fd());
    int error = 0;
    for (;;) {
      error = connect(socket.fd(), to.get(), to.size) == 0 ? 0 : errno;
      if (error != EAGAIN) break;
      // Of a unix socket: the listener's queue is full.
      if (deadline.expired()) throw DeadlineExceeded("the connection did not come about");
      absl::SleepFor(absl::Milliseconds(1));
      InterruptionPoint();
    }
    if (error == EINPROGRESS) {
      Await(socket.fd(), POLLOUT, deadline);
      socklen_t size = sizeof error;
      getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) return socket;
    why = std::generic_category().message(error);
  }
  throw NotListening(absl::StrCat("nobody listens at ", address.ToString(), ": ", why));
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

std::string NameOfPeer(int fd) {
  if (const auto credentials = CredentialsOf(fd)) return absl::StrCat("pid ", credentials->pid);
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  char host[NI_MAXHOST] = "?";
  char port[NI_MAXSERV] = "?";
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0) {
    getnameinfo(reinterpret_cast<sockaddr*>(&storage), size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
  }
  return absl::StrCat(host, ":", port);
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
    if (got <= 0) throw NotListening("the other side hung up before it had said who it is");
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

void WriteAll(int fd, std::span<const std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      Await(fd, POLLOUT, deadline);
      continue;
    }
    if (sent < 0) throw NotListening("the other side hung up before it had said who it is");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

Socket NewBell() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return Socket(fd);
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
