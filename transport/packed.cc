// SPDX-License-Identifier: MIT
#include "remoteobj/transport/packed.h"

#include "remoteobj/transport/internal/access.h"
#include "remoteobj/transport/internal/heap_message.h"
#include "remoteobj/transport/internal/packed.h"

namespace remoteobj {

using transport_internal::Access;

std::string PackValue(absl::FunctionRef<void(ValueWriter)> write) {
  transport_internal::HeapMessage message;
  write(Access::Writer(
      message, message.NewStruct(message.Allocate(1), transport_internal::kValueLayout), 0));
  return transport_internal::Framed(message.words());
}

void UnpackValue(std::string_view bytes, absl::FunctionRef<void(const ValueReader&)> read) {
  transport_internal::WithFramed(bytes, [&](transport_internal::In& message) {
    read(Access::Reader(Root(message), nullptr, {}, transport_internal::kNoIndex, 0));
  });
}

}  // namespace remoteobj
