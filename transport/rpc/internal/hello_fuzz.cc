// SPDX-License-Identifier: MIT
//
// Any bytes as a greeting, an answer, a reply; and honest ones with any bytes changed. Nobody gets
// in who does not have the key, and nobody whose messages were changed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/hello.h"

namespace remoteobj::transport_internal {
namespace {

using Input = std::span<const std::uint8_t>;

HelloOptions Options(bool key) {
  HelloOptions options;
  if (key) options.key = "a key of the fuzz target";
  return options;
}

// The input in place of a message, as far as it goes.
template <typename Message>
Message Replaced(Message message, Input input) {
  const std::size_t size = std::min(message.size(), input.size());
  std::transform(input.begin(), input.begin() + size, message.begin(),
                 [](std::uint8_t byte) { return std::byte{byte}; });
  return message;
}

template <typename Message>
Message Changed(Message message, Input input) {
  const std::size_t size = std::min(message.size(), input.size());
  for (std::size_t i = 0; i < size; ++i) message[i] ^= std::byte{input[i]};
  return message;
}

// Returns true if the client says that it is connected; it throws only the errors that it may.
template <typename Talk>
bool IsIn(Talk&& talk) {
  try {
    talk();
    return true;
  } catch (const AuthenticationError&) {
    return false;
  } catch (const ConnectionRefused&) {
    return false;
  } catch (const NotListening&) {  // A reply that says that the server is busy.
    return false;
  }
}

void Require(bool condition) {
  if (!condition) std::abort();
}

// `change` is what happens to message number `which` on its way.
template <typename Change>
void Meet(bool key, int which, Change&& change) {
  ServerHello server(Options(key));
  ClientHello client(Options(key));
  bool changed = false, server_accepts = false;
  const auto pass = [&](int number, const auto& message) {
    if (number != which) return message;
    const auto result = change(message);
    changed = result != message;
    return result;
  };
  const bool client_is_in = IsIn([&] {
    const HelloGreeting greeting = pass(0, server.Greeting());
    const HelloAnswer answer = pass(1, client.Answer(greeting));
    const ServerHello::Verdict verdict = server.Check(answer);
    server_accepts = verdict.accepted();
    client.Finish(pass(2, verdict.reply));
  });
  Require(client_is_in == !changed);
  Require(server_accepts == (!changed || which == 2));
}

}  // namespace
}  // namespace remoteobj::transport_internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace remoteobj::transport_internal;
  const Input input(data, size);
  for (const bool key : {false, true}) {
    for (int which = 0; which < 3; ++which) {
      Meet(key, which, [&](auto message) { return Replaced(message, input); });
      Meet(key, which, [&](auto message) { return Changed(message, input); });
    }
  }
  return 0;
}
