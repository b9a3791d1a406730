// SPDX-License-Identifier: MIT
//
// Everything, in one include. A program that uses one module can include and link that alone.
#ifndef REMOTEOBJ_REMOTEOBJ_H_
#define REMOTEOBJ_REMOTEOBJ_H_

#endif  // REMOTEOBJ_REMOTEOBJ_H_
