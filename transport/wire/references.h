// SPDX-License-Identifier: MIT
//
// References, as parts of values, to objects that stay where they are.
//
//   Encode(Reference{counter}, out);                  // its id and its type, and no more
//
// A value holds only the id and the type of an object. The code that sends or receives the value
// keeps the object alive on the way and maps ids to objects: it sets a ReferenceScope while it
// encodes or decodes. Without a scope, such a value can't be sent.
//
// A reference in an argument of a process that is being started (see descriptors.h) also says how
// the process reaches the object.
//
// Threads:  a scope belongs to the calling thread.
// Errors:   BadValue if no scope is set; StaleReference for an object that is gone.
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

// The target of a reference. It lives as long as this process or another has a reference to it.
class Referent {
 public:
  Referent(std::uint64_t id, std::string type) : id_(id), type_(std::move(type)) {}
  virtual ~Referent() = default;
  Referent(const Referent&) = delete;
  Referent& operator=(const Referent&) = delete;

  std::uint64_t id() const { return id_; }
  const std::string& type() const { return type_; }
  // The channel of its calls. Valid as long as this.
  virtual Channel& channel() = 0;
  // Returns true if `other` refers to the same object.
  virtual bool Same(const Referent& other) const { return this == &other; }
  // Writes what another process needs to reach the object. Throws BadValue if none can.
  virtual void SendToProcess(ValueWriter) const {
    throw BadValue("this object can't be reached from another process");
  }

 protected:
  // Sets the type if it was not known at construction.
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
          "a reference to an object of a server can be sent to that server, and to processes that "
          "are being started, and nowhere else");
    }
    return *current_;
  }

  // Called when a reference is written. Keeps its object alive until the receiver has it. The
  // default is for scopes of decoding.
  virtual void Send(std::shared_ptr<Referent>) {
    throw BadValue("a value with a reference is written where values are only read");
  }
  // Called when a reference is read: returns its object. Throws StaleReference if the object is
  // gone. The default is for scopes of encoding.
  virtual std::shared_ptr<Referent> Receive(std::uint64_t, std::string_view) {
    throw BadValue("a value with a reference is read where values are only written");
  }
  // Called when an object of this process is written: returns what the receiver calls. The calls
  // come to `channel`.
  virtual std::shared_ptr<Referent> Offer(std::string_view type,
                                          const std::shared_ptr<Channel>& channel) {
    if (before_ != nullptr) return before_->Offer(type, channel);
    throw BadValue(absl::StrCat("an object of this process (", std::string(type),
                                ") can be sent to a server, and to processes that are being "
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
// are encoded but not sent.
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
