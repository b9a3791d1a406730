// SPDX-License-Identifier: MIT
//
// A parser of data that is not trusted, in a process of its own that has limits and a sandbox. If
// the data makes it misbehave, this program gets an error that says how, and goes on.
//
//   tools/bazel run //examples:untrusted
#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <fstream>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/remoteobj.h"

namespace {

using remoteobj::Sandbox;
using std::cout;

// Counts words; and does what data makes a parser do that has a bug.
int Parse(const std::string& data) {
  if (data == "endless") {
    for (volatile bool again = true; again;) {
    }
  }
  if (data == "large") return static_cast<int>(std::vector<char>(std::size_t{1} << 30, 'x').size());
  if (data == "pointer") return *reinterpret_cast<volatile int*>(8);
  if (data == "secret" && !std::ifstream("/etc/passwd")) {
    throw std::system_error(errno, std::generic_category(), "/etc/passwd");
  }
  if (data == "network" && socket(AF_INET, SOCK_STREAM, 0) < 0) {
    throw std::system_error(errno, std::generic_category(), "socket");
  }
  if (data.find(' ') == data.npos) throw std::invalid_argument("no words in: " + data);
  int words = 1;
  for (const char c : data) words += c == ' ' ? 1 : 0;
  return words;
}

}  // namespace

int main() {
  const std::vector<std::string> inputs = {
      "three honest words", "broken", "endless", "large", "pointer", "network", "secret"};
  for (const std::string& data : inputs) {
    cout << data << ": ";
    // [sandbox]
    try {
      remoteobj::Process parse(
          {.name = "parse",
           .limits = {.memory = 256 << 20, .cpu = absl::Seconds(1), .files = 16},
           .sandbox = Sandbox::kNoFiles | Sandbox::kNoNetwork | Sandbox::kNoProcesses},
          Parse, data);
      cout << parse.Get() << " words\n";
    } catch (const remoteobj::SandboxUnavailable& e) {
      cout << e.what() << "\n";  // this kernel can't confine it; nothing was parsed
    } catch (const remoteobj::ProcessDied& e) {
      cout << "crashed" << (e.limit().empty() ? "" : ", by ") << e.limit() << "\n";
    } catch (const std::bad_alloc& e) {
      cout << e.what() << "\n";
    } catch (const std::exception& e) {
      cout << "refused: " << e.what() << "\n";  // as Parse threw it
    }
    // [/sandbox]
  }
}
