// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "remoteobj/transport/rpc/internal/loopback.h"

namespace remoteobj {
namespace {

// A path needs a zero byte after it, an abstract name one before it.
constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kMaxHost = 253;  // RFC 1035, as text.
constexpr std::size_t kMaxLabel = 63;

std::string Quoted(std::string_view text) {
  return "'" + absl::CHexEscape(std::string(text)) + "'";
}

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

std::string_view WithoutLastDot(std::string_view host) {
  return host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
}

// A part of a text, which knows where it is for the sake of error messages.
struct Part {
  std::string_view all;
  std::string_view text;

  Part From(std::size_t begin, std::size_t count = std::string_view::npos) const {
    return {all, text.substr(begin, count)};
  }
  [[noreturn]] void Bad(const std::string& problem) const {
    throw std::invalid_argument("bad address " + Quoted(all) + ": at byte " +
                                std::to_string(text.data() - all.data() + 1) + ", " + problem);
  }
};

std::string ParsePath(const Part& path, const std::string& what) {
  if (path.text.empty()) path.Bad("the " + what + " is empty");
  if (const auto zero = path.text.find('\0'); zero != path.text.npos) {
    path.From(zero).Bad("the " + what + " has a zero byte");
  }
  if (path.text.size() > kMaxPath) {
    path.Bad("the " + what + " has " + std::to_string(path.text.size()) +
             " bytes; sun_path, the kernel's field for it, has room for " +
             std::to_string(kMaxPath));
  }
  return std::string(path.text);
}

std::uint16_t ParsePort(const Part& port) {
  if (port.text.empty()) port.Bad("the port is empty");
  if (!AllDigits(port.text)) port.Bad("the port " + Quoted(port.text) + " is not a number");
  std::uint16_t number;
  const char* const end = port.text.data() + port.text.size();
  if (std::from_chars(port.text.data(), end, number).ec != std::errc()) {
    port.Bad("the port " + Quoted(port.text) + " is more than 65535");
  }
  return number;
}

std::optional<in_addr> IPv4(const std::string& host) {
  in_addr address;
  if (inet_pton(AF_INET, host.c_str(), &address) != 1) return std::nullopt;
  return address;
}

std::optional<in6_addr> IPv6(const std::string& host) {
  in6_addr address;
  if (inet_pton(AF_INET6, host.c_str(), &address) != 1) return std::nullopt;
  return address;
}

std::string ParseIPv6(const Part& host) {
  // inet_pton would not look behind a zero byte.
  const bool zero = host.text.find('\0') != host.text.npos;
  const auto address = zero ? std::nullopt : IPv6(std::string(host.text));
  if (!address) host.Bad(Quoted(host.text) + " is not an IPv6 address");
  char shortest[INET6_ADDRSTRLEN];
  return inet_ntop(AF_INET6, &*address, shortest, sizeof(shortest));
}

// Resolvers take these for IPv4 addresses, also incomplete, octal or hexadecimal ones ("127.1",
// "0x7f000001"). So no host name ends so.
bool EndsInNumber(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return AllDigits(last) || last.starts_with("0x");
}

bool IsNameByte(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

void CheckLabel(const Part& label) {
  const std::string_view text = label.text;
  if (text.empty()) label.Bad("a part of the host name is empty");
  if (text.size() > kMaxLabel) label.Bad("a part of the host name has more than 63 bytes");
  if (text.starts_with('-') || text.ends_with('-')) {
    label.Bad("a part of a host name neither begins nor ends with '-'");
  }
}

void CheckLabels(const Part& host) {
  const std::string_view labels = WithoutLastDot(host.text);
  if (labels.size() > kMaxHost) {
    host.Bad("the host name has " + std::to_string(labels.size()) + " bytes; at most " +
             std::to_string(kMaxHost) + " are possible");
  }
  std::size_t begin = 0, end = 0;
  do {
    end = std::min(labels.find('.', begin), labels.size());
    CheckLabel(host.From(begin, end - begin));
    begin = end + 1;
  } while (end < labels.size());
}

// A host name, or an IPv4 address.
std::string ParseName(const Part& host) {
  if (host.text.empty()) {
    host.Bad("the host is empty; for all of this machine's interfaces write 0.0.0.0 or [::]");
  }
  if (host.text.find(':') != host.text.npos) host.Bad("an IPv6 address must be in brackets");
  const auto odd = std::find_if_not(host.text.begin(), host.text.end(),
                                    [](char c) { return IsNameByte(c) || c == '.'; });
  if (odd != host.text.end()) {
    host.From(odd - host.text.begin()).Bad("a host name has only letters, digits, '-', '_', '.'");
  }
  const std::string name = absl::AsciiStrToLower(std::string(host.text));
  if (IPv4(name)) return name;
  CheckLabels(host);
  if (EndsInNumber(WithoutLastDot(name))) host.Bad(Quoted(name) + " is not an IPv4 address");
  return name;
}

}  // namespace

Address Address::Parse(std::string_view text) {
  const Part all{text, text};
  const std::size_t colon = text.find(':');
  const std::string_view scheme = text.substr(0, colon);
  const bool known = scheme == "unix" || scheme == "unix-abstract" || scheme == "tcp";
  if (!known || colon == text.npos) {
    all.Bad("it must begin with 'unix:', 'unix-abstract:' or 'tcp:'");
  }
  const Part rest = all.From(colon + 1);

  Address address;
  if (scheme != "tcp") {
    const bool abstract = scheme == "unix-abstract";
    address.kind_ = abstract ? Kind::kUnixAbstract : Kind::kUnix;
    address.path_ = ParsePath(rest, abstract ? "name" : "path");
    return address;
  }
  address.kind_ = Kind::kTcp;
  const bool brackets = rest.text.starts_with('[');
  const std::size_t close = rest.text.find(']');
  if (brackets && close == rest.text.npos) rest.Bad("the bracket is never closed");
  const std::size_t end = brackets ? close + 1 : std::min(rest.text.rfind(':'), rest.text.size());
  address.host_ = brackets ? ParseIPv6(rest.From(1, close - 1)) : ParseName(rest.From(0, end));
  if (end >= rest.text.size() || rest.text[end] != ':') {
    rest.From(end).Bad("':' and a port must follow the host");
  }
  address.port_ = ParsePort(rest.From(end + 1));
  return address;
}

Address Address::WithPort(std::uint16_t port) const {
  if (kind_ != Kind::kTcp) throw std::invalid_argument(ToString() + " is not TCP: it has no port");
  Address result = *this;
  result.port_ = port;
  return result;
}

bool Address::IsLocalOnly() const {
  if (kind_ != Kind::kTcp) return true;
  if (const auto address = IPv4(host_)) return transport_internal::IsLoopback(*address);
  if (const auto address = IPv6(host_)) return transport_internal::IsLoopback(*address);
  return WithoutLastDot(host_) == "localhost";
}

std::string Address::ToString() const {
  if (kind_ == Kind::kUnix) return "unix:" + path_;
  if (kind_ == Kind::kUnixAbstract) return "unix-abstract:" + path_;
  const bool brackets = host_.find(':') != host_.npos;
  return "tcp:" + (brackets ? "[" + host_ + "]" : host_) + ":" + std::to_string(port_);
}

}  // namespace remoteobj
