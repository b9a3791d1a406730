// SPDX-License-Identifier: MIT
// Refuses what the tests of //tools want refused.
#ifndef REMOTEOBJ_TOOLS_TESTDATA_REFUSED_H_
#define REMOTEOBJ_TOOLS_TESTDATA_REFUSED_H_

template <typename T>
void TakesPointer(T) {
  static_assert(requires(T t) { *t; }, "TakesPointer wants a 'pointer'");
}

#endif  // REMOTEOBJ_TOOLS_TESTDATA_REFUSED_H_
