// SPDX-License-Identifier: MIT
#include "remoteobj/tools/testdata/refused.h"

void DoesNotCompile() { TakesPointer(1); }
