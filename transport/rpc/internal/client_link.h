// SPDX-License-Identifier: MIT
//
// The state of one client in the server: its session and its unanswered calls. Capabilities and
// calls may outlive their connection by a turn of the loop; they hold the link, which then is
// closed.
//
// Threads: used in the loop only.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CLIENT_LINK_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CLIENT_LINK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "kj/async.h"
#include "kj/debug.h"
#include "kj/exception.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/rpc_server.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/rpc/internal/streams/bounded_message_stream.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {

// A call that is not answered yet.
struct Waiting {
  std::unique_ptr<RpcAnswer> answer;
  kj::Own<kj::PromiseFulfiller<void>> fulfiller;
};

// Objects that are kept alive on their way from one client to another.
class Kept {
 public:
  // The object's number, and one that tells apart several calls of Keep() for it.
  using Key = std::pair<std::uint64_t, std::uint64_t>;

  // Returns a key for Forget().
  Key Keep(std::shared_ptr<Referent> object) {
    const Key key{object->id(), ++last_};
    objects_.emplace(key, std::move(object));
    return key;
  }
  void Forget(const Key& key) { objects_.erase(key); }
  // Called when a client has asked for the object.
  void Arrived(std::uint64_t id) {
    const auto at = objects_.lower_bound({id, 0});
    if (at != objects_.end() && at->first.first == id) objects_.erase(at);
  }

 private:
  std::uint64_t last_ = 0;
  std::map<Key, std::shared_ptr<Referent>> objects_;
};

struct Link final : MessageMemory {
  explicit Link(RpcServer& loop) : server(loop) {}

  RpcServer& server;
  std::function<void()> after_call;
  // Ends the charges for memory that the client has freed. Null if there is no such memory.
  std::function<void()> reclaim = nullptr;
  // With what RpcSession::ChargeKept() returned.
  std::function<void(std::shared_ptr<Referent>, std::shared_ptr<void> charge)> keep;
  std::shared_ptr<Kept> kept;
  std::unique_ptr<RpcSession> session;  // Null before the handshake, and when the client has gone.
  // By the client's number. Ordered, since a client could choose numbers whose hashes collide.
  std::map<std::uint64_t, std::shared_ptr<Waiting>> waiting;
  std::size_t taken = 0;      // The bytes of all messages.
  std::size_t unwritten = 0;  // The bytes of outcomes that are not written yet.
  // Fulfilled when the client has called closed(), and to answer that call.
  kj::PromiseFulfillerPair<void> asked = kj::newPromiseAndFulfiller<void>();
  kj::PromiseFulfillerPair<void> closed = kj::newPromiseAndFulfiller<void>();

  // A connection has this much without a charge: others of its client, and by TCP other programs of
  // its machine, can't keep it from sending small messages.
  static constexpr std::size_t kFree = std::size_t{64} << 10;
  static std::size_t Charged(std::size_t bytes) { return bytes - std::min(bytes, kFree); }

  // Charges that exist when the session ends are returned by its end.
  void Take(std::size_t bytes) override {
    if (session == nullptr) return;
    const auto take = [&] { session->TakeBytes(Charged(taken + bytes) - Charged(taken)); };
    try {
      take();
    } catch (const QuotaExceeded&) {
      if (reclaim == nullptr) throw;
      reclaim();
      take();
    }
    taken += bytes;
  }
  void Return(std::size_t bytes) override {
    if (session == nullptr) return;
    session->ReturnBytes(Charged(taken) - Charged(taken - bytes));
    taken -= bytes;
  }
  // For an outcome that is sent next. Throws QuotaExceeded.
  void TakeOutcome(std::size_t bytes) {
    Take(bytes);
    unwritten += bytes;
  }
  // Messages are written in order, so that those which are no outcomes change little: they are
  // small, and no further ones are read as long as they are not written (PacedStream).
  std::size_t Written(std::size_t bytes) override {
    bytes = std::min(bytes, unwritten);
    unwritten -= bytes;
    return bytes;
  }

  void Cancel(std::uint64_t call) {
    const auto at = waiting.find(call);
    if (at == waiting.end()) return;
    const std::shared_ptr<Waiting> ended = std::move(at->second);
    waiting.erase(at);
    ended->answer.reset();
    ended->fulfiller->fulfill();
  }
  void Close() {
    while (!waiting.empty()) Cancel(waiting.begin()->first);
    session.reset();
    // Otherwise the call of closed() and this link would keep each other alive.
    closed.fulfiller->reject(KJ_EXCEPTION(DISCONNECTED, "the client has gone"));
  }
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CLIENT_LINK_H_
