// SPDX-License-Identifier: MIT
//
// A manager's objects and any number of its clients in one process: for tests of what objects do,
// and of what happens when clients wait, give up, and die.
//
//   TestServer server(AddSyncTypes);
//   TestClient a(server), b(server);
//   const Lock lock = a.Make<Lock>();
//   lock->acquire();
//   Begun<bool> waiting = b.Begin<bool>(lock, "acquire", absl::InfiniteDuration());
//   a.Die();
//   EXPECT_TRUE(waiting.Get());
//
//   auto d = server.Make<Dict<std::string, int>>({{"a", 1}});     // used without a client
//
// Threads:  thread-safe, except for constructors and destructors.
// Lifetime: a server outlives its clients, a client its proxies and calls.
#ifndef REMOTEOBJ_MANAGER_TESTS_IN_PROCESS_CLIENTS_TESTING_H_
#define REMOTEOBJ_MANAGER_TESTS_IN_PROCESS_CLIENTS_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/internal/receive.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

// Thrown by a call of a client that has died.
class ClientDied : public std::runtime_error {
 public:
  ClientDied() : runtime_error("this client has died") {}
};

class TestServer {
 public:
  explicit TestServer(absl::FunctionRef<void(Registry&)> add_types);

  ObjectServer& objects() { return objects_; }
  // The number of waiting calls.
  std::size_t waiting();
  // Returns when that many calls wait.
  void AwaitWaiting(std::size_t count);

  template <typename T>
  T Make() {
    return New<T>(T::Arguments());
  }
  // A template, so that the contents can be in braces.
  template <typename T, typename Contents = typename T::Contents>
  T Make(const Contents& contents) {
    return New<T>(T::Arguments(contents));
  }
  Reference Find(std::uint64_t id) { return {objects_.Find(id)}; }
  // With arguments that need not be right.
  Reference Create(std::string_view type_id, std::string_view type, const AnyValue& arguments);

 private:
  template <typename T>
  T New(const AnyValue& arguments) {
    return T(Create(T::kTypeId, T::Type(), arguments));
  }

  ObjectServer objects_;
};

// A call that was begun, and waits for its outcome nowhere. Destroying it gives it up.
template <typename R>
class Begun {
 public:
  explicit Begun(std::unique_ptr<PendingCall> call) : call_(std::move(call)) {}

  bool ready() const { return call_->ready(); }
  R Get() {
    return proxy_internal::Receive<R>(
        [&](ReadOutcome read) { call_->Finish(read, Deadline::Never()); });
  }
  void GiveUp() { call_.reset(); }

 private:
  std::unique_ptr<PendingCall> call_;
};

// A process that has connected, as far as the server can see.
class TestClient {
 public:
  explicit TestClient(TestServer& server);
  ~TestClient() { Die(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  // A new object. Proxies among the arguments are those of any client.
  template <typename T, typename... A>
  T Make(const A&... arguments) {
    return T(Create(std::string(T::kTypeId), T::Type(), AnyValue([&](ValueWriter out) {
                      [[maybe_unused]] const ListWriter list = out.List(sizeof...(A));
                      std::size_t i = 0;
                      (Encode<A>(arguments, list[i++]), ...);
                    })));
  }
  // The object of another client's proxy.
  template <typename T>
  T Get(const T& proxy) {
    return T(ReferenceTo(proxy.referent()->id()));
  }

  // Calls as the thread of that number in the client's process.
  template <typename R, typename... A>
  Begun<R> BeginAs(std::uint32_t thread, const SharedProxyBase& proxy, std::string_view method,
                   const A&... arguments) {
    const Reference here = ReferenceTo(proxy.referent()->id());
    return Begun<R>(StartOf(here, [&](RequestWriter request) {
      request.SetThread(thread);
      const OperationsWriter operations = request.Operations(2);
      operations.Set(0, OperationKind::kGetAttribute, method, 0);
      operations.Set(1, OperationKind::kCall, {}, 0);
      if constexpr (sizeof...(A) != 0) {
        transport_internal::EncodeArguments<A...>(operations.Arguments(1, sizeof...(A)), 0,
                                                  arguments...);
      }
    }));
  }

  template <typename R, typename... A>
  Begun<R> Begin(const SharedProxyBase& proxy, std::string_view method, const A&... arguments) {
    return BeginAs<R>(proxy_internal::CallingThread(), proxy, method, arguments...);
  }

  // Its calls end, as do its later ones, with ClientDied. The server does not know yet.
  void Kill();
  // Kills it, and tells the server when no thread is in a call any more. Calls that were begun are
  // given up before, unless the server is to learn of it later.
  void Die();

 private:
  friend class ClientChannel;

  Reference ReferenceTo(std::uint64_t id);
  Reference Create(const std::string& type_id, const std::string& type, const AnyValue& arguments);
  std::unique_ptr<PendingCall> StartOf(const Reference& object, WriteRequest write);
  void Enter();
  void Leave();

  TestServer& server_;
  const ClientId id_;
  absl::Mutex mutex_;
  bool dead_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Expects that f() throws an E with `message` in its message.
template <typename E, typename F>
void ExpectThrows(F f, const std::string& message) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown, not even: " << message;
  } catch (const E& e) {
    EXPECT_NE(std::string(e.what()).find(message), std::string::npos) << e.what();
  }
}

// Calls f(0) to f(799), on four threads.
template <typename F>
void InFourThreads(F f) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&f, t] {
      for (int i = 0; i < 200; ++i) f(200 * t + i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_TESTS_IN_PROCESS_CLIENTS_TESTING_H_
