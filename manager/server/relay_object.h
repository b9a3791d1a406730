// SPDX-License-Identifier: MIT
//
// A broker of calls that clients evaluate for one another: calls to a client's object, and those of
// a pool.
//
//   caller ── call ──> RelayedObject ── Work ──> RelayObject <── take, answer ── serving process
//
// A caller waits until its call is answered. Serving processes, of which a pool has several, take
// calls and answer them. If a serving process dies before it has received a call, another one gets
// it; a call that it has received fails, and is not retried.
//
// A relay ends by terminate(), when the clients that keep it have disconnected, or, for a client's
// object, with the last reference to that.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_RELAY_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_RELAY_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/relay_messages.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class ObjectServer;

// The calls, as both callers and serving processes use them.
class Relay {
 public:
  // `takes_code`: PassTo is relayed, too.
  Relay(std::string what, bool takes_code) : what_(std::move(what)), takes_code_(takes_code) {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // The caller's side: waits for the answer, and writes it. Throws NotListening once the relay has
  // ended, and std::runtime_error once it is closed.
  void Ask(const RequestReader& request, OutcomeWriter& outcome);

  // The serving processes' side: see RelayInterface.
  std::optional<RelayedCall> Take();
  std::optional<RelayedCall> AwaitCall();
  void Answer(std::uint64_t number, AnswerKind kind, const AnyValue& value);
  void Keep();
  void Close();
  void End(const std::string& why);
  bool Join(absl::Duration timeout);
  void ClientGone(ClientId client);

  // The last reference to the object is gone.
  void Unreferenced();
  // The number of calls that are not answered yet.
  std::size_t pending() const;

 private:
  struct Work {
    std::vector<RelayedOperation> operations;
    bool answered = false;
    AnswerKind kind = AnswerKind::kValue;
    AnyValue value;
    WaitList caller;
  };
  // Expired if the caller has given up.
  struct Taken {
    std::weak_ptr<Work> work;
    ClientId by;
  };

  static void Finish(const std::weak_ptr<Work>& work, AnswerKind kind, const AnyValue& value);
  std::shared_ptr<Work> NextQueued();
  // Returns true if no further call can be taken.
  bool all_done() const;
  // Wakes the waiting serving processes and join() calls if all_done().
  void MaybeWakeAll();

  const std::string what_;  // For errors.
  const bool takes_code_;
  std::deque<std::weak_ptr<Work>> queued_;
  std::size_t most_queued_ = 16;  // At this size, expired ones are dropped.
  std::map<std::uint64_t, Taken> taken_;
  std::uint64_t last_number_ = 0;
  std::set<ClientId> keepers_;
  bool closed_ = false;
  bool over_ = false;
  std::string why_over_;
  WaitList takers_;
  WaitList joiners_;
};

// The object that serving processes call.
class RelayObject final : public SharedObject, public RelayInterface {
 public:
  enum class Kind { kObject, kPool };
  // `type` is the type of the object whose calls are relayed. A pool keeps that object.
  RelayObject(ObjectServer& server, Kind kind, std::string type, std::uint64_t size,
              std::string secret);
  ~RelayObject() override;

  Reference relayed() override;
  std::uint64_t size() const override { return size_; }
  std::string identity() const override { return IdentityOf(secret_); }
  void keep(const std::string& secret) override {
    CheckServes(secret);
    relay_->Keep();
  }
  std::optional<RelayedCall> take(const std::string& secret) override {
    CheckServes(secret);
    return relay_->AwaitCall();
  }
  std::optional<RelayedCall> answer(const std::string& secret, std::uint64_t number,
                                    AnswerKind kind, const AnyValue& value) override;

  void close() override { relay_->Close(); }
  void terminate() override;
  bool join(WaitTime timeout) override { return relay_->Join(timeout); }

  void ClientGone(ClientId client) override { relay_->ClientGone(client); }
  std::size_t waiting() const override { return relay_->pending(); }

 private:
  // Throws NotAllowed unless the caller has the relay's secret.
  void CheckServes(std::string_view secret) const;

  ObjectServer& server_;
  const Kind kind_;
  const std::uint64_t size_;
  const std::string secret_;
  const std::shared_ptr<Relay> relay_;
  std::weak_ptr<Referent> relayed_;
  std::shared_ptr<Referent> kept_;  // Kept by a pool; otherwise released by the first relayed().
};

void AddRelayTypes(Registry& registry);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_RELAY_OBJECT_H_
