// SPDX-License-Identifier: MIT
#include "remoteobj/manager/tests/in_process/clients_testing.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/local_channel.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {

namespace {

Registry With(absl::FunctionRef<void(Registry&)> add_types) {
  Registry registry;
  add_types(registry);
  return registry;
}

}  // namespace

// Its calls end soon after the client has died.
class ClientChannel final : public Channel {
 public:
  ClientChannel(TestClient& client, std::shared_ptr<Entry> entry)
      : client_(client),
        entry_(std::move(entry)),
        channel_(NewLocalChannel(client.server_.objects(), *entry_, client.id_)) {}

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    client_.Enter();
    struct Leaves {
      TestClient& client;
      ~Leaves() { client.Leave(); }
    } const leaves{client_};
    const std::unique_ptr<PendingCall> call = channel_->Start(write, deadline);
    for (;;) {
      {
        const absl::MutexLock lock(&client_.mutex_);
        if (client_.dead_) throw ClientDied();
      }
      try {
        const Deadline look = Deadline::After(absl::Milliseconds(2));
        return call->Finish(read, std::min(look, deadline));
      } catch (const DeadlineExceeded&) {
        if (deadline.expired()) throw;
      }
    }
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override {
    return channel_->Start(write, deadline);
  }
  bool listening() override { return true; }
  pid_t listener_pid() override { return getpid(); }
  bool listening_here() override { return false; }
  bool WaitUntilListening(Deadline) override { return true; }

 private:
  TestClient& client_;
  const std::shared_ptr<Entry> entry_;
  const std::unique_ptr<Channel> channel_;
};

namespace {

class ClientReferent final : public Referent {
 public:
  ClientReferent(TestClient& client, std::shared_ptr<Entry> entry)
      : Referent(entry->id(), entry->type()), channel_(client, std::move(entry)) {}
  Channel& channel() override { return channel_; }
  bool Same(const Referent& other) const override { return other.id() == id(); }

 private:
  ClientChannel channel_;
};

}  // namespace

// TestServer

TestServer::TestServer(absl::FunctionRef<void(Registry&)> add_types) : objects_(With(add_types)) {}

std::size_t TestServer::waiting() {
  std::size_t waiting = 0;
  const Proxy<Root> root{Reference{objects_.Find(0)}};
  for (const ObjectInfo& object : root->inspect().objects) waiting += object.waiting;
  return waiting;
}

void TestServer::AwaitWaiting(std::size_t count) {
  remoteobj_testing::Eventually(absl::StrCat(count, " calls wait"),
                                [&] { return waiting() == count; });
}

Reference TestServer::Create(std::string_view type_id, std::string_view type,
                             const AnyValue& arguments) {
  Reference made;
  arguments.Read(
      [&](const ValueReader& in) { made.referent = objects_.Make(type_id, type, in.AsList()); });
  return made;
}

// TestClient

TestClient::TestClient(TestServer& server) : server_(server), id_(server.objects().AddClient({})) {}

Reference TestClient::ReferenceTo(std::uint64_t id) {
  return {std::make_shared<ClientReferent>(*this, server_.objects().Find(id))};
}

Reference TestClient::Create(const std::string& type_id, const std::string& type,
                             const AnyValue& arguments) {
  const Proxy<Root> root(ReferenceTo(0));
  const Reference made = root->create(type_id, type, arguments);
  return ReferenceTo(made.referent->id());
}

std::unique_ptr<PendingCall> TestClient::StartOf(const Reference& object, WriteRequest write) {
  return object.referent->channel().Start(write, Deadline::Never());
}

void TestClient::Enter() {
  const absl::MutexLock lock(&mutex_);
  if (dead_) throw ClientDied();
  ++calls_;
}

void TestClient::Leave() {
  const absl::MutexLock lock(&mutex_);
  --calls_;
}

void TestClient::Kill() {
  const absl::MutexLock lock(&mutex_);
  dead_ = true;
}

void TestClient::Die() {
  Kill();
  {
    const absl::MutexLock lock(&mutex_);
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ == 0; };
    mutex_.Await(absl::Condition(&none));
    if (std::exchange(gone_, true)) return;
  }
  server_.objects().RemoveClient(id_);
}

}  // namespace remoteobj::manager_internal
