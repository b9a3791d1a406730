// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/manager_service.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::PeerInfo;
using transport_internal::RpcAnswer;
using transport_internal::RpcSession;

class Answer final : public RpcAnswer {
 public:
  explicit Answer(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  ~Answer() override { call_->Cancel(); }
  bool ready() override { return call_->finished(); }
  HeapMessage& outcome() override { return call_->outcome(); }
  const std::vector<std::shared_ptr<Referent>>& references() override {
    return call_->references();
  }
  void Sent() override { call_->Sent(); }
  bool hands_over() override { return call_->hands_over(); }
  void Received() override { call_->Received(); }
  void Refuse() override { call_->Refuse(); }

 private:
  const std::shared_ptr<Call> call_;
};

ClientInfo InfoOf(const PeerInfo& peer) {
  return {.pid = peer.pid,
          .address = peer.address,
          .uid = peer.uid ? std::int64_t{*peer.uid} : -1,
          .key = peer.key_name,
          .certificate_names = peer.certificate_names};
}

class ManagerSession final : public RpcSession {
 public:
  ManagerSession(ObjectServer& server, const PeerInfo& peer)
      : server_(server),
        client_(server.AddClient(InfoOf(peer))),
        messages_(server.ChargeTo(client_, &Account::message_bytes, 0)) {}
  ~ManagerSession() override { server_.RemoveClient(client_); }

  std::shared_ptr<Referent> Find(std::uint64_t id) override { return server_.FindFor(client_, id); }
  std::shared_ptr<void> ChargeKept() override {
    return std::make_shared<Charge>(server_.ChargeTo(client_, &Account::kept));
  }
  void TakeBytes(std::size_t bytes) override { messages_.Grow(bytes); }
  void ReturnBytes(std::size_t bytes) override { messages_.Shrink(bytes); }
  std::unique_ptr<RpcAnswer> Begin(const std::shared_ptr<Referent>& object,
                                   std::unique_ptr<HeapMessage> request,
                                   std::function<void()> done) override {
    return std::make_unique<Answer>(server_.Begin(client_, std::static_pointer_cast<Entry>(object),
                                                  std::move(request), std::move(done)));
  }
  std::unique_ptr<RpcAnswer> TryNow(const RequestReader& request) override {
    std::shared_ptr<Call> call = server_.TryNow(client_, request);
    return call == nullptr ? nullptr : std::make_unique<Answer>(std::move(call));
  }

 private:
  ObjectServer& server_;
  const ClientId client_;
  Charge messages_;
};

}  // namespace

std::unique_ptr<RpcSession> ManagerService::Connected(const PeerInfo& peer) {
  return std::make_unique<ManagerSession>(server_, peer);
}

bool ManagerService::MayConnect(const PeerInfo& peer) { return server_.MayConnect(InfoOf(peer)); }

}  // namespace remoteobj::manager_internal
