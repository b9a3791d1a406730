// SPDX-License-Identifier: MIT
//
// The kinds of records in the log of an Except.
//
// An error is the result of PackError(). The others begin with the id of a Wrap, 8 bytes in the
// machine's byte order; a value follows as returned by Pack().
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_RECORDS_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_RECORDS_H_

#include <cstdint>

namespace remoteobj::except_internal {

// Other modules that write into the same log use numbers from 16 on.
enum RecordKind : std::uint32_t {
  kError = 1,
  kReturn = 2,
  kYield = 3,
  kTaken = 5,     // In a LocalExcept: a kReturn whose value was taken.
  kFinished = 4,  // Nothing follows the id: a generator function has returned or thrown.
};

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_RECORDS_H_
