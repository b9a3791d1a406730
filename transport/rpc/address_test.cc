// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/address.h"

#include <stdexcept>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace remoteobj {
namespace {

using Kind = Address::Kind;

TEST(AddressTest, UnixSockets) {
  const auto check = [](std::string_view text, Kind kind, std::string_view path) {
    SCOPED_TRACE(text);
    const Address address = Address::Parse(text);
    EXPECT_EQ(address.kind(), kind);
    EXPECT_EQ(address.path(), path);
    EXPECT_EQ(address.host(), "");
    EXPECT_EQ(address.port(), 0);
    EXPECT_EQ(address.ToString(), text);
    EXPECT_EQ(Address::Parse(address.ToString()), address);
    EXPECT_TRUE(address.IsLocalOnly());
  };
  check("unix:/run/a.sock", Kind::kUnix, "/run/a.sock");
  check("unix:a b:c", Kind::kUnix, "a b:c");
  check("unix:@a", Kind::kUnix, "@a");
  check("unix-abstract:a", Kind::kUnixAbstract, "a");
  check("unix-abstract:tcp:[::1]:0", Kind::kUnixAbstract, "tcp:[::1]:0");
  const std::string longest(107, 'x');
  check("unix:" + longest, Kind::kUnix, longest);
  check("unix-abstract:" + longest, Kind::kUnixAbstract, longest);
}

TEST(AddressTest, Tcp) {
  // `normal` is what ToString() makes of it.
  const auto check = [](std::string_view text, std::string_view host, int port, bool local,
                        std::string_view normal) {
    SCOPED_TRACE(text);
    const Address address = Address::Parse(text);
    EXPECT_EQ(address.kind(), Kind::kTcp);
    EXPECT_EQ(address.host(), host);
    EXPECT_EQ(address.port(), port);
    EXPECT_EQ(address.path(), "");
    EXPECT_EQ(address.IsLocalOnly(), local);
    EXPECT_EQ(address.ToString(), normal);
    EXPECT_EQ(Address::Parse(normal), address);
  };
  check("tcp:127.0.0.1:80", "127.0.0.1", 80, true, "tcp:127.0.0.1:80");
  check("tcp:127.255.3.4:65535", "127.255.3.4", 65535, true, "tcp:127.255.3.4:65535");
  check("tcp:128.0.0.1:0", "128.0.0.1", 0, false, "tcp:128.0.0.1:0");
  check("tcp:0.0.0.0:00080", "0.0.0.0", 80, false, "tcp:0.0.0.0:80");
  check("tcp:1.0.0.127:80", "1.0.0.127", 80, false, "tcp:1.0.0.127:80");

  check("tcp:[::1]:80", "::1", 80, true, "tcp:[::1]:80");
  check("tcp:[0:0::0:1]:80", "::1", 80, true, "tcp:[::1]:80");
  check("tcp:[::]:80", "::", 80, false, "tcp:[::]:80");
  check("tcp:[2001:DB8::1]:80", "2001:db8::1", 80, false, "tcp:[2001:db8::1]:80");
  check("tcp:[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, true, "tcp:[::ffff:127.0.0.1]:80");
  check("tcp:[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, false, "tcp:[::ffff:10.0.0.1]:80");

  check("tcp:localhost:80", "localhost", 80, true, "tcp:localhost:80");
  check("tcp:LocalHost.:80", "localhost.", 80, true, "tcp:localhost.:80");
  check("tcp:a.localhost:80", "a.localhost", 80, false, "tcp:a.localhost:80");
  check("tcp:localhost.example:80", "localhost.example", 80, false, "tcp:localhost.example:80");
  check("tcp:127.0.0.1.example:80", "127.0.0.1.example", 80, false, "tcp:127.0.0.1.example:80");
  check("tcp:my_host-1.example.org.:1", "my_host-1.example.org.", 1, false,
        "tcp:my_host-1.example.org.:1");
}

TEST(AddressTest, OnlyItsPortIsExchanged) {
  const Address address = Address::Parse("tcp:[::1]:0");
  EXPECT_EQ(address.WithPort(7000), Address::Parse("tcp:[::1]:7000"));
  EXPECT_NE(address.WithPort(7000), address);
  EXPECT_THROW(Address::Parse("unix:a").WithPort(1), std::invalid_argument);
}

TEST(AddressTest, WhatIsWrongAndWhere) {
  const auto check = [](const std::string& text, int byte, const std::string& problem) {
    SCOPED_TRACE(text);
    try {
      Address::Parse(text);
      ADD_FAILURE() << "was taken";
    } catch (const std::invalid_argument& e) {
      EXPECT_EQ(e.what(), "bad address '" + absl::CHexEscape(text) + "': at byte " +
                              std::to_string(byte) + ", " + problem);
    }
  };
  const std::string kinds = "it must begin with 'unix:', 'unix-abstract:' or 'tcp:'";
  check("", 1, kinds);
  check("tcp", 1, kinds);
  check("Unix:a", 1, kinds);
  check("/run/a.sock", 1, kinds);
  check("http://a:80", 1, kinds);

  const std::string too_long(108, 'x');
  const std::string limit = "has 108 bytes; sun_path, the kernel's field for it, has room for 107";
  check("unix:", 6, "the path is empty");
  check(std::string("unix:a\0b", 8), 7, "the path has a zero byte");
  check("unix:" + too_long, 6, "the path " + limit);
  check("unix-abstract:", 15, "the name is empty");
  check("unix-abstract:" + too_long, 15, "the name " + limit);

  check("tcp:a", 6, "':' and a port must follow the host");
  check("tcp:[::1]", 10, "':' and a port must follow the host");
  check("tcp:[::1]80", 10, "':' and a port must follow the host");
  check("tcp:a:", 7, "the port is empty");
  check("tcp:a:+1", 7, "the port '+1' is not a number");
  check("tcp:a:8 ", 7, "the port '8 ' is not a number");
  check("tcp:a:65536", 7, "the port '65536' is more than 65535");
  check("tcp:a:18446744073709551617", 7, "the port '18446744073709551617' is more than 65535");

  check("tcp:::1:80", 5, "an IPv6 address must be in brackets");
  check("tcp:[::1", 5, "the bracket is never closed");
  check("tcp:[]:1", 6, "'' is not an IPv6 address");
  check("tcp:[a]:1", 6, "'a' is not an IPv6 address");
  check("tcp:[127.0.0.1]:1", 6, "'127.0.0.1' is not an IPv6 address");
  check("tcp:[fe80::1%lo]:1", 6, "'fe80::1%lo' is not an IPv6 address");
  check(std::string("tcp:[::1\0]:1", 12), 6, "'::1\\x00' is not an IPv6 address");

  check("tcp:127.1:1", 5, "'127.1' is not an IPv4 address");
  check("tcp:256.0.0.1:1", 5, "'256.0.0.1' is not an IPv4 address");
  check("tcp:127.0.0.1.:1", 5, "'127.0.0.1.' is not an IPv4 address");
  check("tcp:0X7F000001:1", 5, "'0x7f000001' is not an IPv4 address");
  check("tcp:1:1", 5, "'1' is not an IPv4 address");

  const std::string all = "for all of this machine's interfaces write 0.0.0.0 or [::]";
  const std::string bytes = "a host name has only letters, digits, '-', '_', '.'";
  check("tcp:", 5, "the host is empty; " + all);
  check("tcp::80", 5, "the host is empty; " + all);
  check("tcp:*:80", 5, bytes);
  check("tcp:a b:1", 6, bytes);
  check("tcp:\xc3\xa4:1", 5, bytes);
  check(std::string("tcp:a\0:1", 8), 6, bytes);
  check("tcp:.:1", 5, "a part of the host name is empty");
  check("tcp:a..:1", 7, "a part of the host name is empty");
  check("tcp:a..b:1", 7, "a part of the host name is empty");
  check("tcp:a-.b:1", 5, "a part of a host name neither begins nor ends with '-'");
  check("tcp:a." + std::string(64, 'x') + ":1", 7,
        "a part of the host name has more than 63 bytes");
  std::string name;
  for (int i = 0; i < 127; ++i) name += "x.";
  check("tcp:" + name + "y:1", 5, "the host name has 255 bytes; at most 253 are possible");
}

}  // namespace
}  // namespace remoteobj
