// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/strand.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace remoteobj::manager_internal {

bool Strand::Push(const std::shared_ptr<void>& owner, Function function) {
  mutex_.AssertHeld();
  // One that was admitted later goes on before those that came after it.
  const auto at = function.admitted
                      ? std::ranges::find_if(line_, [](const auto& one) { return !one.admitted; })
                      : line_.end();
  line_.insert(at, std::move(function));
  return line_.size() == 1 && Next(owner);
}

bool Strand::Next(const std::shared_ptr<void>& owner) {
  for (; !line_.empty(); line_.pop_front()) {
    Function& first = line_.front();
    if (first.admitted) return true;
    if (first.share == nullptr || first.share->running < first.share->limit) {
      if (first.share != nullptr) ++first.share->running;
      return first.admitted = true;
    }
    first.share->waiting.push_back([this, owner, function = std::move(first)]() mutable {
      function.admitted = true;
      if (!Push(owner, std::move(function))) return;
      pool_.RunSometime([this, owner] { RunAll(owner); });
    });
  }
  return false;
}

void Strand::Release(const std::shared_ptr<ThreadShare>& share) {
  if (share == nullptr) return;
  if (share->waiting.empty()) {
    --share->running;
    return;
  }
  // The next one has the thread.
  const std::function<void()> next = std::move(share->waiting.front());
  share->waiting.pop_front();
  next();
}

bool Strand::GivesTurn() {
  mutex_.AssertHeld();
  const std::function<bool()> turn = std::exchange(line_.front().turn, nullptr);
  return turn != nullptr && turn();
}

void Strand::Run(std::shared_ptr<void> owner, std::function<void()> work,
                 std::shared_ptr<ThreadShare> share, std::function<bool()> turn) {
  if (!Push(owner, {std::move(work), share, std::move(turn)}) || GivesTurn()) return;
  try {
    pool_.Run([this, owner] { RunAll(owner); });
  } catch (const std::system_error&) {
    line_.pop_back();
    Release(share);
    throw;
  }
}

void Strand::RunSometime(std::shared_ptr<void> owner, std::function<void()> work) {
  if (Push(owner, {std::move(work), nullptr})) {
    pool_.RunSometime([this, owner] { RunAll(owner); });
  }
}

bool Strand::RunFirst(const std::shared_ptr<void>& owner) {
  std::function<void()> work;
  {
    const absl::MutexLock lock(&mutex_);
    work = std::move(line_.front().work);
  }
  try {
    work();
    work = nullptr;
  } catch (...) {
    const absl::MutexLock lock(&mutex_);
    if (PopFirst(owner)) GoOn(owner);
    throw;
  }
  const absl::MutexLock lock(&mutex_);
  return PopFirst(owner);
}

bool Strand::PopFirst(const std::shared_ptr<void>& owner) {
  const std::shared_ptr<ThreadShare> share = std::move(line_.front().share);
  line_.pop_front();
  // If there is none, Release() may have another thread run this line.
  const bool others = !line_.empty();
  Release(share);
  return others && Next(owner);
}

void Strand::RunAll(const std::shared_ptr<void>& owner) {
  do {
    const absl::MutexLock lock(&mutex_);
    if (GivesTurn()) return;
  } while (RunFirst(owner));
}

void Strand::RunHere(const std::shared_ptr<void>& owner) {
  if (!RunFirst(owner)) return;
  const absl::MutexLock lock(&mutex_);
  GoOn(owner);
}

void Strand::GoOn(const std::shared_ptr<void>& owner) {
  if (!GivesTurn()) pool_.RunSometime([this, owner] { RunAll(owner); });
}

}  // namespace remoteobj::manager_internal
