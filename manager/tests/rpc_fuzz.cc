// SPDX-License-Identifier: MIT
//
// Any bytes as what a client says to a manager once it is let in. The manager serves them, hangs up
// or waits for more; when the client has gone it serves the next.
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/manager/server/built_in_types.h"
#include "remoteobj/manager/server/manager_service.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/rpc_server.h"
#include "remoteobj/transport/rpc/internal/socket.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::ClientHello;
using transport_internal::ConnectTo;
using transport_internal::HelloGreeting;
using transport_internal::HelloReply;
using transport_internal::ReadAll;
using transport_internal::RpcClient;
using transport_internal::RpcServer;
using transport_internal::Socket;
using transport_internal::WriteAll;

Registry Types() {
  Registry types;
  AddBuiltInTypes(types);
  return types;
}

// One for each input, so that an input does the same each time.
class Manager {
 public:
  Manager() : thread_([this] { rpc_.Run(); }) {}
  ~Manager() {
    rpc_.Stop();
    thread_.join();
  }
  const Address& address() const { return rpc_.address(); }

 private:
  ObjectServer server_{Types()};
  ManagerService service_{server_};
  RpcServer rpc_{
      service_,
      {.address = Address::Parse(absl::StrCat("unix-abstract:remoteobj-fuzz-", getpid())),
       .max_message_bytes = 1 << 20}};
  std::thread thread_;
};

void Say(const Address& address, std::span<const std::byte> bytes) {
  const Deadline deadline = Deadline::After(absl::Minutes(1));
  const Socket socket = ConnectTo(address, deadline);
  ClientHello hello({});
  HelloGreeting greeting;
  ReadAll(socket.fd(), greeting, deadline, nullptr);
  WriteAll(socket.fd(), hello.Answer(greeting), deadline);
  HelloReply reply;
  ReadAll(socket.fd(), reply, deadline, nullptr);
  hello.Finish(reply);
  try {
    WriteAll(socket.fd(), bytes, deadline);
  } catch (const NotListening&) {
    return;
  }
  shutdown(socket.fd(), SHUT_WR);
  for (;;) {
    pollfd wait{socket.fd(), POLLIN, 0};
    poll(&wait, 1, -1);
    std::array<char, 4096> answer;
    const ssize_t got = read(socket.fd(), answer.data(), answer.size());
    if (got == 0 || (got < 0 && errno != EAGAIN)) return;
  }
}

}  // namespace
}  // namespace remoteobj::manager_internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace remoteobj::manager_internal;
  Manager manager;
  Say(manager.address(), std::as_bytes(std::span(data, size)));
  if (!RpcClient::Connect({.address = manager.address()})
           ->Ping(remoteobj::Deadline::After(absl::Minutes(1)))) {
    std::abort();
  }
  return 0;
}
