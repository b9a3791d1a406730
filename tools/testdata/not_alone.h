// SPDX-License-Identifier: MIT
// Does not compile alone: it uses std::string and does not include it.
#ifndef REMOTEOBJ_TOOLS_TESTDATA_NOT_ALONE_H_
#define REMOTEOBJ_TOOLS_TESTDATA_NOT_ALONE_H_

std::string NotAlone();

#endif  // REMOTEOBJ_TOOLS_TESTDATA_NOT_ALONE_H_
