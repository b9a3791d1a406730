// SPDX-License-Identifier: MIT
//
// The one way between the handles of value.h and message.h and Cap'n Proto's own types. Included
// by .cc files of this module only.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_ACCESS_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_ACCESS_H_

#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "capnp/message.h"
#include "kj/exception.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/message.capnp.h"
#include "remoteobj/transport/message.h"
#include "remoteobj/transport/value.h"

namespace remoteobj::transport_internal {

template <typename T>
void Put(Handle& handle, T value) {
  static_assert(sizeof(T) <= sizeof(Handle) && alignof(T) <= alignof(Handle));
  static_assert(std::is_trivially_destructible_v<T>);
  new (&handle) T(std::move(value));
}

template <typename T>
T& Take(Handle& handle) {
  return *std::launder(reinterpret_cast<T*>(&handle));
}

// Builders change the message, not themselves: a const handle gives one, by copy.
template <typename T>
T Take(const Handle& handle) {
  return *std::launder(reinterpret_cast<const T*>(&handle));
}

// Runs `f`; what Cap'n Proto says of a malformed message becomes BadValue.
template <typename F>
decltype(auto) Guarded(F&& f) {
  try {
    return f();
  } catch (const kj::Exception& e) {
    throw BadValue("malformed message: " + std::string(e.getDescription().cStr()));
  }
}

inline std::string_view View(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

// Writes a Text without first making a NUL-terminated copy of it.
template <typename Init>
void PutText(Init&& init, std::string_view text) {
  capnp::Text::Builder builder = init(static_cast<unsigned>(text.size()));
  if (!text.empty()) std::copy(text.begin(), text.end(), builder.begin());
}

struct Access {
  static const Handle& HandleOf(const ValueReader& in) { return in.handle_; }

  static ValueWriter Writer(schema::Value::Builder value, bool* bulk, int depth) {
    ValueWriter out;
    Put(out.handle_, value);
    out.bulk_ = bulk;
    out.depth_ = depth;
    return out;
  }

  static ListWriter List(capnp::List<schema::Value>::Builder values, bool* bulk, int depth) {
    ListWriter out;
    Put(out.handle_, values);
    out.bulk_ = bulk;
    out.depth_ = depth;
    return out;
  }

  static MapWriter Map(capnp::List<schema::Value::Entry>::Builder entries, bool* bulk, int depth) {
    MapWriter out;
    Put(out.handle_, entries);
    out.bulk_ = bulk;
    out.depth_ = depth;
    return out;
  }

  static RecordWriter Record(capnp::List<schema::Value::Field>::Builder fields, bool* bulk,
                             int depth) {
    RecordWriter out;
    Put(out.handle_, fields);
    out.bulk_ = bulk;
    out.depth_ = depth;
    return out;
  }

  static ValueReader Reader(schema::Value::Reader value, const ValueReader* parent,
                            std::string_view label, std::size_t index, int depth) {
    ValueReader in;
    Put(in.handle_, value);
    in.parent_ = parent;
    in.label_ = label;
    in.index_ = index;
    in.depth_ = depth;
    return in;
  }

  static ValueReader Key(schema::Value::Reader value, const ValueReader* parent, std::size_t index,
                         int depth) {
    ValueReader in = Reader(value, parent, {}, index, depth);
    in.is_key_ = true;
    return in;
  }

  static ListReader List(capnp::List<schema::Value>::Reader values, const ValueReader* parent,
                         std::string_view label, int depth) {
    ListReader in;
    Put(in.handle_, values);
    in.parent_ = parent;
    in.label_ = label;
    in.size_ = values.size();
    in.depth_ = depth;
    return in;
  }

  static MapReader Map(capnp::List<schema::Value::Entry>::Reader entries, const ValueReader* parent,
                       int depth) {
    MapReader in;
    Put(in.handle_, entries);
    in.parent_ = parent;
    in.size_ = entries.size();
    in.depth_ = depth;
    return in;
  }

  static RecordReader Record(schema::Value::Record::Reader record, const ValueReader* parent,
                             int depth) {
    RecordReader in;
    // Once: each getFields() is charged with the whole list.
    auto fields = record.getFields();
    Put(in.handle_, fields);
    in.parent_ = parent;
    in.size_ = fields.size();
    in.depth_ = depth;
    return in;
  }

  static RequestWriter Request(schema::Request::Builder request, bool* bulk) {
    RequestWriter out;
    Put(out.handle_, request);
    out.bulk_ = bulk;
    return out;
  }

  static OperationsWriter Operations(capnp::List<schema::Operation>::Builder operations,
                                     bool* bulk) {
    OperationsWriter out;
    Put(out.handle_, operations);
    out.bulk_ = bulk;
    return out;
  }

  static schema::Request::Builder Message(const RequestWriter& out) {
    return Take<schema::Request::Builder>(out.handle_);
  }

  static RequestReader Request(schema::Request::Reader request) {
    RequestReader in;
    auto operations = request.getOperations();
    Put(in.handle_, operations);
    in.size_ = operations.size();
    in.target_ = request.getTarget();
    in.deadline_ns_ = request.getDeadline();
    return in;
  }

  static OperationReader Operation(schema::Operation::Reader operation) {
    OperationReader in;
    Put(in.handle_, operation);
    return in;
  }

  static OutcomeWriter Outcome(OutcomeSpace& space) { return OutcomeWriter(space); }

  static OutcomeReader Outcome(schema::Outcome::Reader outcome) {
    OutcomeReader in;
    Put(in.handle_, outcome);
    return in;
  }

  static schema::Outcome::Reader Message(const OutcomeReader& in) {
    return Take<schema::Outcome::Reader>(in.handle_);
  }
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_ACCESS_H_
