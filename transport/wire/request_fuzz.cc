// SPDX-License-Identifier: MIT
//
// Malformed requests and outcomes. The bytes are what lies in
// a channel's memory, with the framing of Cap'n Proto's streams.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/packed.h"
#include "remoteobj/transport/wire/internal/walk_testing.h"

namespace {

using remoteobj::transport_internal::In;
using remoteobj::transport_internal::OutcomeIn;
using remoteobj::transport_internal::RequestIn;
using remoteobj::transport_internal::Walk;
using remoteobj::transport_internal::WithFramed;

// Only BadValue may come out of `read`.
template <typename Read>
void Try(std::string_view bytes, Read&& read) {
  try {
    WithFramed(bytes, read);
  } catch (const remoteobj::BadValue&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Try(bytes, [](In& message) { Walk(RequestIn(message)); });
  Try(bytes, [](In& message) { Walk(OutcomeIn(message)); });
  return 0;
}
