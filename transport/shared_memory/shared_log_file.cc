// SPDX-License-Identifier: MIT
//
// The bytes of a SharedLog: how its file is written and read, also by a process that has closed the
// file's descriptor, or whose limit of file sizes does not let it write there. Such a process maps
// a part of the file for a moment; shared_log.cc says why that is possible.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/shared_memory/internal/shared_log_layout.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj {
namespace transport_internal {

void ThrowLogError(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

void ThrowLogWriteError(int error) {
  ThrowLogError(error,
                error == EFBIG
                    ? "remoteobj: a log has no room left, since there was a limit of file sizes "
                      "(RLIMIT_FSIZE, ulimit -f) or of its records when it was made"
                : error == ETIMEDOUT
                    ? "remoteobj: other processes hold all lanes of a log, and none of them writes"
                    : "remoteobj: write to a log");
}

void PunchHole(const OwnDescriptor& file, std::uint64_t from, std::uint64_t to) {
  // A failure costs memory, and nothing else.
  if (from < to && file.IsOurs()) {
    [[maybe_unused]] const int ignored =
        fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                  static_cast<off_t>(to - from));
  }
}

}  // namespace transport_internal

namespace {

using transport_internal::OwnDescriptor;

// Bytes of the file that are mapped for a moment. `first_page` is a mapping of its first page.
class Mapped {
 public:
  // REQUIRES: the file has that size.
  Mapped(const OwnDescriptor& file, void* first_page, std::uint64_t offset, std::size_t size) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t from = offset / page * page;
    length_ = static_cast<std::size_t>(offset - from) + size;
    void* const memory =
        transport_internal::MapPart(file, first_page, static_cast<off_t>(from), length_);
    if (memory == nullptr) return;
    memory_ = static_cast<char*>(memory);
    data_ = memory_ + (offset - from);
#ifdef MADV_POPULATE_WRITE
    // A lack of memory is an error here, and later a SIGBUS. Before Linux 5.14 it isn't noticed.
    if (madvise(memory_, length_, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) data_ = nullptr;
#endif
  }
  ~Mapped() {
    if (memory_ != nullptr) munmap(memory_, length_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  // Null if there is no memory or no address space for it.
  char* data() const { return data_; }

 private:
  std::size_t length_ = 0;
  char* memory_ = nullptr;
  char* data_ = nullptr;
};

// All of it, or false.
bool ReadAt(const OwnDescriptor& file, std::uint64_t offset, char* data, std::size_t size) {
  if (!file.IsOurs()) return false;
  while (size > 0) {
    const ssize_t n = pread(file.get(), data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

// Returns errno, or 0.
int SharedLog::WriteAt(std::uint64_t offset, const iovec* parts, std::size_t count) noexcept {
  constexpr std::size_t kMostParts = 3;
  std::size_t size = 0;
  iovec left[kMostParts];
  for (std::size_t i = 0; i < count; ++i) size += (left[i] = parts[i]).iov_len;
  // To write beyond the limit would raise SIGXFSZ.
  if (!memory_fd_.IsOurs() ||
      offset + size > static_cast<std::uint64_t>(transport_internal::FileSizeLimit())) {
    return WriteMapped(offset, parts, count);
  }
  for (iovec* part = left; part != left + count;) {
    // Not through the library: there it would be a point at which a thread can be cancelled.
    const long n = syscall(SYS_pwritev, memory_fd_.get(), part, left + count - part, offset, 0);
    if (n < 0) {
      if (errno != EINTR) return errno;
      continue;
    }
    offset += static_cast<std::uint64_t>(n);
    for (std::size_t rest = static_cast<std::size_t>(n); part != left + count;) {
      const std::size_t taken = std::min(rest, part->iov_len);
      part->iov_base = static_cast<char*>(part->iov_base) + taken;
      part->iov_len -= taken;
      rest -= taken;
      if (part->iov_len > 0) break;
      ++part;
    }
  }
  return 0;
}

// Returns errno, or 0.
int SharedLog::WriteMapped(std::uint64_t offset, const iovec* parts, std::size_t count) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) size += parts[i].iov_len;
  const Mapped file(memory_fd_, header_, offset, size);
  if (file.data() == nullptr) return errno;
  char* to = file.data();
  for (std::size_t i = 0; i < count; to += parts[i++].iov_len) {
    if (parts[i].iov_len != 0) std::memcpy(to, parts[i].iov_base, parts[i].iov_len);
  }
  return 0;
}

// All of it, or false. Throws where the descriptor is closed, and nothing can be mapped.
bool SharedLog::Read(std::uint64_t offset, char* data, std::size_t size) const {
  if (size == 0) return true;
  if (memory_fd_.IsOurs()) return ReadAt(memory_fd_, offset, data, size);
  const Mapped file(memory_fd_, header_, offset, size);
  if (file.data() == nullptr)
    transport_internal::ThrowLogError(ENOMEM, "remoteobj: memory to read a log");
  std::memcpy(data, file.data(), size);
  return true;
}

}  // namespace remoteobj
