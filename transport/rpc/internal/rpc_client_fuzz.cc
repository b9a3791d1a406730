// SPDX-License-Identifier: MIT
//
// Any bytes as what a server says to a client that it has let in. Each call of the client returns,
// or throws one of the errors of a channel, no later than its deadline.
//
// The input is a list of messages to send, each with a byte before it: its length in words.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/wire/internal/walk_testing.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {
namespace {

// A server that does the handshake, says the bytes to each client, and hangs up.
class Imposter {
 public:
  explicit Imposter(std::span<const std::uint8_t> input)
      : listening_(Listen()), input_(input), thread_([this] { Run(); }) {}
  ~Imposter() {
    stop_ = true;
    shutdown(listening_.fd(), SHUT_RDWR);
    thread_.join();
  }
  const Address& address() const { return bound_; }

 private:
  Socket Listen() {
    SocketFile file;
    return ListenAt(Address::Parse(absl::StrCat("unix-abstract:remoteobj-imposter-", getpid())),
                    bound_, file);
  }

  void Run() {
    while (!stop_) {
      pollfd wait{listening_.fd(), POLLIN, 0};
      poll(&wait, 1, -1);
      const int fd = accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) continue;
      const Socket client(fd);
      try {
        Serve(client.fd());
      } catch (const CallError&) {  // The client has hung up.
      }
    }
  }

  void Serve(int client) {
    const Deadline deadline = Deadline::After(absl::Minutes(1));
    ServerHello hello({});
    WriteAll(client, hello.Greeting(), deadline);
    HelloAnswer answer;
    ReadAll(client, answer, deadline, nullptr);
    WriteAll(client, hello.Check(answer).reply, deadline);
    for (std::span<const std::uint8_t> left = input_; !left.empty();) {
      if (left.front() != 0) Hear(client, 5);
      const std::size_t size = std::min<std::size_t>(8 * left.front(), left.size() - 1);
      WriteAll(client, std::as_bytes(left.subspan(1, size)), deadline);
      left = left.subspan(1 + size);
    }
    Hear(client, 5);
  }

  // Reads what the client says.
  static void Hear(int client, int milliseconds) {
    pollfd wait{client, POLLIN, 0};
    if (poll(&wait, 1, milliseconds) <= 0) return;
    std::array<char, 4096> bytes;
    [[maybe_unused]] const ssize_t got = read(client, bytes.data(), bytes.size());
  }

  Address bound_ = Address::Parse("unix-abstract:any");
  const Socket listening_;
  const std::span<const std::uint8_t> input_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

template <typename Action>
void OrError(Action action) {
  try {
    action();
  } catch (const CallError&) {
  }
}

void Call(RpcClient& client, std::uint64_t id) {
  const Deadline deadline = Deadline::After(absl::Milliseconds(100));
  const auto object = client.Object(id, "Target", deadline);
  const auto write = [](RequestWriter request) {
    request.Operations(1).Set(0, OperationKind::kCall, "method", 0);
  };
  const auto read = [](const OutcomeReader& outcome) { Walk(outcome); };
  auto pending = object->channel().Start(write, deadline);
  OrError([&] { object->channel().Call(write, read, deadline); });
  pending->Finish(read, deadline);
}

}  // namespace
}  // namespace remoteobj::transport_internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace remoteobj::transport_internal;
  Imposter imposter({data, size});
  const auto client = std::make_shared<RpcClient>(RpcClientOptions{
      .address = imposter.address(), .max_message_bytes = 1 << 20, .shared_memory = false});
  OrError([&] { Call(*client, 0); });
  OrError([&] { Call(*client, 7); });
  OrError([&] { client->Ping(remoteobj::Deadline::After(absl::Milliseconds(100))); });
  return 0;
}
