// SPDX-License-Identifier: MIT
//
// Calls that clients evaluate for one another: those to an object of a client's, and the tasks of a
// pool.
//
//   caller ── call ──> RelayedObject ── Work ──> RelayObject <── take, answer ── who serves
//
// A caller waits until its call is answered. A serving process takes calls, one after the other,
// and answers them; there may be several, as of a pool. A call that was not begun goes to another
// if the one that was given it dies; one that was begun fails, and is not tried again.
//
// It is over when it is ended, when those who keep it have gone, or, for a client's own object,
// when nobody refers to that any more.
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

// What callers and those who serve have in common.
class Relay {
 public:
  // `takes_code`: PassTo is relayed, too.
  Relay(std::string what, bool takes_code) : what_(std::move(what)), takes_code_(takes_code) {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // A caller's side: waits for the answer, and writes it. Throws NotListening once it is over, and
  // std::runtime_error once it is closed.
  void Ask(const RequestReader& request, OutcomeWriter& outcome);

  // The side of those who serve: see RelayObject.
  std::optional<RelayedCall> Take();
  std::optional<RelayedCall> AwaitCall();
  void Answer(std::uint64_t number, AnswerKind kind, const AnyValue& value);
  void Keep();
  void Close();
  void End(const std::string& why);
  bool Join(absl::Duration timeout);
  void ClientGone(ClientId client);

  // Nobody refers to the object any more.
  void Unreferenced();
  // How many calls are not answered yet.
  std::size_t pending() const;

 private:
  struct Work {
    std::vector<RelayedOperation> operations;
    bool answered = false;
    AnswerKind kind = AnswerKind::kValue;
    AnyValue value;
    WaitList caller;
  };
  // A caller that has given up has let go of its work.
  struct Taken {
    std::weak_ptr<Work> work;
    ClientId by;
  };

  static void Finish(const std::weak_ptr<Work>& work, AnswerKind kind, const AnyValue& value);
  std::shared_ptr<Work> NextQueued();
  // Returns true if no call can be taken any more.
  bool all_done() const;
  // Wakes the callers that wait for the end, if it has come.
  void MaybeWakeAll();

  const std::string what_;  // For errors.
  const bool takes_code_;
  std::deque<std::weak_ptr<Work>> queued_;
  std::size_t most_queued_ = 16;  // Beyond which it is looked through.
  std::map<std::uint64_t, Taken> taken_;
  std::uint64_t last_number_ = 0;
  std::set<ClientId> keepers_;
  bool closed_ = false;
  bool over_ = false;
  std::string why_over_;
  WaitList takers_;
  WaitList joiners_;
};

// The side of those who serve.
class RelayObject final : public SharedObject, public RelayInterface {
 public:
  enum class Kind { kObject, kPool };
  // `type` is that of the object whose calls are relayed. A pool keeps that object itself.
  RelayObject(ObjectServer& server, Kind kind, std::string type, std::uint64_t size);
  ~RelayObject() override;

  Reference relayed() override;
  std::uint64_t size() const override { return size_; }
  void keep() override { relay_->Keep(); }
  std::optional<RelayedCall> take() override { return relay_->AwaitCall(); }
  std::optional<RelayedCall> answer(std::uint64_t number, AnswerKind kind,
                                    const AnyValue& value) override;

  void close() override { relay_->Close(); }
  void terminate() override;
  bool join(WaitTime timeout) override { return relay_->Join(timeout); }

  void ClientGone(ClientId client) override { relay_->ClientGone(client); }
  std::size_t waiting() const override { return relay_->pending(); }

 private:
  ObjectServer& server_;
  const Kind kind_;
  const std::uint64_t size_;
  const std::shared_ptr<Relay> relay_;
  std::weak_ptr<Referent> relayed_;
  std::shared_ptr<Referent> kept_;  // A pool's; of others it is the first relayed() that takes it.
};

void AddRelayTypes(Registry& registry);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_RELAY_OBJECT_H_
