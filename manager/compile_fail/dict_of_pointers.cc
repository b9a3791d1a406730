// SPDX-License-Identifier: MIT
// A pointer means nothing in another process.
#include <cstddef>

#include "remoteobj/manager/dict.h"

std::size_t Size(const remoteobj::Dict<int, int*>& d) { return d->size(); }
