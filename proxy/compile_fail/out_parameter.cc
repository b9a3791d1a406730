// SPDX-License-Identifier: MIT
#include <string>

#include "remoteobj/proxy/proxy.h"

struct Reader {
  bool Read(std::string& line) { return line.empty(); }
};
REMOTEOBJ_DESCRIBE(Reader, Read)

bool Call(remoteobj::Proxy<Reader>& remote, std::string& line) { return remote->Read(line); }
