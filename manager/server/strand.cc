// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/strand.h"

#include <system_error>
#include <utility>

namespace remoteobj::manager_internal {

bool Strand::Push(std::function<void()> work) {
  mutex_.AssertHeld();
  line_.push_back(std::move(work));
  return line_.size() == 1;
}

void Strand::Run(std::shared_ptr<void> owner, std::function<void()> work) {
  if (!Push(std::move(work))) return;
  try {
    pool_.Run([this, owner = std::move(owner)] { RunAll(); });
  } catch (const std::system_error&) {
    line_.pop_back();
    throw;
  }
}

void Strand::RunSometime(std::shared_ptr<void> owner, std::function<void()> work) {
  if (Push(std::move(work))) pool_.RunSometime([this, owner = std::move(owner)] { RunAll(); });
}

void Strand::RunAll() {
  for (;;) {
    std::function<void()> work;
    {
      const absl::MutexLock lock(&mutex_);
      work = std::move(line_.front());
    }
    work();
    work = nullptr;
    const absl::MutexLock lock(&mutex_);
    line_.pop_front();
    if (line_.empty()) return;
  }
}

}  // namespace remoteobj::manager_internal
