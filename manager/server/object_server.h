// SPDX-License-Identifier: MIT
//
// The objects of a manager, and the calls to them, from any source.
//
//   ObjectServer server(registry);
//   const ClientId client = server.AddClient({.pid = pid});
//   std::shared_ptr<Call> call = server.Begin(client, std::move(request), [] { … });
//   … when it is finished: call->outcome(), call->references(), call->Received()
//   server.RemoveClient(client);                      // it died, or said goodbye
//
// Built-in objects are evaluated under one lock, one after the other: they hold values of others'
// and run no code of theirs. Objects of users' types are evaluated outside of it: on a thread of
// the pool, one call at a time for each object, or right where the call comes in.
//
// Threads:  thread-safe.
// Lifetime: outlives its calls and its objects. An object lives as long as anybody has its Entry: a
//           client, a call, a name, or a value in another object.
#ifndef REMOTEOBJ_MANAGER_SERVER_OBJECT_SERVER_H_
#define REMOTEOBJ_MANAGER_SERVER_OBJECT_SERVER_H_

#include <any>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/server/worker_pool.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

using transport_internal::HeapMessage;

class ObjectServer;
class Root;

// An object, by its number.
class Entry final : public Referent, public std::enable_shared_from_this<Entry> {
 public:
  // `owner` is null for most; see ObjectServer::Adopt.
  Entry(ObjectServer& server, std::uint64_t id, std::string type_id, std::string type,
        const RegisteredType& how, std::shared_ptr<void> object, std::shared_ptr<Entry> owner);
  ~Entry() override;

  const std::string& type_id() const { return type_id_; }
  const RegisteredType& how() const { return how_; }
  void* object() const { return object_.get(); }
  // Null for a type that does not wait.
  SharedObject* shared() const {
    return how_.shared == nullptr ? nullptr : how_.shared(object_.get());
  }

  // Calls it within the server's process, as a client would: from a method of a user's type.
  Channel& channel() override { return *channel_; }

 private:
  friend class ObjectServer;

  ObjectServer& server_;
  const std::string type_id_;
  const RegisteredType& how_;
  std::shared_ptr<void> object_;
  const std::unique_ptr<Channel> channel_;
  const std::shared_ptr<Entry> owner_;
  // The strand of an object that runs on threads: work in order, of which the first is under way.
  // Guarded by the server's mutex.
  std::deque<std::function<void()>> line_;
};

// A request on its way to its outcome.
class Call final : public std::enable_shared_from_this<Call> {
 public:
  using Done = std::function<void()>;

  Call(ObjectServer& server, ClientId client, std::shared_ptr<Entry> entry, Done done);
  // Gives back what has not been received. Not while it waits: Cancel() it first.
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  bool finished();
  // REQUIRES: finished, as do references() and Received().
  HeapMessage& outcome() { return outcome_; }
  // The objects that the outcome refers to.
  const std::vector<std::shared_ptr<Referent>>& references() const { return references_; }
  // Whether something was handed over with it, which comes back if it is not received.
  bool hands_over() const { return !give_back_.empty(); }
  // The client has the outcome: what was handed over to it is its own.
  void Received();
  // Nobody wants the outcome: it waits no longer, and Done is not called any more.
  void Cancel();

 private:
  friend class CurrentCall;
  friend class ObjectServer;
  friend class WaitList;

  ObjectServer& server_;
  const ClientId client_;
  std::shared_ptr<Entry> entry_;  // Of a batch the one whose operation is evaluated.
  std::uint32_t thread_ = 0;
  std::optional<Deadline> begun_;  // When it first waited.
  std::unique_ptr<HeapMessage> request_;
  HeapMessage outcome_;
  std::vector<std::shared_ptr<Referent>> references_;
  std::vector<std::function<void()>> give_back_;
  std::any memory_;
  Done done_;  // Guarded by the server's mutex, as what follows. Null once it is called.
  bool finished_ = false;
  bool waited_ = false;
  bool timed_out_ = false;
  bool may_wait_ = false;
  WaitList* list_ = nullptr;  // Where it waits.
  const WaitList* last_list_ = nullptr;
  std::uint64_t number_ = 0;  // Orders the waiting calls of a list.
  std::list<Call*>::iterator place_;
  Deadline until_ = Deadline::Never();  // For how long it waits.
};

class ObjectServer {
 public:
  struct Options {
    // Of users' types that run on threads.
    std::size_t max_threads = 64;
    std::size_t max_outcome_bytes = kMaxRpcMessageBytes;
  };

  explicit ObjectServer(Registry registry) : ObjectServer(std::move(registry), Options()) {}
  ObjectServer(Registry registry, Options options);
  ~ObjectServer();
  ObjectServer(const ObjectServer&) = delete;
  ObjectServer& operator=(const ObjectServer&) = delete;

  // Clients

  ClientId AddClient(ClientInfo info);
  // Releases what it has left in objects. Its calls have been cancelled before.
  void RemoveClient(ClientId client);

  // Objects

  // The object of that number; 0 is the root, by which all others are made. Throws StaleReference.
  std::shared_ptr<Entry> Find(std::uint64_t id);
  std::shared_ptr<Entry> Make(std::string_view type_id, std::string_view type,
                              const ListReader& arguments);
  // An object that is there already, of the registered type of that name.
  std::shared_ptr<Entry> Share(std::string_view type, std::shared_ptr<void> object);
  // The same, of a type that `how`, which outlives it, describes. With an owner it is a part of
  // that, and keeps it: no two calls to the two are evaluated at a time.
  std::shared_ptr<Entry> Adopt(const RegisteredType& how, std::string_view type_id,
                               std::string_view type, std::shared_ptr<void> object,
                               std::shared_ptr<Entry> owner = {});
  // Whether it is one of this server's.
  bool Has(const Referent& referent);
  // The one whose object the calling thread is evaluating a call to. Throws std::logic_error.
  static ObjectServer& Current();
  static bool IsEvaluating();
  // That object.
  static std::shared_ptr<Entry> CurrentEntry();
  // Throws std::logic_error where all would wait if the calling thread did.
  static void CheckMayBlock();
  // Whether the server comes to its end.
  bool closing() const { return closing_.load(); }
  // Calls it when a client asks the manager to end.
  void OnShutdown(std::function<void()> on_shutdown);

  // Calls

  // `done` is called once, when it is finished, on whichever thread finishes it and with the
  // server's lock held: it only notes that. Not at all if it is finished when this returns.
  std::shared_ptr<Call> Begin(ClientId client, std::unique_ptr<HeapMessage> request,
                              Call::Done done);
  std::shared_ptr<Call> Begin(ClientId client, std::shared_ptr<Entry> entry,
                              std::unique_ptr<HeapMessage> request, Call::Done done);
  // Evaluates at once, or gives null: it would have to wait, or to go to another thread.
  std::shared_ptr<Call> TryNow(ClientId client, const RequestReader& request);

  // Does it under the lock of those that wait: now, or soon, where that may be held.
  void Locked(absl::FunctionRef<void()> work);
  void Do(std::function<void()> work);
  // Does it where the owner of a part is evaluated, in turn, and without the lock; the part lives
  // as long. Throws std::system_error if there can be no thread for it. REQUIRES: the lock is held.
  void DoForOwner(std::shared_ptr<Entry> part, std::function<void()> work);

  // The time-out of the next call; and ends the calls whose time-out has passed.
  Deadline NextTimeout();
  void RunTimeouts();

  // What there is, for people and tests.
  Inspection Inspect();
  std::size_t object_count();

 private:
  friend class Call;
  friend class CurrentCall;
  friend class Entry;
  friend class Root;
  friend class WaitList;

  struct Client {
    ClientInfo info = {};
    // In what it has left something.
    std::map<std::uint64_t, std::weak_ptr<Entry>> left = {};
    std::size_t most_left = 16;  // Beyond which it is looked through.
  };

  static bool IsFor(const RequestReader& request, std::string_view method);
  // Where a request is evaluated, and whether that is under the lock: not where it runs users'
  // code.
  struct Way {
    Run run;
    bool locked;
  };
  Way WayOf(const Entry& entry, const RequestReader& request) const;
  static void CheckBatchSize(std::size_t chains);
  void CheckExposed(const Entry& entry, const RequestReader& request) const;
  void EvaluateBatch(Call& call, const RequestReader& request, std::size_t chains,
                     OutcomeWriter& outcome);
  // Returns whether it is finished; else it waits. Under the lock for built-in types.
  bool Evaluate(Call& call, const RequestReader& request, bool may_wait);
  void EvaluateLocked(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginWaiting(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunWoken() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StopWaiting(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteNextTimeout() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `work` on a thread, after what stands in line at the entry. Throws std::system_error if
  // there can be no thread for it, and has done nothing then. With kSometime it waits for a thread.
  enum class When { kNow, kSometime };
  void StandInLine(const std::shared_ptr<Entry>& entry, std::function<void()> work, When when)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunLine(const std::shared_ptr<Entry>& entry);
  void GiveBack(Call& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Forget(Entry& entry);

  const Registry registry_;
  const std::size_t max_outcome_bytes_;

  // Of the table of objects. Taken last.
  absl::Mutex table_mutex_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Entry>> table_ ABSL_GUARDED_BY(table_mutex_);
  std::uint64_t last_id_ ABSL_GUARDED_BY(table_mutex_) = 0;

  // Of all that waits, and of built-in objects.
  absl::Mutex mutex_;
  std::unordered_map<ClientId, Client> clients_ ABSL_GUARDED_BY(mutex_);
  ClientId last_client_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Call*> woken_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<Deadline, Call*>> timeouts_ ABSL_GUARDED_BY(mutex_);
  // The first of them, in nanoseconds since the Unix epoch. Written under the mutex.
  std::atomic<Deadline> next_timeout_{Deadline::Never()};

  // Set at shutdown: pending calls are no longer answered.
  std::atomic<bool> closing_{false};

  WorkerPool pool_;
  // For Do: the threads of the pool may all wait for just that. Its one thread is begun with the
  // server, since Do must not fail.
  WorkerPool ends_{1};
  std::shared_ptr<Entry> root_;  // Last, for it goes first.
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_OBJECT_SERVER_H_
