// SPDX-License-Identifier: MIT
//
// Has a system call fail in this process and its children, as the seccomp profile of a container
// does.
//
//   DenySystemCall(SYS_memfd_create, EPERM);
//
// Threads:  for the calling thread, and those that it starts from then on.
// Errors:   returns false, with errno, if the kernel does not let it.
#ifndef REMOTEOBJ_TESTING_DENIED_CALL_H_
#define REMOTEOBJ_TESTING_DENIED_CALL_H_

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace remoteobj_testing {

inline bool DenySystemCall(long number, int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_DENIED_CALL_H_
