// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/remote_object.h"

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::transport_internal {
namespace {

class SocketCall;

// Timeout of a liveness ping.
constexpr absl::Duration kPing = absl::Seconds(5);

// Its capability belongs to one connection. On another connection it is asked for again by number.
class RemoteObject final : public Referent, public Channel {
 public:
  RemoteObject(std::shared_ptr<RpcClient> client, std::uint64_t id, std::string type,
               std::shared_ptr<RpcConnection> connection, Handle handle)
      : Referent(id, std::move(type)),
        client_(std::move(client)),
        server_(connection->server().id),
        connection_(std::move(connection)),
        handle_(handle) {}
  ~RemoteObject() override { connection_->Release(handle_); }

  using Referent::SetType;

  Channel& channel() override { return *this; }
  bool Same(const Referent& other) const override {
    const auto* remote = dynamic_cast<const RemoteObject*>(&other);
    return remote != nullptr && remote->id() == id() && remote->server_ == server_;
  }
  void SendToProcess(ValueWriter out) const override {
    client_->SendToProcess(id(), type(), server_, out);
  }
  const RpcClient& client() const { return *client_; }

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override;
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override;

  bool listening() override { return client_->Ping(Deadline::After(kPing)); }
  pid_t listener_pid() override { return listening() ? client_->server_pid() : 0; }
  bool listening_here() override { return false; }
  bool WaitUntilListening(Deadline deadline) override;

 private:
  // Calls through shared memory. Returns false if the call was not evaluated and must use the
  // socket.
  bool CallShared(WriteRequest write, ReadOutcome read, Deadline deadline);
  // Writes a request for the socket.
  std::unique_ptr<SocketCall> Prepare(WriteRequest write, Deadline deadline);

  // The largest request, without what the protocol adds to it.
  std::size_t MostBytes() const { return client_->options().max_message_bytes - kFrameBytes; }

  // Its connection and capability; connects again if the connection was lost.
  std::pair<std::shared_ptr<RpcConnection>, Handle> Place(Deadline deadline);

  const std::shared_ptr<RpcClient> client_;
  const HelloId server_;  // The server process that has the object.
  // Guarded by ForkSafeMutex<Connections>().
  std::shared_ptr<RpcConnection> connection_;
  Handle handle_;
  // Calls that have to wait are refused in shared memory. After each refusal in a row the next
  // 2^n-1 calls use the socket at once.
  std::atomic<int> refusals_{0};
  std::atomic<int> skip_{0};
};

// Collects the objects that a request refers to, which must live until the call ends.
class RequestAttachments final : public Attachments {
 public:
  // `shared`: the request is written in place, in a slot of shared memory.
  RequestAttachments(const std::shared_ptr<RpcClient>& client, bool shared)
      : client_(client), shared_(shared) {}
  void Send(std::shared_ptr<Referent> referent) override {
    const auto object = std::dynamic_pointer_cast<RemoteObject>(referent);
    if (object == nullptr || &object->client() != client_.get()) {
      throw BadValue("a reference to an object of another server");
    }
    kept_.push_back(std::move(referent));
  }
  std::shared_ptr<Referent> Offer(std::string_view type,
                                  const std::shared_ptr<Channel>& channel) override {
    const OfferObject offer = client_->options().offer_object;
    if (offer == nullptr) return Attachments::Offer(type, channel);
    // To offer it takes calls of their own, during which no slot may be held.
    if (shared_) throw GoAnotherWay();
    return offer(client_, type, channel);
  }
  std::vector<std::shared_ptr<Referent>> Kept() { return std::move(kept_); }

 private:
  const std::shared_ptr<RpcClient>& client_;
  const bool shared_;
  std::vector<std::shared_ptr<Referent>> kept_;
};

// The objects that an outcome refers to. Objects that are not decoded are released.
class OutcomeAttachments final : public Attachments {
 public:
  OutcomeAttachments(const std::shared_ptr<RpcClient>& client,
                     const std::shared_ptr<RpcConnection>& connection,
                     const std::vector<std::pair<std::uint64_t, Handle>>& references) {
    for (const auto& [id, handle] : references) {
      objects_.emplace(id, std::make_shared<RemoteObject>(client, id, "", connection, handle));
    }
  }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view type) override {
    const auto at = objects_.find(id);
    if (at == objects_.end()) throw BadValue("a reference without its object");
    at->second->SetType(type);
    return at->second;
  }

 private:
  std::unordered_map<std::uint64_t, std::shared_ptr<RemoteObject>> objects_;
};

// The objects that an outcome in shared memory refers to: asks for a capability of each.
class SharedAttachments final : public Attachments {
 public:
  SharedAttachments(const std::shared_ptr<RpcClient>& client,
                    const std::shared_ptr<RpcConnection>& connection, Deadline deadline)
      : client_(client), connection_(connection), deadline_(deadline) {}
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view type) override {
    return std::make_shared<RemoteObject>(client_, id, std::string(type), connection_,
                                          connection_->Find(id, deadline_));
  }

 private:
  const std::shared_ptr<RpcClient>& client_;
  const std::shared_ptr<RpcConnection>& connection_;
  const Deadline deadline_;
};

// A call that uses the socket.
class SocketCall final : public PendingCall {
 public:
  SocketCall(std::shared_ptr<RpcClient> client, std::shared_ptr<RpcConnection> connection,
             std::shared_ptr<Exchange> exchange, std::vector<std::shared_ptr<Referent>> kept)
      : client_(std::move(client)),
        connection_(std::move(connection)),
        exchange_(std::move(exchange)),
        kept_(std::move(kept)) {}
  ~SocketCall() override {
    if (exchange_ == nullptr) return;
    connection_->GiveUp(exchange_);
    // In a forked child a thread of the parent may have been writing to it at the fork: leaked.
    if (!connection_->of_this_process()) new std::shared_ptr<Exchange>(std::move(exchange_));
  }

  // Sends it without waiting for the outcome.
  void Start() {
    started_ = true;
    connection_->Start(exchange_);
  }
  bool ready() override { return exchange_ == nullptr || connection_->ready(*exchange_); }

  void Finish(ReadOutcome read, Deadline deadline) override {
    if (exchange_ == nullptr) throw std::logic_error("this call was finished already");
    if (started_) {
      connection_->Finish(*exchange_, deadline);
    } else {
      connection_->Call(exchange_, deadline);
    }
    const std::shared_ptr<Exchange> exchange = std::exchange(exchange_, nullptr);
    {
      OutcomeAttachments attachments(client_, connection_, exchange->references);
      exchange->references.clear();
      In in = exchange->outcome.Read();
      in.attachments = &attachments;
      try {
        read(OutcomeIn(in));
      } catch (...) {
        // The outcome was not read, or it is an error of the object, which hands nothing over.
        if (exchange->receipt) connection_->GiveUp(exchange);
        throw;
      }
    }
    if (exchange->receipt) connection_->Received(*exchange->receipt);
  }

 private:
  const std::shared_ptr<RpcClient> client_;
  const std::shared_ptr<RpcConnection> connection_;
  std::shared_ptr<Exchange> exchange_;
  const std::vector<std::shared_ptr<Referent>> kept_;  // The objects that the request refers to.
  bool started_ = false;
};

void RemoteObject::Call(WriteRequest write, ReadOutcome read, Deadline deadline) {
  if (CallShared(write, read, deadline)) return;
  Prepare(write, deadline)->Finish(read, deadline);
}

std::pair<std::shared_ptr<RpcConnection>, Handle> RemoteObject::Place(Deadline deadline) {
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    if (connection_->usable()) return {connection_, handle_};
  }
  std::shared_ptr<RpcConnection> connection = client_->Connection();
  if (id() != 0) connection->CheckServer(server_, id());
  Handle handle = connection->Find(id(), deadline);
  std::pair<std::shared_ptr<RpcConnection>, Handle> place;
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    if (!connection_->usable()) {
      connection_.swap(connection);
      std::swap(handle_, handle);
      return {connection_, handle_};
    }
    place = {connection_, handle_};
  }
  // Another thread has replaced the connection in the meantime.
  if (place != std::pair(connection, handle)) connection->Release(handle);
  return place;
}

bool RemoteObject::CallShared(WriteRequest write, ReadOutcome read, Deadline deadline) {
  int skip = skip_.load(std::memory_order_relaxed);
  if (skip > 0) {
    skip_.store(skip - 1, std::memory_order_relaxed);
    return false;
  }
  const std::shared_ptr<RpcConnection> connection = Place(deadline).first;
  Channel* const shared = connection->shared();
  if (shared == nullptr) return false;
  bool answered = false;
  try {
    shared->Call(
        [&](RequestWriter request) {
          RequestAttachments attachments(client_, /*shared=*/true);
          Out& out = Access::OutOf(request);
          const Attaching attaching(out, attachments);
          out.LimitTo(MostBytes());
          request.SetTarget(id());
          write(request);
        },
        [&](const OutcomeReader& outcome) {
          answered = true;
          SharedAttachments attachments(client_, connection, deadline);
          Access::InOf(outcome).attachments = &attachments;
          read(outcome);
        },
        deadline);
  } catch (const GoAnotherWay&) {
    const int refusals = std::min(refusals_.fetch_add(1, std::memory_order_relaxed) + 1, 6);
    skip_.store((1 << refusals) - 1, std::memory_order_relaxed);
    return false;
  } catch (const PolledNotListening&) {
    connection->Flush();
    return false;  // The server closes or is gone: the socket tells which.
  } catch (const ListenerDied&) {
    if (!answered) connection->Flush();  // It learns that the connection is lost.
    throw;
  }
  refusals_.store(0, std::memory_order_relaxed);
  return true;
}

std::unique_ptr<SocketCall> RemoteObject::Prepare(WriteRequest write, Deadline deadline) {
  auto exchange = std::make_shared<Exchange>();
  exchange->deadline = deadline;
  std::vector<std::shared_ptr<Referent>> kept;
  {
    RequestAttachments attachments(client_, /*shared=*/false);
    const Attaching attaching(exchange->request, attachments);
    exchange->request.LimitTo(MostBytes());
    const RequestWriter request = RequestOn(exchange->request, deadline);
    request.SetTarget(id());
    write(request);
    kept = attachments.Kept();
  }
  if (deadline.expired()) throw DeadlineExceeded("the call was not sent in time");
  auto [connection, handle] = Place(deadline);
  exchange->object = handle;
  exchange->number = connection->NewNumber();
  return std::make_unique<SocketCall>(client_, std::move(connection), std::move(exchange),
                                      std::move(kept));
}

std::unique_ptr<PendingCall> RemoteObject::Start(WriteRequest write, Deadline deadline) {
  std::unique_ptr<SocketCall> call = Prepare(write, deadline);
  call->Start();
  return call;
}

bool RemoteObject::WaitUntilListening(Deadline deadline) {
  for (;;) {
    try {
      client_->Connection();
      return true;
    } catch (const NotListening&) {
    }
    if (deadline.expired()) return false;
    absl::SleepFor(absl::Milliseconds(10));
    InterruptionPoint();
  }
}

}  // namespace

std::shared_ptr<Referent> MakeRemoteObject(std::shared_ptr<RpcClient> client, std::uint64_t id,
                                           std::string type,
                                           std::shared_ptr<RpcConnection> connection,
                                           Handle handle) {
  return std::make_shared<RemoteObject>(std::move(client), id, std::move(type),
                                        std::move(connection), handle);
}

void WriteForServer(const std::shared_ptr<RpcClient>& client,
                    absl::FunctionRef<void(Attachments&)> write) {
  RequestAttachments attachments(client, /*shared=*/false);
  write(attachments);
}

}  // namespace remoteobj::transport_internal
