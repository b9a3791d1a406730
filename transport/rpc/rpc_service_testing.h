// SPDX-License-Identifier: MIT
//
// For tests of RPC servers: a service with one object, and a client that calls it.
//
// Threads:  a TestService is used in the loop of its server, its counters by any thread; a Witness
//           has a thread of its own.
#ifndef REMOTEOBJ_TRANSPORT_RPC_RPC_SERVICE_TESTING_H_
#define REMOTEOBJ_TRANSPORT_RPC_RPC_SERVICE_TESTING_H_

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/walk_testing.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {

// One object, which looks at all that it is sent, and says how much that was.
class Target final : public Referent {
 public:
  Target() : Referent(0, "Target") {}
  Channel& channel() override { throw std::logic_error("it is the server's"); }
};

class TestAnswer final : public RpcAnswer {
 public:
  TestAnswer(const RequestReader& request, std::atomic<int>& given_back) : given_back_(given_back) {
    OutcomeWriter outcome = Access::Outcome(outcome_);
    try {
      outcome.Value().UInt(Walk(request));
    } catch (const BadValue& e) {
      outcome.Error({.type = "remoteobj::BadValue", .message = e.what()});
    }
  }
  ~TestAnswer() override {
    if (!received_) ++given_back_;
  }
  bool ready() override { return true; }
  HeapMessage& outcome() override { return outcome_; }
  const std::vector<std::shared_ptr<Referent>>& references() override { return none_; }
  bool hands_over() override { return true; }
  void Received() override { received_ = true; }

 private:
  std::atomic<int>& given_back_;
  bool received_ = false;
  HeapMessage outcome_;
  const std::vector<std::shared_ptr<Referent>> none_;
};

class TestSession final : public RpcSession {
 public:
  TestSession(std::atomic<int>& sessions, std::atomic<int>& given_back)
      : sessions_(sessions), given_back_(given_back) {
    ++sessions_;
  }
  ~TestSession() override { --sessions_; }
  std::shared_ptr<Referent> Find(std::uint64_t id) override {
    if (id != 0) throw StaleReference(absl::StrCat("object ", id, " is gone"));
    return std::make_shared<Target>();
  }
  std::unique_ptr<RpcAnswer> Begin(const std::shared_ptr<Referent>&,
                                   std::unique_ptr<HeapMessage> request,
                                   std::function<void()>) override {
    In in = request->Read();
    return std::make_unique<TestAnswer>(RequestIn(in), given_back_);
  }
  std::unique_ptr<RpcAnswer> TryNow(const RequestReader& request) override {
    if (request.size() > 3) return nullptr;
    return std::make_unique<TestAnswer>(request, given_back_);
  }

 private:
  std::atomic<int>& sessions_;
  std::atomic<int>& given_back_;
};

class TestService final : public RpcService {
 public:
  std::unique_ptr<RpcSession> Connected(const PeerInfo& peer) override {
    last_peer = peer;
    return std::make_unique<TestSession>(sessions, given_back);
  }
  PeerInfo last_peer;  // Written in the loop.
  std::atomic<int> sessions{0};
  std::atomic<int> given_back{0};
};

// A client that means well, and calls all the time.
class Witness {
 public:
  explicit Witness(RpcClientOptions options) : client_(RpcClient::Connect(std::move(options))) {
    thread_ = std::thread([this] {
      while (!stop_) Call();
    });
  }
  ~Witness() {
    stop_ = true;
    thread_.join();
  }
  // Returns when it has been answered again.
  void AwaitAnswers() {
    const int before = answered_;
    remoteobj_testing::Eventually("others are served", [&] { return answered_ >= before + 3; });
  }
  int answered() const { return answered_; }
  int failures() const { return failures_; }
  // Between two calls.
  void Pause() {
    pause_ = true;
    remoteobj_testing::Eventually("the witness pauses", [&] { return paused_.load(); });
  }
  void GoOn() { pause_ = false; }

 private:
  void Call() {
    paused_ = pause_.load();
    if (paused_) return absl::SleepFor(absl::Milliseconds(1));
    try {
      const auto object = client_->Object(0, "Target", Deadline::After(absl::Seconds(60)));
      for (int i = 0; i < 10; ++i) {
        object->channel().Call(
            [](RequestWriter request) {
              request.Operations(1).Set(0, OperationKind::kCall, "hello", 0);
            },
            [](const OutcomeReader& outcome) { Decode<std::uint64_t>(outcome.Value()); },
            Deadline::After(absl::Seconds(60)));
        ++answered_;
      }
    } catch (const std::exception& e) {
      std::fprintf(stderr, "a call failed: %s\n", e.what());
      ++failures_;
    }
    absl::SleepFor(absl::Microseconds(200));
  }

  const std::shared_ptr<RpcClient> client_;
  std::atomic<bool> stop_{false}, pause_{false}, paused_{false};
  std::atomic<int> answered_{0}, failures_{0};
  std::thread thread_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_RPC_SERVICE_TESTING_H_
