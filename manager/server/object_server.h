// SPDX-License-Identifier: MIT
//
// The objects of a manager, and the calls to them, from any source.
//
//   ObjectServer server(registry);
//   const ClientId client = server.AddClient({.pid = pid});
//   std::shared_ptr<Call> call = server.Begin(client, std::move(request), [] { … });
//   … when it is finished: call->outcome(), call->references(), call->Received()
//   server.RemoveClient(client);                      // it died, or disconnected
//
// Built-in objects are evaluated under one lock, one after the other: they run no code of a user's.
// Objects of users' types are evaluated without it: on a thread of the pool, one call at a time for
// each object, or on the thread that brings the call (Run::kInServer).
//
// Threads:  thread-safe.
// Lifetime: outlives its calls and its objects. An object lives as long as its Entry.
#ifndef REMOTEOBJ_MANAGER_SERVER_OBJECT_SERVER_H_
#define REMOTEOBJ_MANAGER_SERVER_OBJECT_SERVER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/policy.h"
#include "remoteobj/manager/quotas.h"
#include "remoteobj/manager/server/account.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/manager/server/entry.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/server/rights.h"
#include "remoteobj/manager/server/sessions.h"
#include "remoteobj/manager/server/strand.h"
#include "remoteobj/manager/server/waiting_calls.h"
#include "remoteobj/manager/server/worker_pool.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class ObjectServer {
 public:
  struct Options {
    // Threads for users' types, Run::kOnThread.
    std::size_t max_threads = 64;
    std::size_t max_outcome_bytes = kMaxRpcMessageBytes;
    Quotas quotas = {};
    // Policies of clients by the name of their key, or else by their uid. Others are not
    // restricted.
    std::map<std::string, Policy> keys = {};
    std::map<std::int64_t, Policy> users = {};
    std::vector<CertificatePolicy> certificates = {};
  };

  explicit ObjectServer(Registry registry) : ObjectServer(std::move(registry), Options()) {}
  ObjectServer(Registry registry, Options options);
  ~ObjectServer();
  ObjectServer(const ObjectServer&) = delete;
  ObjectServer& operator=(const ObjectServer&) = delete;

  // Clients

  // Throws QuotaExceeded if it has as many connections as it may have.
  ClientId AddClient(ClientInfo info);
  // Returns false if AddClient would throw.
  bool MayConnect(const ClientInfo& info) { return sessions_.MayAdd(info); }
  // Tells the objects in which the client has left something. Cancel its calls first.
  void RemoveClient(ClientId client);
  // Has the ClientGone of `object` called when the client is removed. REQUIRES: the lock is held.
  void LeavesSomething(ClientId client, const std::shared_ptr<Entry>& object);

  // Objects

  const Registry& registry() const { return registry_; }
  // The object of that number; 0 is the root, by which all others are made. Throws StaleReference.
  std::shared_ptr<Entry> Find(std::uint64_t id);
  // The same for a client, which may be restricted to objects that it was given: NotAllowed.
  std::shared_ptr<Entry> FindFor(ClientId client, std::uint64_t id);
  std::shared_ptr<Entry> FindFor(const Session* session, std::uint64_t id);
  // Charges a client.
  Charge ChargeTo(ClientId client, Account::Meter Account::* meter, std::uint64_t amount = 1);
  // Charges the client whose call the thread evaluates, if it evaluates one.
  static Charge ChargeToCaller(Account::Meter Account::* meter);
  std::shared_ptr<Entry> Make(std::string_view type_id, std::string_view type,
                              const ListReader& arguments);
  // An existing object, of the registered type of that name.
  std::shared_ptr<Entry> Share(std::string_view type, std::shared_ptr<void> object);
  // The same, of a type that `how`, which outlives it, describes. With an owner it is a part of
  // that, and keeps it: calls to the two never run at the same time.
  std::shared_ptr<Entry> Adopt(const RegisteredType& how, std::string_view type_id,
                               std::string_view type, std::shared_ptr<void> object,
                               std::shared_ptr<Entry> owner = {});
  // A request has a reference that the object of `entry` may store. REQUIRES: the lock is held.
  void MayStore(Entry& entry) { cycles_.MayStore(entry); }
  // An object lost a reference that was not stored in another one. REQUIRES: the lock is held.
  void Released() { cycles_.Released(); }
  // Returns true if it is an object of this server.
  bool Has(const Referent& referent);
  // The server whose object the calling thread is evaluating a call to. Throws std::logic_error.
  static ObjectServer& Current();
  static bool IsEvaluating();
  // The object to which the calling thread is evaluating a call.
  static std::shared_ptr<Entry> CurrentEntry();
  // The client whose call that is. Its id is 0 if it is an object of the server.
  static ClientInfo CurrentClient();
  // Returns true if the server is being destroyed.
  bool closing() const { return closing_.load(); }
  // Called when a client asks the manager to end.
  void OnShutdown(std::function<void()> on_shutdown);

  // Calls

  // `done` is called once, when the call is finished, on the thread that finishes it and with the
  // server's lock held: it must only record that. It is not called if the call is finished when
  // Begin() returns.
  //
  // `turn` is for a thread that waits for the outcome: a call that runs on a thread then runs on
  // that one. It is called once, with the lock held, when the call is the next one to its object.
  // If it returns true, the thread must call EvaluateHere(); otherwise a thread of the pool
  // evaluates the call.
  std::shared_ptr<Call> Begin(ClientId client, std::unique_ptr<HeapMessage> request,
                              Call::Done done);
  std::shared_ptr<Call> Begin(ClientId client, std::shared_ptr<Entry> entry,
                              std::unique_ptr<HeapMessage> request, Call::Done done,
                              Call::Turn turn = nullptr);
  // Evaluates at once. Returns null if the call would have to wait, or to run on another thread.
  std::shared_ptr<Call> TryNow(ClientId client, const RequestReader& request);

  // For a thread that waits for the outcome of a call: WorkerPool::Blocked.
  WorkerPool& pool() { return pool_; }
  // Evaluates a call whose turn has come (see `turn` of Begin()).
  void EvaluateHere(Call& call);

  // Runs `work` with the server's lock held.
  void Locked(absl::FunctionRef<void()> work);
  // The same on a helper thread: for callers that may hold the lock.
  void Do(std::function<void()> work);
  // Runs `work` as a call to the owner of `part`, which is kept until then: in turn, and without
  // the lock. Throws std::system_error if there can be no thread for it. REQUIRES: the lock is
  // held.
  void DoForOwner(std::shared_ptr<Entry> part, std::function<void()> work);

  // The time-out of the next call.
  Deadline NextTimeout() { return waiting_.next_timeout(); }
  // Ends the calls whose time-out has passed.
  void RunTimeouts();

  // For people and tests. REQUIRES: the lock is held.
  Inspection Inspect();
  std::size_t object_count() { return table_.size(); }

 private:
  friend class Call;
  friend class CurrentCall;
  friend class Entry;
  friend class WaitList;

  struct Client {
    ClientInfo info = {};
    // The objects in which it has left something.
    std::map<std::uint64_t, std::weak_ptr<Entry>> left = {};
    std::size_t most_left = 16;  // At this size, those that are gone are dropped.
  };

  static void CheckBatchSize(std::size_t chains);
  // Checks the operations on the object itself, so that a batch is refused as a whole.
  static void CheckRequest(const Entry& entry, const RequestReader& request);
  // Checks the rights of the client for all chains of the request, which begin at `entry`.
  static void CheckRights(const Rights* rights, const Entry& entry, const RequestReader& request);
  void EvaluateBatch(Call& call, const RequestReader& request, std::size_t chains,
                     OutcomeWriter& outcome);
  void EvaluateRequest(Call& call, const RequestReader& request, OutcomeWriter& outcome);
  // Null if the call is the server's own.
  std::shared_ptr<const Session> SessionOf(const Call& call);
  // The account of the client that has caused the call. Null if there is none.
  std::shared_ptr<Account> AccountOf(const Call& call);
  std::shared_ptr<ThreadShare> ThreadsOf(const Call& call);
  // Returns true if it is finished. Otherwise it waits, or continues at another place. Under the
  // lock for built-in types.
  bool Evaluate(Call& call, const RequestReader& request, bool may_wait);
  // Ends a new call with the current exception.
  static std::shared_ptr<Call> Failed(std::shared_ptr<Call> call);
  void EvaluateLocked(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Charges a call that is not over to its client, once. Throws QuotaExceeded.
  static void ChargeOnce(Call& call);
  // The same, but ends the call with the error. Returns false if it did.
  bool ChargeCall(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call with the current exception, whatever its outcome was.
  static void Refuse(Call& call);
  void EvaluateOnThread(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunWoken() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Strand NewStrand() { return {mutex_, pool_}; }
  // Destroys the object of an entry that nobody refers to.
  void Forget(Entry& entry);

  const Registry registry_;
  const std::size_t max_outcome_bytes_;
  ObjectTable table_;

  Sessions sessions_;

  // Guards all that waits, and built-in objects.
  absl::Mutex mutex_;
  std::unordered_map<ClientId, Client> clients_ ABSL_GUARDED_BY(mutex_);
  ClientId last_client_ ABSL_GUARDED_BY(mutex_) = 0;
  WaitingCalls waiting_;  // Guarded by it, but for next_timeout().

  CycleCollector cycles_{mutex_, table_};

  // Set at shutdown: pending calls are no longer answered.
  std::atomic<bool> closing_{false};

  WorkerPool pool_;
  // For Do(): the threads of the pool may all wait for what that does. Its one thread is started
  // with the server, since Do() must not fail.
  WorkerPool ends_{1};
  std::shared_ptr<Entry> root_;  // Last, because it is destroyed first.
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_OBJECT_SERVER_H_
