// SPDX-License-Identifier: MIT
#include "remoteobj/manager/caller.h"

#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/server/object_server.h"

namespace remoteobj {

Caller CurrentCaller() {
  const ClientInfo client = manager_internal::ObjectServer::CurrentClient();
  return {.connection = client.id,
          .pid = client.pid,
          .uid = client.uid < 0 ? std::nullopt : std::optional(static_cast<uid_t>(client.uid)),
          .address = client.address,
          .key = client.key,
          .certificate_names = client.certificate_names};
}

}  // namespace remoteobj
