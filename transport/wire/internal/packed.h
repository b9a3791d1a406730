// SPDX-License-Identifier: MIT
//
// Messages as bytes, with the framing of Cap'n Proto's streams.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_PACKED_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_PACKED_H_

#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "remoteobj/transport/wire/internal/flat.h"

namespace remoteobj::transport_internal {

// The bytes of a message that lies in one piece.
std::string Framed(std::span<const Word> words);

// Calls `read` with the message that `bytes` are. Several segments are read, too, as other writers
// make them. Throws BadValue if they are no message.
void WithFramed(std::string_view bytes, absl::FunctionRef<void(In&)> read);

// A message whose root is `root`, as bytes: what that leads to, and no more. And the struct that is
// the root of such bytes, put into another message.
std::string Extract(const StructIn& root);
void Embed(std::string_view bytes, Out& out, Position pointer);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_PACKED_H_
