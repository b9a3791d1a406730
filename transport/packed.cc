// SPDX-License-Identifier: MIT
#include "remoteobj/transport/packed.h"

#include "remoteobj/transport/internal/packed.h"

namespace remoteobj {

std::string PackValue(absl::FunctionRef<void(ValueWriter)> write) {
  capnp::MallocMessageBuilder message;
  write(transport_internal::Access::Writer(message.initRoot<schema::Value>(), nullptr, 0));
  return transport_internal::Flatten(message);
}

void UnpackValue(std::string_view bytes, absl::FunctionRef<void(const ValueReader&)> read) {
  transport_internal::WithPackedValue(bytes, [&](schema::Value::Reader value) {
    read(transport_internal::Access::Reader(value, nullptr, {}, transport_internal::kNoIndex, 0));
  });
}

}  // namespace remoteobj
