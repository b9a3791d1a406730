// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/packed.h"

#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/packed.h"

namespace remoteobj {

using transport_internal::Access;

std::string PackValue(absl::FunctionRef<void(ValueWriter)> write, Attachments& attachments) {
  transport_internal::HeapMessage message;
  message.SetAttachments(&attachments);
  write(Access::Writer(
      message, message.NewStruct(message.Allocate(1), transport_internal::kValueLayout), 0));
  return transport_internal::Framed(message.words());
}

void UnpackValue(std::string_view bytes, absl::FunctionRef<void(const ValueReader&)> read,
                 Attachments& attachments) {
  transport_internal::WithFramed(bytes, [&](transport_internal::In& message) {
    message.attachments = &attachments;
    read(Access::Reader(Root(message), nullptr, {}, transport_internal::kNoIndex, 0));
  });
}

std::string PackError(const ErrorInfo& error) {
  transport_internal::HeapMessage message;
  Access::Outcome(message).Error(error);
  return transport_internal::Framed(message.words());
}

ErrorInfo UnpackError(std::string_view bytes) {
  ErrorInfo error;
  transport_internal::WithFramed(bytes, [&](transport_internal::In& message) {
    const OutcomeReader outcome = transport_internal::OutcomeIn(message);
    if (outcome.kind() != OutcomeKind::kError) throw BadValue("expected an error, got a value");
    error = outcome.Error();
  });
  return error;
}

}  // namespace remoteobj
