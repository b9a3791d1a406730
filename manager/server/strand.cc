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

void Strand::Run(std::shared_ptr<void> owner, std::function<void()> work,
                 std::shared_ptr<ThreadShare> share) {
  if (!Push(owner, {std::move(work), share})) return;
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

void Strand::RunAll(const std::shared_ptr<void>& owner) {
  for (;;) {
    std::function<void()> work;
    {
      const absl::MutexLock lock(&mutex_);
      work = std::move(line_.front().work);
    }
    work();
    work = nullptr;
    const absl::MutexLock lock(&mutex_);
    const std::shared_ptr<ThreadShare> share = std::move(line_.front().share);
    line_.pop_front();
    // If there is none, Release() may have another thread run this line.
    const bool others = !line_.empty();
    Release(share);
    if (!others || !Next(owner)) return;
  }
}

}  // namespace remoteobj::manager_internal
