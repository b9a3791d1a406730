// SPDX-License-Identifier: MIT
// A pointer means nothing in another process.
#include "remoteobj/manager/namespace.h"

void Set(const remoteobj::Namespace& ns, int* pointer) { ns.Set("x", pointer); }
