// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/tls.h"

#include <memory>

#include "remoteobj/transport/rpc/internal/tls_session.h"

namespace remoteobj {

std::shared_ptr<Tls> NewTls(TlsOptions options) {
  return transport_internal::NewCertificateTls(options);
}

}  // namespace remoteobj
