// SPDX-License-Identifier: MIT
//
// The bytes of a fuzzer's input as decisions, one after the other. At its end they are all 0.
#ifndef REMOTEOBJ_TESTING_FUZZ_INPUT_H_
#define REMOTEOBJ_TESTING_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace remoteobj_testing {

class FuzzInput {
 public:
  // The bytes outlive it.
  explicit FuzzInput(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  bool over() const { return bytes_.empty(); }
  std::uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  std::size_t Below(std::size_t count) { return Byte() % count; }
  // The next 8 bytes as a number, or as many bytes as are left.
  std::uint64_t Word() {
    std::uint64_t word = 0;
    const std::span<const std::uint8_t> some = First(sizeof word);
    if (!some.empty()) std::memcpy(&word, some.data(), some.size());
    return word;
  }
  // A size, and as many bytes.
  std::span<const std::uint8_t> Some() { return First(Byte()); }

 private:
  std::span<const std::uint8_t> First(std::size_t wanted) {
    const std::span<const std::uint8_t> some = bytes_.first(std::min(wanted, bytes_.size()));
    bytes_ = bytes_.subspan(some.size());
    return some;
  }

  std::span<const std::uint8_t> bytes_;
};

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_FUZZ_INPUT_H_
