// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/own_descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <string>
#include <system_error>

namespace remoteobj::transport_internal {
namespace {

[[noreturn]] void ThrowErrno(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "remoteobj: " + what);
}

}  // namespace

int AboveStandardStreams(int fd) noexcept {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  close(fd);
  errno = error;
  return moved;
}

OwnDescriptor::OwnDescriptor(int fd) noexcept : fd_(AboveStandardStreams(fd)) {
  struct stat status;
  if (fd_ < 0 || fstat(fd_, &status) != 0) return;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

bool OwnDescriptor::IsOurs() const noexcept {
  struct stat status;
  return fd_ >= 0 && fstat(fd_, &status) == 0 && status.st_dev == device_ &&
         status.st_ino == inode_;
}

int OwnDescriptor::Checked(const char* what) const {
  if (!IsOurs()) {
    ThrowErrno(EBADF, std::string("this process has closed a descriptor of the library's, by "
                                  "closing all that it did not know: that of ") +
                          what);
  }
  return fd_;
}

void OwnDescriptor::Close() noexcept {
  if (IsOurs()) close(fd_);
  fd_ = -1;
}

OwnDescriptor NewMemoryFile(const char* name, Sealing sealing) {
  OwnDescriptor file(
      memfd_create(name, MFD_CLOEXEC | (sealing == Sealing::kAllowed ? MFD_ALLOW_SEALING : 0)));
  if (file.get() >= 0) return file;
  const int error = errno;
  if (error != ENOSYS && error != EPERM && error != EACCES) {
    ThrowErrno(error, "memory to share (memfd_create)");
  }
  file = OwnDescriptor(open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.get() < 0) {
    ThrowErrno(error,
               "memory to share: the system call memfd_create is denied (allow it in the seccomp "
               "profile of the container or the service), and a nameless file in /dev/shm, which "
               "would do instead, can't be made: " +
                   std::generic_category().message(errno));
  }
  return file;
}

void* MapPart(const OwnDescriptor& file, void* beginning, off_t offset,
              std::size_t bytes) noexcept {
  void* at = MAP_FAILED;
  if (file.IsOurs()) {
    at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(),
              offset);
  } else if (beginning != nullptr) {
    // A second mapping of the beginning, which is then moved along the file (and, by MAP_NONBLOCK,
    // not populated).
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes = (bytes + page - 1) / page * page;  // remap_file_pages() would round it down.
    at = mremap(beginning, 0, bytes, MREMAP_MAYMOVE);
    if (at != MAP_FAILED && remap_file_pages(at, bytes, 0, static_cast<std::size_t>(offset) / page,
                                             MAP_NONBLOCK) != 0) {
      munmap(at, bytes);
      at = MAP_FAILED;
    }
    if (at == MAP_FAILED && errno != ENOMEM) errno = EBADF;
  } else {
    errno = EBADF;
  }
  return at == MAP_FAILED ? nullptr : at;
}

off_t FileSizeLimit() noexcept {
  constexpr off_t kNone = std::numeric_limits<off_t>::max();
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur > static_cast<rlim_t>(kNone)) {
    return kNone;
  }
  return static_cast<off_t>(limit.rlim_cur);
}

void ResizeMemoryFile(int fd, off_t size, const char* what) {
  if (const off_t limit = FileSizeLimit(); size > limit) {
    ThrowErrno(EFBIG, std::string(what) + " takes " + std::to_string(size) +
                          " bytes, which the limit of file sizes does not allow (RLIMIT_FSIZE, "
                          "ulimit -f: " +
                          std::to_string(limit) + " bytes)");
  }
  if (ftruncate(fd, size) != 0) ThrowErrno(errno, what);
}

}  // namespace remoteobj::transport_internal
