// SPDX-License-Identifier: MIT
//
// A type of somebody else's, which can't be described or should travel differently, gets a Codec.
//
//   tools/bazel run //examples:own_type
#include <array>
#include <complex>
#include <iostream>
#include <string>
#include <vector>

#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/packed.h"

// [codec]
template <>
struct remoteobj::Codec<std::complex<double>> {
  static void Encode(const std::complex<double>& z, ValueWriter out) {
    remoteobj::Encode(std::array{z.real(), z.imag()}, out);
  }
  static std::complex<double> Decode(const ValueReader& in) {
    const auto [real, imaginary] = remoteobj::Decode<std::array<double, 2>>(in);
    return {real, imaginary};
  }
};
// [/codec]

int main() {
  // [use]
  std::string bytes = remoteobj::Pack(std::vector<std::complex<double>>{{1, 2}, {3, 4}});
  auto numbers = remoteobj::Unpack<std::vector<std::complex<double>>>(bytes);
  std::cout << numbers[0] << " " << numbers[1] << "\n";  // (1,2) (3,4)
  try {
    remoteobj::Unpack<std::vector<std::string>>(bytes);
  } catch (const remoteobj::BadValue& e) {
    std::cout << e.what() << "\n";  // what was expected, what came, and where
  }
  // [/use]
}
