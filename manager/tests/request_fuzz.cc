// SPDX-License-Identifier: MIT
//
// Any requests to objects of all built-in types, from two clients, one of whom goes. Each byte of
// the input is a decision: who calls what, and with which values. Nothing but outcomes may come
// back, and nothing is left in the end.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "remoteobj/manager/server/built_in_types.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/testing/fuzz_input.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/walk_testing.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::In;
using transport_internal::OutcomeIn;
using transport_internal::RequestIn;
using transport_internal::RequestOn;
using transport_internal::Walk;

constexpr std::array<std::string_view, 14> kTypes = {
    "Dict",  "List",          "Set",     "Namespace",        "Value",
    "Array", "Lock",          "RLock",   "BoundedSemaphore", "Event",
    "Queue", "JoinableQueue", "Barrier", "Condition"};
constexpr std::string_view kMethods[] = {"abandoned",
                                         "abort",
                                         "acquire",
                                         "acted",
                                         "add",
                                         "append",
                                         "arrive",
                                         "back",
                                         "assign",
                                         "at",
                                         "broken",
                                         "chunk",
                                         "clear",
                                         "compare_exchange",
                                         "contains",
                                         "copy",
                                         "count",
                                         "create",
                                         "difference",
                                         "difference_update",
                                         "erase",
                                         "empty",
                                         "front",
                                         "exchange",
                                         "extend",
                                         "failed",
                                         "fill",
                                         "full",
                                         "get",
                                         "get_nowait",
                                         "get_or_create",
                                         "index",
                                         "insert",
                                         "insert_or_assign",
                                         "inspect",
                                         "intersection",
                                         "intersection_update",
                                         "is_set",
                                         "isdisjoint",
                                         "issubset",
                                         "issuperset",
                                         "items",
                                         "join",
                                         "keys",
                                         "locked",
                                         "merged",
                                         "n_waiting",
                                         "relayed",
                                         "keep",
                                         "answer",
                                         "close",
                                         "terminate",
                                         "names",
                                         "notify",
                                         "notify_all",
                                         "object_count",
                                         "parties",
                                         "ping",
                                         "pop",
                                         "popitem",
                                         "pop_back",
                                         "push_back",
                                         "publish",
                                         "put",
                                         "put_nowait",
                                         "release",
                                         "remove",
                                         "repeat",
                                         "reset",
                                         "reverse",
                                         "set",
                                         "setdefault",
                                         "shutdown",
                                         "size",
                                         "slice",
                                         "sort",
                                         "symmetric_difference",
                                         "take",
                                         "task_done",
                                         "to_string",
                                         "try_get",
                                         "try_put",
                                         "union_with",
                                         "unlock",
                                         "unpublish",
                                         "update",
                                         "values",
                                         "wait"};

using Decisions = remoteobj_testing::FuzzInput;

void WriteValue(Decisions& decide, ValueWriter out, int depth) {
  const auto number = [&] {
    return static_cast<std::int64_t>(static_cast<std::int8_t>(decide.Byte()));
  };
  switch (decide.Below(depth > 3 ? 8 : 11)) {
    case 0:
      return out.Null();
    case 1:
      return out.Bool(decide.Below(2) != 0);
    case 2:
      return out.Int(number());
    case 3:
      return out.Int(number() << (decide.Below(8) * 8));
    case 4:
      return out.Float(static_cast<double>(number()) / 3);
    case 5:
      return out.Text(kTypes[decide.Below(kTypes.size())]);
    case 6: {
      const std::size_t elements = decide.Below(4);
      const std::array<std::byte, 32> zero = {};
      return out.Array(ElementType::kInt64, std::span(zero).first(8 * elements));
    }
    case 7:
      return out.Object(decide.Below(20), kTypes[decide.Below(kTypes.size())]);
    case 8:
    case 9: {
      const std::size_t size = decide.Below(5);
      const ListWriter list = out.List(size);
      for (std::size_t i = 0; i < size; ++i) WriteValue(decide, list[i], depth + 1);
      return;
    }
    default: {
      const std::size_t size = decide.Below(4);
      const MapWriter map = out.Map(size);
      for (std::size_t i = 0; i < size; ++i) {
        WriteValue(decide, map.Key(i), depth + 1);
        WriteValue(decide, map.Value(i), depth + 1);
      }
    }
  }
}

std::unique_ptr<HeapMessage> NextRequest(Decisions& decide) {
  auto message = std::make_unique<HeapMessage>();
  if (decide.Below(16) == 0) {
    // Bytes that nobody has written as a request.
    const std::span<const std::uint8_t> bytes = decide.Some();
    const std::span<transport_internal::Word> words = message->Prepare(bytes.size() / 8 + 1);
    std::memcpy(words.data(), bytes.data(), bytes.size());
    return message;
  }
  const RequestWriter request = RequestOn(*message, Deadline::Never());
  request.SetTarget(decide.Below(kTypes.size() + 4));
  if (decide.Below(8) == 0) {
    const std::size_t count = decide.Below(4);
    const OperationsWriter operations = request.Operations(count);
    for (std::size_t i = 0; i < count; ++i) {
      operations.Set(i, static_cast<OperationKind>(decide.Below(14)),
                     kMethods[decide.Below(std::size(kMethods))], 0);
      const std::size_t arguments = decide.Below(3);
      const ListWriter list = operations.Arguments(i, arguments);
      for (std::size_t j = 0; j < arguments; ++j) WriteValue(decide, list[j], 0);
    }
    return message;
  }
  // Mostly one call; else a batch of some, each on the object of the request or on another.
  const std::size_t chains = decide.Below(4) == 0 ? 1 + decide.Below(4) : 1;
  request.SetThread(decide.Below(3));
  const OperationsWriter operations = request.Operations(3 * chains - 1);
  for (std::size_t chain = 0; chain < chains; ++chain) {
    const std::size_t at = 3 * chain;
    if (chain != 0) {
      operations.Set(at - 1, OperationKind::kNext, {}, 0);
      if (decide.Below(2) == 0) {
        operations.Arguments(at - 1, 1)[0].Object(decide.Below(kTypes.size() + 4), "");
      }
    }
    operations.Set(at, OperationKind::kGetAttribute, kMethods[decide.Below(std::size(kMethods))],
                   0);
    operations.Set(at + 1, OperationKind::kCall, {}, 0);
    const std::size_t arguments = decide.Below(5);
    const ListWriter list = operations.Arguments(at + 1, arguments);
    for (std::size_t i = 0; i < arguments; ++i) WriteValue(decide, list[i], 0);
  }
  return message;
}

Registry Types() {
  Registry types;
  AddBuiltInTypes(types);
  return types;
}

std::shared_ptr<Entry> Make(ObjectServer& server, std::string_view type) {
  HeapMessage message;
  const OperationsWriter operations = RequestOn(message, Deadline::Never()).Operations(1);
  operations.Set(0, OperationKind::kCall, {}, 0);
  if (type == "Value") {
    operations.Arguments(0, 1)[0].Int(1);
  } else if (type == "Barrier") {
    operations.Arguments(0, 1)[0].Int(2);
  } else if (type == "Dict" || type == "List" || type == "Set") {
    operations.Arguments(0, 1)[0].List(0);
  } else if (type == "Array") {
    operations.Arguments(0, 1)[0].Array(ElementType::kInt64, {});
  }
  In in = message.Read();
  return server.Make(type, type, RequestIn(in)[0].Arguments());
}

void Require(bool condition) {
  if (!condition) std::abort();
}

// A pool, by a call, as its type wants one; and the object that it relays calls to. They live as
// long as the calls.
std::vector<std::shared_ptr<Call>> MakePool(ObjectServer& server, ClientId client) {
  const auto call = [&](std::uint64_t target, std::string_view method, std::size_t arguments,
                        absl::FunctionRef<void(const ListWriter&)> write) {
    auto message = std::make_unique<HeapMessage>();
    const RequestWriter request = RequestOn(*message, Deadline::Never());
    request.SetTarget(target);
    const OperationsWriter operations = request.Operations(2);
    operations.Set(0, OperationKind::kGetAttribute, method, 0);
    operations.Set(1, OperationKind::kCall, {}, 0);
    write(operations.Arguments(1, arguments));
    return server.Begin(client, std::move(message), [] {});
  };
  auto made = call(0, "create", 3, [](const ListWriter& list) {
    list[0].Text("Pool");
    list[1].Text("Pool");
    const ListWriter pool = list[2].List(3);
    pool[0].Text("Worker");
    pool[1].UInt(2);
    pool[2].Text("Pool");  // The secret is a text that requests may have.
  });
  Require(made->references().size() == 1);
  auto relayed = call(made->references()[0]->id(), "relayed", 0, [](const ListWriter&) {});
  return {std::move(made), std::move(relayed)};
}

void LookAt(Call& call) {
  In in = call.outcome().Read();
  Walk(OutcomeIn(in));
}

void Try(Decisions decide) {
  ObjectServer server(Types());
  std::vector<std::shared_ptr<Entry>> objects;
  for (const std::string_view type : kTypes) {
    try {
      objects.push_back(Make(server, type));
    } catch (const BadValue&) {
    }
  }
  const std::array<ClientId, 2> clients = {server.AddClient({.pid = 1}),
                                           server.AddClient({.pid = 2})};
  std::vector<std::shared_ptr<Call>> pool = MakePool(server, clients[0]);
  // Calls that have not ended, and calls whose outcomes are not received yet.
  std::array<std::vector<std::shared_ptr<Call>>, 2> calls;
  bool gone = false;
  for (int steps = 0; !decide.over() && steps < 200; ++steps) {
    const std::size_t who = gone ? 0 : decide.Below(2);
    switch (decide.Below(8)) {
      case 0:
        if (!calls[who].empty()) {
          const std::shared_ptr<Call> call = std::move(calls[who].front());
          calls[who].erase(calls[who].begin());
          if (call->finished()) call->Received();
          call->Cancel();
        }
        break;
      case 1:
        if (steps % 8 == 7 && !gone) {
          for (const auto& call : calls[1]) call->Cancel();
          calls[1].clear();
          server.RemoveClient(clients[1]);
          gone = true;
        }
        server.RunTimeouts();
        break;
      case 2: {
        const std::unique_ptr<HeapMessage> message = NextRequest(decide);
        try {
          In in = message->Read();
          if (const auto call = server.TryNow(clients[who], RequestIn(in))) {
            LookAt(*call);
            if (decide.Below(2) == 0) call->Received();
          }
        } catch (const BadValue&) {
        }
        break;
      }
      default:
        try {
          const auto call = server.Begin(clients[who], NextRequest(decide), [] {});
          if (call->finished()) LookAt(*call);
          calls[who].push_back(call);
        } catch (const BadValue&) {
        } catch (const StaleReference&) {
        }
    }
  }
  for (auto& of_one : calls) {
    for (const auto& call : of_one) call->Cancel();
    of_one.clear();
  }
  pool.clear();
  for (const ClientId client : clients) server.RemoveClient(client);
  // Nobody waits anywhere.
  for (const auto& object : objects) {
    Require(object->shared() == nullptr || object->shared()->waiting() == 0);
  }
}

}  // namespace
}  // namespace remoteobj::manager_internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remoteobj::manager_internal::Try(remoteobj::manager_internal::Decisions(std::span(data, size)));
  return 0;
}
