// SPDX-License-Identifier: MIT
//
// What is compiled to see what the one include costs.
#include "remoteobj/remoteobj.h"
