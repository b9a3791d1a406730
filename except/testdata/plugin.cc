// SPDX-License-Identifier: MIT
//
// A library that a test loads and unloads. It knows nothing of remoteobj.
#include <stdexcept>

namespace {

struct PluginError : std::runtime_error {
  using std::runtime_error::runtime_error;
  ~PluginError() override {}  // Code of this library.
};

}  // namespace

extern "C" void Throw() { throw PluginError("of the plugin"); }
