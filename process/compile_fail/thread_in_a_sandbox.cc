// SPDX-License-Identifier: MIT
#include "remoteobj/process/thread.h"

int Function();
remoteobj::Thread thread({.sandbox = remoteobj::Sandbox::kNoFiles}, Function);
