// SPDX-License-Identifier: MIT
//
// Descriptors that travel with a value: shared memory, for one, to a process that is no fork.
//
//   void Encode(const Region& region, ValueWriter out) {   // in a Codec
//     out.UInt(remoteobj::SendDescriptor(region.fd()));
//   }
//
// They can travel only where somebody carries them, which is with the arguments of a process that
// is being started. Anywhere else to send such a value is a BadValue.
//
// Threads:  the scopes are the calling thread's.
// Lifetime: a sender keeps its descriptor; a receiver gets one of its own.
#ifndef REMOTEOBJ_TRANSPORT_DESCRIPTORS_H_
#define REMOTEOBJ_TRANSPORT_DESCRIPTORS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "remoteobj/transport/errors.h"

namespace remoteobj {

// While one lives, values that are encoded on this thread may send descriptors, and values that are
// decoded may take those that it has.
class DescriptorScope {
 public:
  explicit DescriptorScope(std::vector<int> descriptors = {})
      : descriptors_(std::move(descriptors)), before_(std::exchange(current_, this)) {}
  ~DescriptorScope() { current_ = before_; }
  DescriptorScope(const DescriptorScope&) = delete;
  DescriptorScope& operator=(const DescriptorScope&) = delete;

  const std::vector<int>& descriptors() const { return descriptors_; }

  // The innermost one of this thread; null, or BadValue, if there is none.
  static DescriptorScope* CurrentOrNull() { return current_; }
  static DescriptorScope& Current() {
    if (current_ == nullptr) {
      throw BadValue(
          "what is made of shared memory (a proxy, an Except) can be sent as an argument of a "
          "process "
          "that is being started, and nowhere else");
    }
    return *current_;
  }

 private:
  friend class NoScopes;
  friend std::uint64_t SendDescriptor(int);
  friend int TakeDescriptor(std::uint64_t);

  static inline constinit thread_local DescriptorScope* current_ = nullptr;

  std::vector<int> descriptors_;
  DescriptorScope* const before_;
};

// What stands for `fd` in the value.
inline std::uint64_t SendDescriptor(int fd) {
  auto& descriptors = DescriptorScope::Current().descriptors_;
  descriptors.push_back(fd);
  return descriptors.size() - 1;
}

// The descriptor that was sent, which is now the caller's. Once each.
inline int TakeDescriptor(std::uint64_t sent) {
  auto& descriptors = DescriptorScope::Current().descriptors_;
  if (sent >= descriptors.size() || descriptors[sent] < 0) {
    throw BadValue("expected a descriptor, got none");
  }
  return std::exchange(descriptors[sent], -1);
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_DESCRIPTORS_H_
