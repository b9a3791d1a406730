// SPDX-License-Identifier: MIT
//
// Compiled to measure what a program includes anyway: the standard library's part of it.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
