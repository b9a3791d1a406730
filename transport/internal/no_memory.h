// SPDX-License-Identifier: MIT
//
// The exception for a message for which there is no memory: a std::bad_alloc that says how large
// the message is and which limit is in force.
//
// Threads: thread-compatible; copies have one text.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_NO_MEMORY_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_NO_MEMORY_H_

#include <new>
#include <stdexcept>
#include <string>

namespace remoteobj::transport_internal {

class NoMemory : public std::bad_alloc {
 public:
  explicit NoMemory(const std::string& what) : what_(what) {}

  const char* what() const noexcept override { return what_.what(); }

 private:
  std::runtime_error what_;  // Copying it can't fail.
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_NO_MEMORY_H_
