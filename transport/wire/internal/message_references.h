// SPDX-License-Identifier: MIT
//
// Attachments that keep the references of a message in this process.
//
// Threads:  as the message: one at a time.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_MESSAGE_REFERENCES_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_MESSAGE_REFERENCES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/attachments.h"

namespace remoteobj::transport_internal {

using References = std::vector<std::shared_ptr<Referent>>;

// Collects the references of a message that is written.
class CollectedReferences final : public Attachments {
 public:
  // Objects of this process are offered by `offers`.
  CollectedReferences(References& references, Attachments& offers)
      : references_(references), offers_(offers) {}
  void Send(std::shared_ptr<Referent> referent) override {
    references_.push_back(std::move(referent));
  }
  std::shared_ptr<Referent> Offer(std::string_view type,
                                  const std::shared_ptr<Channel>& channel) override {
    return offers_.Offer(type, channel);
  }

 private:
  References& references_;
  Attachments& offers_;
};

// Returns those that were sent to a message that is read.
class SentReferences final : public Attachments {
 public:
  void Send(std::shared_ptr<Referent> referent) override {
    const std::uint64_t id = referent->id();
    references_.emplace(id, std::move(referent));
  }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view) override {
    const auto at = references_.find(id);
    if (at != references_.end()) return at->second;
    throw BadValue("a reference to an object that the message does not contain");
  }

 private:
  // The sender chooses the ids, and could make the hashes of a table collide.
  std::map<std::uint64_t, std::shared_ptr<Referent>> references_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_MESSAGE_REFERENCES_H_
