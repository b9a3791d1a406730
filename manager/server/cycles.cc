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

constexpr std::size_t kStep = 1000;            // Values and references.
constexpr std::size_t kObjectsAtOnce = 1000;   // To be destroyed.
constexpr std::size_t kReferencesSent = 1000;  // They cause a run.
constexpr absl::Duration kFirstDelay = absl::Milliseconds(50);
// An object on its way to another process is kept for a minute: the last run comes after that.
constexpr absl::Duration kLastDelay = absl::Minutes(5);
constexpr int kPause = 10;  // Times as long as the lock was held.

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
  if (!entry.may_store()) {
    candidates_.push_back(entry.weak_from_this());
    entry.may_store() = true;
  }
  // A client that stays, and drops cycles: a run is due when it may find as many as it looks at.
  if (++stored_ < kReferencesSent + candidates_.size()) return;
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
  const Deadline compared = Deadline::Now();
  const Graph graph(nodes);
  const std::vector<std::vector<std::size_t>> groups = graph.GroupsWithout(graph.Held(nodes));
  if (!Pause(-compared.left())) return;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::size_t place : groups[i]) suspects.push_back(nodes[place].entry);
    if (i + 1 < groups.size() && suspects.size() < kObjectsAtOnce) continue;
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
    // An object that was destroyed as a part of a cycle may have its entry still.
    const bool exists = entry != nullptr && entry->object() != nullptr;
    if (exists) {
      scan.left = left;
      entry->how().scan(entry->object(), scan);
      if (!scan.done) return true;
    }
    // One that takes several steps may have moved a reference from one part to another between two.
    const bool stores = !scan.found.empty() || scan.may_store || scan.several;
    if (!exists || !stores) {
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

CycleCollector::Graph::Graph(const std::vector<Node>& nodes)
    : contains(nodes.size()), stored(nodes.size()) {
  absl::flat_hash_map<const Referent*, std::size_t> places;
  places.reserve(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) places.emplace(nodes[i].object, i);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& [object, count] : nodes[i].contains) {
      const auto at = places.find(object);
      if (at == places.end()) continue;
      contains[i].push_back(at->second);
      stored[at->second] += count;
    }
  }
}

std::vector<bool> CycleCollector::Graph::Held(const std::vector<Node>& nodes) const {
  std::vector<bool> held(nodes.size());
  std::vector<std::size_t> reached;
  const auto reach = [&](std::size_t place) {
    if (held[place]) return;
    held[place] = true;
    reached.push_back(place);
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].references != stored[i]) reach(i);
  }
  while (!reached.empty()) {
    const std::size_t from = reached.back();
    reached.pop_back();
    for (const std::size_t to : contains[from]) reach(to);
  }
  return held;
}

std::vector<std::vector<std::size_t>> CycleCollector::Graph::GroupsWithout(
    const std::vector<bool>& held) const {
  Groups groups(held.size());
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (held[i]) continue;
    for (const std::size_t to : contains[i]) {
      if (!held[to]) groups.Join(i, to);
    }
  }
  std::vector<std::vector<std::size_t>> found;
  absl::flat_hash_map<std::size_t, std::size_t> numbers;
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (held[i]) continue;
    const auto [at, added] = numbers.try_emplace(groups.Of(i), found.size());
    if (added) found.emplace_back();
    found[at->second].push_back(i);
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
      if (entry == nullptr || entry->object() == nullptr) continue;
      ReferenceScan scan(std::numeric_limits<std::size_t>::max());
      entry->how().scan(entry->object(), scan);
      nodes.push_back({.object = entry.get(), .contains = std::move(scan.found)});
      entries.push_back(std::move(entry));
    }
    const Graph graph(nodes);
    objects.reserve(entries.size());  // Once the first one has left the table, nothing may fail.
    const std::vector<bool> held = table_.EraseUnless(entries, [&] {
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        nodes[i].references = static_cast<std::size_t>(entries[i].use_count() - 1);
      }
      return graph.Held(nodes);
    });
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!held[i]) objects.push_back(entries[i]->TakeObject());
    }
  }
  for (std::shared_ptr<void>& object : objects) manager_internal::Destroy(std::move(object));
}

}  // namespace remoteobj::manager_internal
