// SPDX-License-Identifier: MIT
#include "remoteobj/process/process.h"

int Function();
remoteobj::Process process({.threaded = true}, Function);
