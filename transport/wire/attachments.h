// SPDX-License-Identifier: MIT
//
// Attachments travel with a message beside its bytes: references to objects, and descriptors.
//
//   void Encode(const Region& region, ValueWriter out) {   // in a Codec
//     out.UInt(out.attachments().SendDescriptor(region.fd()));
//   }
//   int fd = in.attachments().TakeDescriptor(in.AsUInt(kMost));
//
// A message holds only the id and the type of an object, and only the number of a descriptor. The
// code that sends or receives the message derives a class from Attachments, which keeps the objects
// alive on the way and maps ids to them, and sets it on the message. Every writer and reader of the
// message leads to it.
//
// Threads:  as the message: one at a time.
// Lifetime: Attachments outlive the writing or reading of their message. A sender keeps its
//           descriptor; a receiver gets one of its own.
// Errors:   BadValue for what can't be attached to this message; StaleReference for an object that
//           is gone.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_ATTACHMENTS_H_
#define REMOTEOBJ_TRANSPORT_WIRE_ATTACHMENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "remoteobj/transport/wire/value.h"

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
  virtual void SendToProcess(ValueWriter out) const;

 protected:
  // Sets the type if it was not known at construction.
  void SetType(std::string_view type) {
    if (type_.empty()) type_ = type;
  }

 private:
  const std::uint64_t id_;
  std::string type_;
};

// The base takes nothing and has nothing: each of its functions throws BadValue, which says where
// such a value can be sent.
class Attachments {
 public:
  // The attachments of a message that is not sent.
  static Attachments& None();

  Attachments() = default;
  Attachments(const Attachments&) = delete;
  Attachments& operator=(const Attachments&) = delete;

  // Keeps a referent alive until the receiver has it.
  virtual void Send(std::shared_ptr<Referent> referent);
  // Returns the object with that id.
  virtual std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view type);
  // Returns what the receiver calls in the place of an object of this process, whose calls come to
  // `channel`.
  virtual std::shared_ptr<Referent> Offer(std::string_view type,
                                          const std::shared_ptr<Channel>& channel);

  // A reference as a value: its id and type, unless the message needs more.
  virtual void WriteReference(const std::shared_ptr<Referent>& referent, ValueWriter out);
  virtual std::shared_ptr<Referent> ReadReference(const ValueReader& in);

  // Returns true if descriptors can be attached.
  virtual bool takes_descriptors() const { return false; }
  // Returns the number that stands for `fd` in the message.
  virtual std::uint64_t SendDescriptor(int fd);
  // Returns the descriptor that was sent, which is the caller's then. Once each.
  virtual int TakeDescriptor(std::uint64_t number);

 protected:
  ~Attachments() = default;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_ATTACHMENTS_H_
