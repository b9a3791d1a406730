// SPDX-License-Identifier: MIT
// A mutex has no value that could be sent.
#include <cstddef>
#include <mutex>

#include "remoteobj/manager/list.h"

std::size_t Size(const remoteobj::List<std::mutex>& l) { return l->size(); }
