// SPDX-License-Identifier: MIT
//
// Descriptors that belong to the library, in a program that may do with descriptors as it likes.
//
// A program may have been started with descriptors 0 to 2 closed, and what is opened next gets
// their numbers: everything that is printed would be written into it. So the library's descriptors
// lie above 2. A program may also close all descriptors that it does not know, and then open files
// of its own: an OwnDescriptor remembers the file, and tells whether its number still refers to it.
//
//   OwnDescriptor memory = NewMemoryFile("remoteobj", Sealing::kAllowed);
//   if (memory.IsOurs()) ftruncate(memory.get(), size);
//
// Threads:  thread-compatible. IsOurs() is async-signal-safe.
// Lifetime: the destructor closes the descriptor, unless the number is another file's by then.
// Errors:   std::system_error.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_OWN_DESCRIPTOR_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_OWN_DESCRIPTOR_H_

#include <sys/types.h>

#include <cstddef>
#include <utility>

namespace remoteobj::transport_internal {

// Moves `fd` above 2, if it is not there already, to a descriptor that is closed at exec. Returns
// the new number; -1, with errno, if `fd` is negative or there is no descriptor left: then `fd` is
// closed.
int AboveStandardStreams(int fd) noexcept;

class OwnDescriptor {
 public:
  OwnDescriptor() = default;
  // Takes `fd` over; moves it above 2. Empty, with errno, if that fails or `fd` is negative.
  explicit OwnDescriptor(int fd) noexcept;
  ~OwnDescriptor() { Close(); }
  OwnDescriptor(OwnDescriptor&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), device_(other.device_), inode_(other.inode_) {}
  OwnDescriptor& operator=(OwnDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    return *this;
  }

  // Negative if there is none.
  int get() const { return fd_; }
  // True if the number refers to the file that it referred to at first. All eventfds, and all
  // pidfds before Linux 6.9, count as one file.
  bool IsOurs() const noexcept;
  // The number. Throws std::system_error (EBADF), which names `what`, unless IsOurs().
  int Checked(const char* what) const;
  void Close() noexcept;
  // Forgets the descriptor, and leaves it open.
  void Release() noexcept { fd_ = -1; }

 private:
  int fd_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

enum class Sealing { kNone, kAllowed };

// Returns an empty file in memory, which has no name. If memfd_create is denied, as by the seccomp
// profiles of some containers, the file is in /dev/shm: it can't be sealed, and has no more room
// than that file system.
OwnDescriptor NewMemoryFile(const char* name, Sealing sealing = Sealing::kNone);

// Sets the size of a file that is in memory. Throws std::system_error; where the limit of file
// sizes (ulimit -f) forbids it, that names the limit, and no SIGXFSZ is raised.
void ResizeMemoryFile(int fd, off_t size, const char* what);

// Maps a part of a file. `beginning`, if it is not null, is a mapping of the file from its first
// byte on, through which the file is found again if the program has closed the descriptor. `offset`
// is a multiple of the page size. Returns null, and sets errno, if it fails. Async-signal-safe.
void* MapPart(const OwnDescriptor& file, void* beginning, off_t offset, std::size_t bytes) noexcept;

// The limit of this process's file sizes; the largest off_t if there is none. Async-signal-safe.
off_t FileSizeLimit() noexcept;

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_OWN_DESCRIPTOR_H_
