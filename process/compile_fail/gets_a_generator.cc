// SPDX-License-Identifier: MIT
#include "remoteobj/process/process.h"

void Get(remoteobj::Process<remoteobj::Generator<int>>& process) { process.Get(); }
