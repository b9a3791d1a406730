// SPDX-License-Identifier: MIT
#include "remoteobj/tools/testdata/refused.h"

void Compiles(int* i) { TakesPointer(i); }
