// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/attachments.h"

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

[[noreturn]] void ThrowReference() {
  throw BadValue(
      "a reference to an object of a server can be sent to that server, or as an argument of a "
      "process that is being started, and nowhere else");
}

[[noreturn]] void ThrowDescriptor() {
  throw BadValue(
      "an object in shared memory (a proxy, an Except) can be sent only as an argument of a "
      "process "
      "that is being started");
}

}  // namespace

void Referent::SendToProcess(ValueWriter) const {
  throw BadValue("this object can't be reached from another process");
}

Attachments& Attachments::None() {
  static constinit Attachments none;
  return none;
}

void Attachments::Send(std::shared_ptr<Referent>) { ThrowReference(); }

std::shared_ptr<Referent> Attachments::Receive(std::uint64_t, std::string_view) {
  ThrowReference();
}

std::shared_ptr<Referent> Attachments::Offer(std::string_view type,
                                             const std::shared_ptr<Channel>&) {
  throw BadValue(absl::StrCat("an object of this process (", std::string(type),
                              ") can be sent to a server, or as an argument of a process that is "
                              "being started, and nowhere else"));
}

void Attachments::WriteReference(const std::shared_ptr<Referent>& referent, ValueWriter out) {
  Send(referent);
  out.Object(referent->id(), referent->type());
}

std::shared_ptr<Referent> Attachments::ReadReference(const ValueReader& in) {
  return Receive(in.AsObject(), in.ObjectType());
}

std::uint64_t Attachments::SendDescriptor(int) { ThrowDescriptor(); }

int Attachments::TakeDescriptor(std::uint64_t) { ThrowDescriptor(); }

}  // namespace remoteobj
