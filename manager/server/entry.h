// SPDX-License-Identifier: MIT
//
// An object of a manager, and the table of all objects by number.
//
// Threads:  the table is thread-safe. Its mutex is taken last, so that the destructor of an Entry
//           may run with any other held.
// Lifetime: an object lives as long as its Entry, which is reference-counted: by clients, calls,
//           names and the values in other objects. The table holds weak references only.
#ifndef REMOTEOBJ_MANAGER_SERVER_ENTRY_H_
#define REMOTEOBJ_MANAGER_SERVER_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/manager/server/account.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/server/strand.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class ObjectServer;

class Entry final : public Referent, public std::enable_shared_from_this<Entry> {
 public:
  // `owner` is null for most; see ObjectServer::Adopt.
  Entry(ObjectServer& server, std::uint64_t id, std::string type_id, std::string type,
        const RegisteredType& how, std::shared_ptr<void> object, std::shared_ptr<Entry> owner,
        Charge charge);
  // Tells the server, which destroys the object.
  ~Entry() override;

  ObjectServer& server() const { return server_; }
  const std::string& type_id() const { return type_id_; }
  const RegisteredType& how() const { return how_; }
  void* object() const { return object_.get(); }
  // Null for a type that does not wait.
  SharedObject* shared() const {
    return how_.shared == nullptr ? nullptr : how_.shared(object_.get());
  }
  const std::shared_ptr<Entry>& owner() const { return owner_; }
  // The calls that run on threads. Guarded by the server's mutex.
  Strand& strand() { return strand_; }
  // True if the object may store references. Guarded by the server's mutex; see cycles.h.
  bool& may_store() { return may_store_; }
  // The object, which the entry has no longer.
  std::shared_ptr<void> TakeObject() { return std::move(object_); }

  // Calls the object within the server's process, as a client would: for methods of users' types.
  Channel& channel() override { return *channel_; }

 private:
  ObjectServer& server_;
  const std::string type_id_;
  const RegisteredType& how_;
  std::shared_ptr<void> object_;
  const std::unique_ptr<Channel> channel_;
  const std::shared_ptr<Entry> owner_;
  Strand strand_;
  bool may_store_ = false;
  const Charge charge_;  // To the client that has made it.
};

class ObjectTable {
 public:
  // With the next number.
  std::shared_ptr<Entry> Add(ObjectServer& server, std::string type_id, std::string type,
                             const RegisteredType& how, std::shared_ptr<void> object,
                             std::shared_ptr<Entry> owner, Charge charge);
  // Throws StaleReference.
  std::shared_ptr<Entry> Find(std::uint64_t id);
  void Erase(std::uint64_t id);
  // Erases those of `entries` for which `keep`, which is called once, returns false. No object is
  // found by its number between that call and the erasure. Returns what `keep` returned.
  std::vector<bool> EraseUnless(const std::vector<std::shared_ptr<Entry>>& entries,
                                absl::FunctionRef<std::vector<bool>()> keep);
  // In the order of their numbers.
  std::vector<std::shared_ptr<Entry>> entries();
  std::size_t size();

 private:
  absl::Mutex mutex_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Destroys a built-in object. The objects that it refers to are destroyed after it, not within its
// destructor: a chain of them could be longer than the stack.
void Destroy(std::shared_ptr<void> object);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_ENTRY_H_
