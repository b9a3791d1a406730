// SPDX-License-Identifier: MIT
// An array keeps its numbers one beside the other.
#include <cstddef>
#include <string>

#include "remoteobj/manager/array.h"

std::size_t Size(const remoteobj::Array<std::string>& texts) { return texts->size(); }
