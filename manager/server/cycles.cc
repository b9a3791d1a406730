// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/cycles.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <new>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "remoteobj/manager/server/entry.h"

namespace remoteobj::manager_internal {
namespace {

constexpr std::size_t kStep = 1000;
constexpr absl::Duration kFirstDelay = absl::Milliseconds(50);
// An object on its way to another process is kept for a minute.
constexpr absl::Duration kLastDelay = absl::Minutes(5);
constexpr int kPause = 10;

// Disjoint sets of places: union-find.
class Groups {
 public:
  explicit Groups(std::size_t size) : parents_(size) {
    std::iota(parents_.begin(), parents_.end(), std::size_t{0});
  }
  std::size_t Of(std::size_t i) {
    while (parents_[i] != i) i = parents_[i] = parents_[parents_[i]];
    return i;
  }
  void Join(std::size_t a, std::size_t b) { parents_[Of(a)] = Of(b); }

 private:
  std::vector<std::size_t> parents_;
};

}  // namespace

void CycleCollector::MayStore(Entry& entry) {
  if (entry.how().scan == nullptr) return;
  mutex_.AssertHeld();
  if (&entry == scanned_) scanned_ = nullptr;
  if (!entry.may_store()) {
    candidates_.push_back(entry.weak_from_this());
    entry.may_store() = true;
  }
  // A client that stays, and drops cycles: a run is due when it may find as many as it looks at.
  if (++stored_ < kStep + candidates_.size()) return;
  stored_ = 0;
  Released();
}

void CycleCollector::Released() {
  mutex_.AssertHeld();
  if (candidates_.empty() || stop_) return;
  delay_ = kFirstDelay;
  next_ = std::min(next_, Deadline::After(delay_));
  changed_.NotifyAll();
  if (working_) return;
  try {
    thread_.Run([this] { Work(); });
    working_ = true;
  } catch (const std::exception&) {
    // There is no thread, or no memory, for it now. The next call tries again.
  }
}

void CycleCollector::Stop() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
    changed_.NotifyAll();
  }
  thread_.Stop();
}

void CycleCollector::Work() {
  mutex_.Lock();
  while (!stop_ && !candidates_.empty() && next_ != Deadline::Never()) {
    if (!next_.expired()) {
      changed_.Wait(mutex_, next_);
      continue;
    }
    delay_ *= 4;
    next_ = delay_ > kLastDelay ? Deadline::Never() : Deadline::After(delay_);
    mutex_.Unlock();
    try {
      Run();
    } catch (const std::bad_alloc&) {
      // The candidates are as before, for the next run.
    }
    mutex_.Lock();
  }
  next_ = Deadline::Never();
  working_ = false;
  mutex_.Unlock();
}

bool CycleCollector::Pause(absl::Duration duration) {
  const absl::MutexLock lock(&mutex_);
  const Deadline until = Deadline::After(duration);
  while (!stop_ && !until.expired()) changed_.Wait(mutex_, until);
  return !stop_;
}

void CycleCollector::Run() {
  const std::vector<Node> nodes = ScanCandidates();
  Candidates suspects;
  const std::vector<std::vector<std::size_t>> groups = Find(nodes).groups;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::size_t place : groups[i]) suspects.push_back(nodes[place].entry);
    if (i + 1 < groups.size() && suspects.size() < kStep) continue;
    const Deadline begun = Deadline::Now();
    Destroy(suspects);
    suspects.clear();
    if (!Pause(-begun.left() * kPause)) return;
  }
}

std::vector<CycleCollector::Node> CycleCollector::ScanCandidates() {
  std::vector<Node> nodes;
  std::size_t next = 0;
  ReferenceScan scan(kStep);
  for (;;) {
    const Deadline begun = Deadline::Now();
    std::vector<std::shared_ptr<Entry>> seen;
    if (!ScanSome(next, scan, nodes, seen)) return nodes;
    if (!Pause(-begun.left() * kPause)) return {};
  }
}

bool CycleCollector::ScanSome(std::size_t& next, ReferenceScan& scan, std::vector<Node>& nodes,
                              std::vector<std::shared_ptr<Entry>>& seen) {
  const absl::MutexLock lock(&mutex_);
  for (std::size_t left = kStep; left > 0;) {
    if (next == candidates_.size()) return false;
    const std::shared_ptr<Entry>& entry = seen.emplace_back(candidates_[next].lock());
    if (entry != nullptr) {
      if (scan.done) scanned_ = entry.get();  // It begins.
      scan.left = left;
      entry->how().scan(entry->object(), scan);
      if (!scan.done) return true;
    }
    const bool stores = !scan.found.empty() || scan.may_store || scanned_ != entry.get();
    if (entry == nullptr || !stores) {
      // It stores no reference, and becomes a candidate again when it is sent one.
      if (entry != nullptr) entry->may_store() = false;
      candidates_[next] = std::move(candidates_.back());
      candidates_.pop_back();
    } else {
      nodes.push_back({.object = entry.get(),
                       .references = static_cast<std::size_t>(entry.use_count() - 1),
                       .contains = std::move(scan.found),
                       .entry = candidates_[next++]});
    }
    // An object counts as one value, beside those that it stores.
    left = std::min(scan.left, left - 1);
    scan = ReferenceScan(left);
  }
  return true;
}

// Objects that are held lead to others that are: what remains is reached from nowhere.
CycleCollector::Found CycleCollector::Find(const std::vector<Node>& nodes) {
  absl::flat_hash_map<const Referent*, std::size_t> places;
  places.reserve(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) places.emplace(nodes[i].object, i);
  // The references among the nodes.
  const auto each = [&](std::size_t from, auto visit) {
    for (const Referent* object : nodes[from].contains) {
      if (const auto at = places.find(object); at != places.end()) visit(at->second);
    }
  };
  std::vector<std::size_t> stored(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) each(i, [&](std::size_t to) { ++stored[to]; });
  Found found;
  found.held.resize(nodes.size());
  std::vector<std::size_t> reached;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].references == stored[i]) continue;
    found.held[i] = true;
    reached.push_back(i);
  }
  while (!reached.empty()) {
    const std::size_t from = reached.back();
    reached.pop_back();
    each(from, [&](std::size_t to) {
      if (found.held[to]) return;
      found.held[to] = true;
      reached.push_back(to);
    });
  }
  Groups groups(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (found.held[i]) continue;
    each(i, [&](std::size_t to) {
      if (!found.held[to]) groups.Join(i, to);
    });
  }
  absl::flat_hash_map<std::size_t, std::size_t> numbers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (found.held[i]) continue;
    const auto [at, added] = numbers.try_emplace(groups.Of(i), found.groups.size());
    if (added) found.groups.emplace_back();
    found.groups[at->second].push_back(i);
  }
  return found;
}

void CycleCollector::Destroy(const Candidates& suspects) {
  // Released after the locks, the objects first.
  std::vector<std::shared_ptr<Entry>> entries;
  std::vector<std::shared_ptr<void>> objects;
  {
    const absl::MutexLock lock(&mutex_);
    std::vector<Node> nodes;
    for (const std::weak_ptr<Entry>& suspect : suspects) {
      std::shared_ptr<Entry> entry = suspect.lock();
      if (entry == nullptr) continue;
      ReferenceScan scan(std::numeric_limits<std::size_t>::max());
      entry->how().scan(entry->object(), scan);
      nodes.push_back({.object = entry.get(), .contains = std::move(scan.found)});
      entries.push_back(std::move(entry));
    }
    objects.reserve(entries.size());  // From here on nothing may fail half-way.
    const std::vector<bool> held = table_.EraseUnless(entries, [&] {
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        nodes[i].references = static_cast<std::size_t>(entries[i].use_count() - 1);
      }
      return Find(nodes).held;
    });
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!held[i]) objects.push_back(entries[i]->TakeObject());
    }
  }
  for (std::shared_ptr<void>& object : objects) manager_internal::Destroy(std::move(object));
}

}  // namespace remoteobj::manager_internal
