// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/references.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj {

namespace transport_internal {
namespace {

struct KindsMutex;

std::map<std::string, ReceiveReferent, std::less<>>& Kinds() {
  return MadeOnce([] { return new std::map<std::string, ReceiveReferent, std::less<>>; });
}

}  // namespace

bool RegisterReferents(std::string_view kind, ReceiveReferent receive) {
  auto& kinds = Kinds();
  const std::scoped_lock lock(ForkSafeMutex<KindsMutex>());
  return kinds.emplace(std::string(kind), receive).second;
}

std::shared_ptr<Referent> ReceiveFromProcess(const ValueReader& in) {
  const ListReader sent = in.AsList();
  const std::string kind = sent.size() == 0 ? "" : sent[0].AsText();
  const auto& kinds = Kinds();
  ReceiveReferent receive = nullptr;
  {
    const std::scoped_lock lock(ForkSafeMutex<KindsMutex>());
    if (const auto at = kinds.find(kind); at != kinds.end()) receive = at->second;
  }
  if (receive == nullptr) {
    throw BadValue(absl::StrCat("this program can't receive references of the kind \"", kind,
                                "\": it does not link the library that registers them"));
  }
  return receive(in);
}

}  // namespace transport_internal

std::uint64_t ProcessAttachments::SendDescriptor(int fd) {
  descriptors_.push_back(fd);
  return descriptors_.size() - 1;
}

int ProcessAttachments::TakeDescriptor(std::uint64_t number) {
  if (number >= descriptors_.size() || descriptors_[number] < 0) {
    throw BadValue("expected a descriptor, got none");
  }
  return std::exchange(descriptors_[number], -1);
}

}  // namespace remoteobj
