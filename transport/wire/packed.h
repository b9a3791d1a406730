// SPDX-License-Identifier: MIT
//
// A value on its own, as bytes: for a file, a test, or a place that keeps values for later.
//
//   std::string bytes = remoteobj::Pack(std::vector<int>{1, 2});
//   auto numbers = remoteobj::Unpack<std::vector<int>>(bytes);
//
// The format is a Cap'n Proto message (its stream framing) whose root is a Value of message.capnp.
//
// Threads:  no state.
// Errors:   BadValue for bytes that are not such a message, or hold another type.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_PACKED_H_
#define REMOTEOBJ_TRANSPORT_WIRE_PACKED_H_

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/attachments.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {

// References and descriptors in the value travel by `attachments`.
std::string PackValue(absl::FunctionRef<void(ValueWriter)> write,
                      Attachments& attachments = Attachments::None());
void UnpackValue(std::string_view bytes, absl::FunctionRef<void(const ValueReader&)> read,
                 Attachments& attachments = Attachments::None());

template <typename T>
std::string Pack(const T& value, Attachments& attachments = Attachments::None()) {
  return PackValue([&](ValueWriter out) { Encode(value, out); }, attachments);
}

template <typename T>
T Unpack(std::string_view bytes, Attachments& attachments = Attachments::None()) {
  std::optional<T> value;
  UnpackValue(bytes, [&](const ValueReader& in) { value.emplace(Decode<T>(in)); }, attachments);
  return *std::move(value);
}

// An error on its own: the bytes of a message whose root is an Outcome.
std::string PackError(const ErrorInfo& error);
ErrorInfo UnpackError(std::string_view bytes);

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_PACKED_H_
