// SPDX-License-Identifier: MIT
//
// What the records of an Except's log are.
//
// An error is what PackError gives. The others begin with the 8 bytes of the id of a Wrap, in the
// machine's byte order; a value follows as Pack gives it.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_RECORDS_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_RECORDS_H_

#include <cstdint>

namespace remoteobj::except_internal {

// Other modules, which write into the same log, have numbers from 16 on.
enum RecordKind : std::uint32_t {
  kError = 1,
  kReturn = 2,
  kYield = 3,
  kTaken = 5,     // In a LocalExcept: was a kReturn.
  kFinished = 4,  // Nothing follows the id: a generator's function has ended, in whatever way.
};

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_RECORDS_H_
