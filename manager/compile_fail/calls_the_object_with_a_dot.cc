// SPDX-License-Identifier: MIT
// The dot is the proxy, the arrow is the object.
#include <cstddef>

#include "remoteobj/manager/dict.h"

std::size_t Size(const remoteobj::Dict<int, int>& d) { return d.size(); }
