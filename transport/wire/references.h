// SPDX-License-Identifier: MIT
//
// References, as values, to objects that stay where they are.
//
//   Encode(Reference{counter}, out);                  // its id and its type, and no more
//
// The attachments of the message (attachments.h) keep the object alive on the way and map ids to
// objects. Attachments of the arguments of a process that is being started say in the message how
// the process reaches the object.
//
// Errors:   BadValue for a message that takes no references; StaleReference for an object that is
//           gone.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_REFERENCES_H_
#define REMOTEOBJ_TRANSPORT_WIRE_REFERENCES_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/attachments.h"  // IWYU pragma: export
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {

struct Reference {
  std::shared_ptr<Referent> referent;
};

namespace transport_internal {

// Registers, at program start, the function that returns the referent which SendToProcess() has
// written in another process of this program. `kind` is the first item of the list that it writes.
using ReceiveReferent = std::shared_ptr<Referent> (*)(const ValueReader&);
bool RegisterReferents(std::string_view kind, ReceiveReferent receive);
// Throws BadValue for a kind that was not registered.
std::shared_ptr<Referent> ReceiveFromProcess(const ValueReader& in);

}  // namespace transport_internal

// Attachments of the arguments of a process that is being started: shared memory goes as a
// descriptor, a reference as the data by which the process reaches the object.
class ProcessAttachments final : public Attachments {
 public:
  explicit ProcessAttachments(std::vector<int> descriptors = {})
      : descriptors_(std::move(descriptors)) {}

  // The descriptors that were sent, or that can be taken; -1 in the place of one that was taken.
  const std::vector<int>& descriptors() const { return descriptors_; }

  void WriteReference(const std::shared_ptr<Referent>& referent, ValueWriter out) override {
    referent->SendToProcess(out);
  }
  std::shared_ptr<Referent> ReadReference(const ValueReader& in) override {
    return transport_internal::ReceiveFromProcess(in);
  }
  bool takes_descriptors() const override { return true; }
  std::uint64_t SendDescriptor(int fd) override;
  int TakeDescriptor(std::uint64_t number) override;

 private:
  std::vector<int> descriptors_;
};

template <>
struct Codec<Reference> {
  static void Encode(const Reference& reference, ValueWriter out) {
    if (reference.referent == nullptr) throw BadValue("a reference to no object");
    out.attachments().WriteReference(reference.referent, out);
  }
  static Reference Decode(const ValueReader& in) { return {in.attachments().ReadReference(in)}; }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_REFERENCES_H_
