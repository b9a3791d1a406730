// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/flat.h"

#include <string>

#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {

void ThrowMalformed(const char* what) { throw BadValue(std::string("malformed message: ") + what); }

}  // namespace remoteobj::transport_internal
