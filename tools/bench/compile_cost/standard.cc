// SPDX-License-Identifier: MIT
//
// What is compiled to see what a program has included anyway: the standard library's part of it.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
