// SPDX-License-Identifier: MIT
//
// A program with a buffer and a vector that could be overrun, as the libraries are compiled.
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

// `size` is not known when this is compiled.
[[gnu::noinline]] int Sum(const char* text, std::size_t size) {
  char buffer[16];
  std::memcpy(buffer, text, size);
  int sum = 0;
  for (const char c : buffer) sum += c;
  return sum;
}

}  // namespace

// Overruns the one that is named.
int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "nothing";
  if (what == "buffer") return Sum(argv[0] - 64, 64);
  const std::vector<int> items(static_cast<std::size_t>(argc));
  if (what == "vector") return items[static_cast<std::size_t>(argc)];
  return Sum("0123456789abcdef", 16) == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
