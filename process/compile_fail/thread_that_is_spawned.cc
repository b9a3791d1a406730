// SPDX-License-Identifier: MIT
#include "remoteobj/process/thread.h"

int Function();
remoteobj::Thread on_a_thread({.start = remoteobj::Start::kSpawn}, Function);
