// SPDX-License-Identifier: MIT
//
// References to objects that stay where they are, as parts of values.
//
//   Encode(Reference{counter}, out);                  // its id and its type, and no more
//
// As an argument of a process that is re-executed (see descriptors.h) a reference says where its
// manager is, too.
//
// A value says no more of an object than its id and its type. What keeps it alive on the way, and
// what an id means where it arrives, is up to the carrier of the value: it sets a ReferenceScope
// around its encoding and decoding. Without one such a value can't be sent.
//
// Threads:  a scope is the calling thread's.
// Errors:   BadValue where no scope is set; StaleReference for an object that is gone.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_REFERENCES_H_
#define REMOTEOBJ_TRANSPORT_WIRE_REFERENCES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/descriptors.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {

class Channel;

// What a reference refers to. It lives as long as anybody has it, here or elsewhere.
class Referent {
 public:
  Referent(std::uint64_t id, std::string type) : id_(id), type_(std::move(type)) {}
  virtual ~Referent() = default;
  Referent(const Referent&) = delete;
  Referent& operator=(const Referent&) = delete;

  std::uint64_t id() const { return id_; }
  const std::string& type() const { return type_; }
  // Where it is called. Valid as long as this.
  virtual Channel& channel() = 0;
  // Whether the other refers to the same object.
  virtual bool Same(const Referent& other) const { return this == &other; }
  // Writes all that another process needs to get to the object. Throws BadValue if it can't.
  virtual void SendToProcess(ValueWriter) const {
    throw BadValue("this object can't be reached from another process");
  }

 protected:
  // What was not known when it was made.
  void SetType(std::string_view type) {
    if (type_.empty()) type_ = type;
  }

 private:
  const std::uint64_t id_;
  std::string type_;
};

// While one lives, values that are encoded and decoded on this thread may hold references.
class ReferenceScope {
 public:
  ReferenceScope() : before_(std::exchange(current_, this)) {}
  ReferenceScope(const ReferenceScope&) = delete;
  ReferenceScope& operator=(const ReferenceScope&) = delete;

  // Null if there is none.
  static ReferenceScope* CurrentOrNull() { return current_; }
  // Throws BadValue if there is none.
  static ReferenceScope& Current() {
    if (current_ == nullptr) {
      throw BadValue(
          "a reference to an object of a manager can be sent to that manager, and to processes "
          "that are being started, and nowhere else");
    }
    return *current_;
  }

  // The reference is being written: sees to it that its object lives until the receiver has it.
  virtual void Send(std::shared_ptr<Referent> referent) = 0;
  // What a reference that is being read refers to. Throws StaleReference if it is gone.
  virtual std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view type) = 0;
  // An object of this process's own is being written: gives what the receiver is to call it by. Its
  // calls come to `channel`.
  virtual std::shared_ptr<Referent> Offer(std::string_view type,
                                          const std::shared_ptr<Channel>& channel) {
    if (before_ != nullptr) return before_->Offer(type, channel);
    throw BadValue(absl::StrCat("an object of this process (", std::string(type),
                                ") can be sent to a manager, and to processes that are being "
                                "started, and nowhere else"));
  }

 protected:
  ~ReferenceScope() { current_ = before_; }

 private:
  friend class NoScopes;

  static inline constinit thread_local ReferenceScope* current_ = nullptr;

  ReferenceScope* const before_;
};

// While one lives, this thread has neither a ReferenceScope nor a DescriptorScope: for values that
// are encoded, but not sent.
class NoScopes {
 public:
  NoScopes()
      : references_(std::exchange(ReferenceScope::current_, nullptr)),
        descriptors_(std::exchange(DescriptorScope::current_, nullptr)) {}
  ~NoScopes() {
    ReferenceScope::current_ = references_;
    DescriptorScope::current_ = descriptors_;
  }
  NoScopes(const NoScopes&) = delete;
  NoScopes& operator=(const NoScopes&) = delete;

 private:
  ReferenceScope* const references_;
  DescriptorScope* const descriptors_;
};

// A reference as a value of its own.
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

template <>
struct Codec<Reference> {
  static void Encode(const Reference& reference, ValueWriter out) {
    if (reference.referent == nullptr) throw BadValue("a reference to no object");
    if (ReferenceScope::CurrentOrNull() == nullptr && DescriptorScope::CurrentOrNull() != nullptr) {
      return reference.referent->SendToProcess(out);
    }
    ReferenceScope::Current().Send(reference.referent);
    out.Object(reference.referent->id(), reference.referent->type());
  }
  static Reference Decode(const ValueReader& in) {
    if (in.kind() == ValueKind::kList && ReferenceScope::CurrentOrNull() == nullptr &&
        DescriptorScope::CurrentOrNull() != nullptr) {
      return {transport_internal::ReceiveFromProcess(in)};
    }
    return {ReferenceScope::Current().Receive(in.AsObject(), in.ObjectType())};
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_REFERENCES_H_
