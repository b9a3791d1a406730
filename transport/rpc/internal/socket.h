// SPDX-License-Identifier: MIT
//
// Sockets of an Address, non-blocking, and not inherited: neither by exec nor by fork.
//
// If a forked child kept a copy of a socket, it would stay open when its owner dies, and the peer
// would not notice the death. So the child closes its copies, in a handler of pthread_atfork.
//
// Threads:  thread-safe, a Socket as an int.
// Errors:   std::system_error, which names the address; NotListening where no server does.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_SOCKET_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_SOCKET_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/rpc/address.h"

namespace remoteobj::transport_internal {

class Socket {
 public:
  Socket() = default;
  // Takes the descriptor.
  explicit Socket(int fd);
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), process_(other.process_) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(process_, other.process_);
    return *this;
  }

  // -1 if there is none; in a forked child the number means nothing.
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  pid_t process_ = 0;  // The process that has it.
};

// The file of a unix socket that this process has bound.
class SocketFile {
 public:
  SocketFile() = default;
  // Notes which file is there now. REQUIRES: the caller has bound a socket to that path.
  explicit SocketFile(std::string path);

  // Removes it, unless another has taken its place. Does nothing the second time.
  void Remove();

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// A unix address with its path from the root, so that it means the same in every directory.
// Unchanged if it is absolute already, or would have no room in a socket address then.
Address AbsoluteAddress(const Address& address);

// Listens. A left-over file of a unix socket is replaced; any other file at the
// path is an error, as is a process that listens there. `bound` becomes the address with the port
// that the kernel chose; `file` that of a unix socket.
Socket ListenAt(const Address& address, Address& bound, SocketFile& file);

// "localhost" is 127.0.0.1, whatever else the system's files say: another user could listen at the
// port of its other address, [::1]. If a host name has several addresses, the first that answers
// counts: each has a quarter of a second before the next one is tried, too. Throws NotListening if
// no server listens there, DeadlineExceeded if it does not come about in time.
Socket ConnectTo(const Address& address, Deadline deadline);

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
};
// The peer of a unix socket; empty for others.
std::optional<PeerCredentials> CredentialsOf(int fd);
// "127.0.0.1:4711", or "pid 123".
std::string NameOfPeer(int fd);
// The machine at the other end of a connection by TCP, as NetworkOf() (network.h) names it.
std::string NetworkOfPeer(int fd);

// Reads or writes all of it, waiting as long as it takes. Throws DeadlineExceeded; NotListening at
// the end of the stream. Descriptors that come along are added to `descriptors`.
void ReadAll(int fd, std::span<std::byte> out, Deadline deadline, std::vector<int>* descriptors);
void WriteAll(int fd, std::span<const std::byte> bytes, Deadline deadline);
// Reads what there is, at least a byte. Throws as ReadAll().
std::size_t ReadSome(int fd, std::span<std::byte> out, Deadline deadline);

// An eventfd, by which one thread wakes another that polls: rung any number of times, it is
// readable until it is heard. Throws std::system_error.
Socket NewBell();
void RingBell(int bell);
void HearBell(int bell);
// The two ends of a bell between programs that need not trust each other: RingSocket(),
// HearSocket() of bell.h. Throws std::system_error.
std::array<Socket, 2> NewBellBetweenPrograms();

// Sends a message so short that it fits, with descriptors. Throws std::system_error.
void SendWithDescriptors(int fd, std::span<const std::byte> bytes,
                         std::span<const int> descriptors);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_SOCKET_H_
