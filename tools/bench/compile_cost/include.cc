// SPDX-License-Identifier: MIT
//
// Compiled to measure the cost of the one include.
#include "remoteobj/remoteobj.h"
