// SPDX-License-Identifier: MIT
//
// A program without a test framework, linked in several ways: with the hook of tracebacks, with a
// static C++ runtime, and without the hook. Its argument says if tracebacks are expected. Apart
// from tracebacks, exceptions behave the same in all of them.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "remoteobj/except/traceback.h"
#ifdef REMOTEOBJ_USES_EXCEPT
#include "remoteobj/except/except.h"
#endif

namespace {

#define CHECK(condition)                                        \
  if (!(condition)) {                                           \
    std::printf("line %d: not so: %s\n", __LINE__, #condition); \
    std::exit(EXIT_FAILURE);                                    \
  }

[[gnu::noinline]] void Thrower() { throw std::runtime_error("thrown"); }

// The message and the traceback of what `function` throws, as a program would print it.
template <typename F>
std::string Printed(F function) {
  const remoteobj::TracebackScope scope;
  try {
    function();
  } catch (const std::exception& e) {
    std::string text = e.what();
    for (const std::string& frame : remoteobj::CurrentTraceback()) text += "\n  " + frame;
    return text;
  }
  return "nothing was thrown";
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 2);
  const bool expects_tracebacks = argv[1] == std::string_view("tracebacks");
  const auto check = [&](const std::string& printed, std::string_view message,
                         std::string_view frame) {
    std::puts(printed.c_str());
    CHECK(printed.starts_with(message));
    CHECK(expects_tracebacks || printed == message);
    CHECK(!expects_tracebacks || printed.find(frame) != std::string::npos);
  };
  check(Printed(&Thrower), "thrown", "Thrower()");
  check(Printed([] {
          try {
            Thrower();
          } catch (...) {
            throw;
          }
        }),
        "thrown", "Thrower()");
  check(Printed([] { (void)std::vector<int>().at(3); }),
        "vector::_M_range_check: __n (which is 3) >= this->size() (which is 0)", "\n");
  // From one thread to another.
  std::exception_ptr error;
  std::thread([&] {
    try {
      Thrower();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  CHECK(Printed([&] { std::rethrow_exception(error); }) == "thrown");
#ifdef REMOTEOBJ_USES_EXCEPT
  const remoteobj::LocalExcept errors({.raises = false});
  errors(&Thrower);
  CHECK(errors.Last()->message() == "thrown");
  CHECK(errors.Last()->traceback().empty() != expects_tracebacks);
  try {
    errors.RaiseAny();
    CHECK(false);
  } catch (const std::runtime_error& e) {
    CHECK(std::string_view(e.what()) == "thrown");
  }
#endif
  return EXIT_SUCCESS;
}
