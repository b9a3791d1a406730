// SPDX-License-Identifier: MIT
//
// The rights of the clients with one restricted key, or of one user: their policy, and the objects
// that they were given.
//
// Threads:  thread-safe.
#ifndef REMOTEOBJ_MANAGER_SERVER_RIGHTS_H_
#define REMOTEOBJ_MANAGER_SERVER_RIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/manager/policy.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class Entry;

class Rights {
 public:
  // `name` is that of the key, or "uid 1000".
  Rights(std::string name, const Policy& policy);

  // Null unless everything is const.
  const std::string* read_only() const { return policy_.read_only ? &name_ : nullptr; }

  // These throw NotAllowed.
  // The operations from `begin` to `end`, a chain on `object`.
  void CheckChain(const Entry& object, const RequestReader& request, std::size_t begin,
                  std::size_t end) const;
  void CheckObject(std::uint64_t id);
  void CheckName(const std::string& name, const std::vector<std::string>& allow) const;
  [[noreturn]] void Refuse(const std::string& what) const;

  bool MayGet(const std::string& name, const std::vector<std::string>& allow) const;
  // The client was given the object, and may use it from now on.
  // `made`: by itself.
  void Give(const std::shared_ptr<Referent>& object, bool made);

 private:
  struct Given {
    std::weak_ptr<Referent> object;
    bool made = false;
  };

  bool Made(std::uint64_t id) const;
  void CheckRoot(std::string_view method) const;

  const std::string name_;
  const Policy policy_;
  const std::set<std::string, std::less<>> names_;
  const std::set<std::string, std::less<>> members_;
  mutable absl::Mutex mutex_;
  std::map<std::uint64_t, Given> given_ ABSL_GUARDED_BY(mutex_);
  std::size_t most_given_ ABSL_GUARDED_BY(mutex_) = 64;  // At this size, gone ones are dropped.
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_RIGHTS_H_
