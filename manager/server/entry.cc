// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/entry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/local_channel.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {

Entry::Entry(ObjectServer& server, std::uint64_t id, std::string type_id, std::string type,
             const RegisteredType& how, std::shared_ptr<void> object, std::shared_ptr<Entry> owner,
             Charge charge)
    : Referent(id, std::move(type)),
      server_(server),
      type_id_(std::move(type_id)),
      how_(how),
      object_(std::move(object)),
      channel_(NewLocalChannel(server, *this)),
      owner_(std::move(owner)),
      strand_(server.NewStrand()),
      charge_(std::move(charge)) {}

Entry::~Entry() { server_.Forget(*this); }

std::shared_ptr<Entry> ObjectTable::Add(ObjectServer& server, std::string type_id, std::string type,
                                        const RegisteredType& how, std::shared_ptr<void> object,
                                        std::shared_ptr<Entry> owner, Charge charge) {
  const absl::MutexLock lock(&mutex_);
  const std::uint64_t id = ++last_id_;
  auto entry = std::make_shared<Entry>(server, id, std::move(type_id), std::move(type), how,
                                       std::move(object), std::move(owner), std::move(charge));
  entries_.emplace(id, entry);
  return entry;
}

std::shared_ptr<Entry> ObjectTable::Find(std::uint64_t id) {
  const absl::MutexLock lock(&mutex_);
  const auto at = entries_.find(id);
  std::shared_ptr<Entry> entry = at == entries_.end() ? nullptr : at->second.lock();
  if (entry == nullptr) {
    throw StaleReference(absl::StrCat("object ", id,
                                      id > last_id_ ? " is of another manager, or of "
                                                      "this one before it restarted"
                                                    : " is gone: no process kept it"));
  }
  return entry;
}

void ObjectTable::Erase(std::uint64_t id) {
  const absl::MutexLock lock(&mutex_);
  entries_.erase(id);
}

std::vector<bool> ObjectTable::EraseUnless(const std::vector<std::shared_ptr<Entry>>& entries,
                                           absl::FunctionRef<std::vector<bool>()> keep) {
  const absl::MutexLock lock(&mutex_);
  std::vector<bool> kept = keep();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!kept[i]) entries_.erase(entries[i]->id());
  }
  return kept;
}

std::vector<std::shared_ptr<Entry>> ObjectTable::entries() {
  std::vector<std::shared_ptr<Entry>> entries;
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [id, weak] : entries_) {
      if (auto entry = weak.lock()) entries.push_back(std::move(entry));
    }
  }
  std::ranges::sort(entries, {}, [](const auto& entry) { return entry->id(); });
  return entries;
}

std::size_t ObjectTable::size() {
  const absl::MutexLock lock(&mutex_);
  return entries_.size();
}

void Destroy(std::shared_ptr<void> object) {
  constinit static thread_local std::vector<std::shared_ptr<void>>* waiting = nullptr;
  if (waiting != nullptr) {
    waiting->push_back(std::move(object));
    return;
  }
  std::vector<std::shared_ptr<void>> objects;
  waiting = &objects;
  for (;;) {
    object.reset();
    if (objects.empty()) break;
    object = std::move(objects.back());
    objects.pop_back();
  }
  waiting = nullptr;
}

}  // namespace remoteobj::manager_internal
