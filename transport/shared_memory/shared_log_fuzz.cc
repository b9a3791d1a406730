// SPDX-License-Identifier: MIT
//
// The log of a hostile child: honest records, any bytes written over its words and its lanes, and
// reads in between. Nothing but records may come out of it, and every read returns.
//
// The input is a list of steps, each of a few bytes; see Step().
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <system_error>

#include "remoteobj/testing/fuzz_input.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj {
namespace {

using remoteobj_testing::FuzzInput;

constexpr std::uint64_t kPage = 4096;

class Fuzz {
 public:
  explicit Fuzz(std::span<const std::uint8_t> input) : input_(input) {}

  void Run() {
    SharedLog log({.max_record = input_.Byte() % 2 == 0 ? kPage : std::uint64_t{1} << 40});
    SharedLog::Reader reader(log, /*consume=*/input_.Byte() % 2 == 0);
    for (int steps = 0; !input_.over() && steps < 200; ++steps) Step(log, reader);
    // A reader that has just begun sees the same log.
    SharedLog::Reader other(log);
    for (int i = 0; i < 1000 && other.Next(); ++i) {
    }
  }

 private:
  void Step(SharedLog& log, SharedLog::Reader& reader) {
    const std::uint8_t what = input_.Byte();
    switch (what % 6) {
      case 0:
        // An owner that lives, and which a hostile child may name, is waited for 5 seconds.
        if (spoilt_) return;
        try {
          log.Append(what, std::string(input_.Byte() * std::size_t{16}, 'x'));
        } catch (const std::system_error&) {  // It is larger than max_record.
        }
        return;
      case 1: {
        // A word of the header: counters, owners and tails of lanes.
        Write(log, input_.Byte() * sizeof(std::uint64_t), input_.Word());
        return;
      }
      case 2: {
        struct stat file = {};
        fstat(log.memory_fd(), &file);
        const std::uint64_t lanes = static_cast<std::uint64_t>(file.st_size) - kPage;
        const std::uint64_t lane_bytes = what < 128 ? lanes / 5 : lanes / 33;
        Write(log,
              kPage + (input_.Byte() % 33) * lane_bytes + input_.Byte() * sizeof(std::uint64_t),
              input_.Word());
        return;
      }
      case 3:
        static_cast<void>(log.Backlog());
        static_cast<void>(log.cleared());
        return;
      case 4:
        if (what > 240) return log.Clear();
        [[fallthrough]];
      default:
        reader.Next();
    }
  }

  void Write(const SharedLog& log, std::uint64_t offset, std::uint64_t word) {
    spoilt_ = true;
    [[maybe_unused]] const ssize_t ignored =
        pwrite(log.memory_fd(), &word, sizeof word, static_cast<off_t>(offset));
  }

  FuzzInput input_;
  bool spoilt_ = false;
};

}  // namespace
}  // namespace remoteobj

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remoteobj::Fuzz({data, size}).Run();
  return 0;
}
