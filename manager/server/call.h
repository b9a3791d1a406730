// SPDX-License-Identifier: MIT
//
// A request to an object of a manager, from its arrival until its outcome was received.
//
// Threads:  thread-safe. Fields that may change while the call waits are guarded by the server's
//           mutex.
// Lifetime: reference-counted. Cancel() a call that waits before letting go of it.
#ifndef REMOTEOBJ_MANAGER_SERVER_CALL_H_
#define REMOTEOBJ_MANAGER_SERVER_CALL_H_

#include <any>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "remoteobj/manager/server/account.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/sessions.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

using transport_internal::HeapMessage;

class Entry;
class ObjectServer;

class Call final : public std::enable_shared_from_this<Call> {
 public:
  using Done = std::function<void()>;
  using Turn = std::function<bool()>;

  Call(ObjectServer& server, ClientId client, std::shared_ptr<Entry> entry, Done done);
  // Takes back what was handed over and not received.
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  bool finished();
  // REQUIRES: finished, as do references() and Received().
  HeapMessage& outcome() { return *outcome_; }
  // The objects that the outcome refers to.
  const std::vector<std::shared_ptr<Referent>>& references() const { return references_; }
  // Returns true if the outcome hands something over, which is taken back if it is not received.
  bool hands_over() const { return !give_back_.empty(); }
  // The outcome is not needed any more: frees it, and the request.
  void Sent();
  // The client has the outcome, and with it what was handed over.
  void Received();
  // Replaces the outcome by the current exception, and takes back what it would hand over.
  void Refuse();
  // Stops waiting. The outcome is not needed any more, and Done is not called.
  void Cancel();

 private:
  friend class CurrentCall;
  friend class ObjectServer;
  friend class WaitingCalls;
  friend class WaitList;

  ObjectServer& server_;
  const ClientId client_;
  // Null for a call of an object of the server, and for one that TryNow() evaluates for a client
  // without restrictions.
  std::shared_ptr<const Session> session_;
  // The account of the client that has caused this call, if another object makes it.
  std::shared_ptr<Account> account_;
  unsigned nested_ = 0;  // How many calls of objects are around it.
  Turn turn_;            // See ObjectServer::Begin().
  Charge charge_;
  Charge bytes_;
  std::shared_ptr<Entry> entry_;  // In a batch: of the operation that is evaluated.
  std::uint32_t thread_ = 0;
  Place place_ = Place::kUnderLock;
  std::optional<Deadline> begun_;  // When it first waited.
  std::unique_ptr<HeapMessage> request_;
  std::optional<HeapMessage> outcome_{std::in_place};  // Empty after Sent().
  std::vector<std::shared_ptr<Referent>> references_;
  std::vector<std::function<void()>> give_back_;
  // The other objects of a batch to which functions of give_back_ belong.
  std::vector<std::shared_ptr<Entry>> giving_;
  std::any memory_;

  // Guarded by the server's mutex:
  Done done_;  // Null once it is called.
  bool finished_ = false;
  bool cancelled_ = false;
  bool waited_ = false;
  bool timed_out_ = false;
  bool may_wait_ = false;
  WaitList* list_ = nullptr;  // The list in which it waits.
  const WaitList* last_list_ = nullptr;
  std::uint64_t number_ = 0;  // Its place among the waiting calls of a list.
  std::list<Call*>::iterator in_list_;
  Deadline until_ = Deadline::Never();  // For how long it waits.
};

// While it lives, `call` is the thread's current call.
class Evaluating {
 public:
  explicit Evaluating(Call& call);
  ~Evaluating();
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

  // Null if the thread evaluates nothing.
  static Call* call();

 private:
  Call* const before_;
};

// While it lives, the thread is the one that serves all clients, so that nothing may block it.
class ServingAll {
 public:
  ServingAll();
  ~ServingAll();
  ServingAll(const ServingAll&) = delete;
  ServingAll& operator=(const ServingAll&) = delete;

  // Returns true on such a thread, and throws std::logic_error there.
  static bool active();
  static void CheckMayBlock();

 private:
  const bool before_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_CALL_H_
