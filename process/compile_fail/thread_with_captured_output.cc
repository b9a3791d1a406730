// SPDX-License-Identifier: MIT
#include "remoteobj/process/thread.h"

int Function();
remoteobj::Thread on_a_thread({.output = remoteobj::Output::kCapture}, Function);
