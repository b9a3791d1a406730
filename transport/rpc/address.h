// SPDX-License-Identifier: MIT
//
// The address of a server, as text and as its parts.
//
//   auto address = remoteobj::Address::Parse("tcp:[::1]:7000");
//   address.host();         // "::1"
//   address.IsLocalOnly();  // true: other machines can't connect
//
//   unix:PATH            a socket in the file system; its permissions say who may connect
//   unix-abstract:NAME   a name in the network namespace, without a file
//   tcp:HOST:PORT        HOST is an IPv4 address, an IPv6 address in brackets, or a host name;
//                        0 as PORT has the kernel choose one
//
// Threads:  an immutable value.
// Errors:   std::invalid_argument, which says what is wrong, and where in the text.
// Not here: sockets, and what a host name stands for. IPv6 addresses with a zone (fe80::1%eth0).
#ifndef REMOTEOBJ_TRANSPORT_RPC_ADDRESS_H_
#define REMOTEOBJ_TRANSPORT_RPC_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace remoteobj {

class Address {
 public:
  enum class Kind : std::uint8_t { kUnix, kUnixAbstract, kTcp };

  static Address Parse(std::string_view text);

  Kind kind() const { return kind_; }

  // For kUnix, the path; for kUnixAbstract, the name, without the zero byte that comes before it
  // in sun_path. Otherwise empty. Both fit into sun_path. A relative path is relative to the
  // working directory of the process that uses it.
  const std::string& path() const { return path_; }

  // For kTcp; otherwise empty and 0. IPv6 addresses have no brackets here, and their shortest form
  // (RFC 5952); host names are in lower case.
  const std::string& host() const { return host_; }
  std::uint16_t port() const { return port_; }

  // The same host, at the port that the kernel has chosen. REQUIRES: kind() is kTcp.
  Address WithPort(std::uint16_t port) const;

  // Returns true if no other machine can connect: Unix sockets, 127.0.0.0/8, ::1, localhost. The
  // only host name that counts is "localhost"; the code that resolves it checks the result.
  bool IsLocalOnly() const;

  // In the form that Parse() takes; Parse(ToString()) returns an equal address.
  std::string ToString() const;

  friend bool operator==(const Address&, const Address&) = default;

 private:
  Address() = default;

  Kind kind_ = Kind::kUnix;
  std::string path_;
  std::string host_;
  std::uint16_t port_ = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_ADDRESS_H_
