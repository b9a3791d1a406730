// SPDX-License-Identifier: MIT
// A value that was got is a copy: changing it in place would change nothing there.
#include <string>
#include <vector>

#include "remoteobj/manager/dict.h"

void Change(const remoteobj::Dict<std::string, std::vector<int>>& d) { (*d["a"]).push_back(1); }
