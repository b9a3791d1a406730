// SPDX-License-Identifier: MIT
//
// An append-only log in shared memory, for what must survive the process that says it.
//
//   remoteobj::SharedLog log;             // shared with processes forked after this line
//   if (fork() == 0) {
//     log.Append(kProgress, "half of it");  // safe when it returns, whatever comes next
//     raise(SIGKILL);
//   }
//   remoteobj::SharedLog::Reader reader(log);
//   while (auto record = reader.Next()) Use(record->kind, record->data);
//
// A record is complete or it is not there, whatever instruction its writer dies at. Writers never
// wait for readers; one that wants back-pressure asks for Backlog() and waits with WaitForRoom().
// A reader made with `consume` returns the memory of what it has read to the kernel.
//
// Order:    records of one thread come in its order. If one Append() returned before another began,
//           in whatever process, its record comes first.
// Threads:  thread-safe, and safe among processes; a Reader belongs to one thread at a time.
// Lifetime: the memory lives as long as any process has it. A process may close all descriptors: it
//           can still read and write, but its records wake readers that wait only 50 times a
//           second.
// Trust:    other processes may write anything into the memory. Records are lost then, but this
//           process never blocks or crashes: an Append() that finds no lane free for 5 seconds
//           fails.
// Errors:   std::system_error if there is no memory or no descriptor left, if all lanes stay taken
//           (ETIMEDOUT), or if the log is full (EFBIG). It only gets full with Options::max_record,
//           and where a limit of file sizes (ulimit -f) was in force when it was made. A process
//           that lowers the limit later writes on.
// Not here: what the records mean.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_LOG_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_LOG_H_

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/transport/internal/own_descriptor.h"

namespace remoteobj {

class SharedLog {
 public:
  struct Record {
    std::uint64_t sequence = 0;  // Unique in this log; grows in the order of the records.
    std::uint32_t kind = 0;      // The writer's own.
    std::string_view data = {};  // The reader's, until it is asked for the next one.
  };
  class Reader;
  struct Options {
    // True if a reader may wait for records. Costs a descriptor.
    bool can_wait = false;
    // The largest record, in bytes. Writers may append four times as much in the log's life, and
    // what they do to its memory can't make it larger than about five times as much.
    std::uint64_t max_record = std::numeric_limits<std::uint64_t>::max();
  };

  SharedLog() : SharedLog(Options{}) {}
  explicit SharedLog(Options options);
  ~SharedLog();
  SharedLog(const SharedLog&) = delete;
  SharedLog& operator=(const SharedLog&) = delete;

  // Writes a record; returns its sequence. `data` may have any size that memory has room for.
  std::uint64_t Append(std::uint32_t kind, std::string_view data);
  // The same for a signal handler: calls only what is async-signal-safe. Returns false if it
  // failed.
  bool AppendInSignalHandler(std::uint32_t kind, std::string_view data) noexcept;

  // Makes all readers, in all processes, skip what was begun to be appended before; its memory is
  // given back.
  void Clear();
  // Changes with every Clear().
  std::uint64_t cleared() const;

  // Bytes that were appended and that no consuming reader has taken yet.
  std::uint64_t Backlog() const;
  // The memory of the log: an upper limit for the bytes of the records that are there now, which
  // other processes raise only by memory that they take. Empty if this process has closed the
  // descriptor.
  std::optional<std::uint64_t> MemoryBytes() const;
  // Waits until Backlog() is at most `bytes`, at most for `timeout`. Returns whether it is. May
  // return early.
  bool WaitForRoom(std::uint64_t bytes, absl::Duration timeout);

  // Memory beside the log for what its owner shares, cleared at first.
  static constexpr std::size_t kExtraBytes = 1024;
  void* extra() const;
  // More such memory, of any size. Returns false if it can't be read.
  bool ReadOwners(std::uint64_t offset, char* data, std::size_t size) const;
  void WriteOwners(std::uint64_t offset, std::string_view data);

  // The descriptors by which a process that is not a fork opens the same log; closed at exec. The
  // second one is -1 if readers can't wait. Throws if this process has closed it.
  int memory_fd() const { return memory_fd_.Checked("a log"); }
  int wake_fd() const { return wake_fd_.get(); }
  // The log in the memory of `memory_fd`. Takes the descriptors over.
  SharedLog(int memory_fd, int wake_fd);

 private:
  friend class Reader;
  struct Header;
  struct Lane;
  struct RecordHeader;

  void Map();
  std::uint64_t OffsetOf(unsigned lane) const;
  std::uint64_t TailOf(unsigned lane) const;
  int TakeLane(std::uint64_t bytes, Lane** lane, std::uint64_t* offset) noexcept;
  void WakeReaders() noexcept;
  int WriteAt(std::uint64_t offset, const iovec* parts, std::size_t count) noexcept;
  int WriteMapped(std::uint64_t offset, const iovec* parts, std::size_t count) noexcept;
  bool Read(std::uint64_t offset, char* data, std::size_t size) const;
  int Write(std::uint32_t kind, std::string_view data, std::uint64_t* sequence) noexcept;

  transport_internal::OwnDescriptor memory_fd_;
  transport_internal::OwnDescriptor wake_fd_;
  Header* header_ = nullptr;
  // Copies of what the header says: other processes can change that.
  unsigned lane_count_ = 0;
  std::uint64_t lane_bytes_ = 0;
  // Relaxed: they guard no other data.
  std::atomic<bool> lanes_are_blocked_{false};
  std::atomic<bool> wake_is_blocking_{false};
};

// Reads a log from its beginning. Any number may read; at most one may consume, and then the others
// see what it has left. Only one at a time may Wait().
class SharedLog::Reader {
 public:
  // REQUIRES: `log` outlives it.
  explicit Reader(SharedLog& log, bool consume = false);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The next record; empty if there is none yet. Damaged records are left out.
  std::optional<Record> Next();
  // Passes all records that are there now, in order. Returns also if another process appends faster
  // than this one reads.
  void ReadAll(absl::FunctionRef<void(const Record&)> use);
  // Waits until there may be a further record, `other_fd` is readable (none: -1), or `timeout` is
  // over. Returns false at the timeout. REQUIRES: Options::can_wait.
  bool Wait(int other_fd, absl::Duration timeout);

 private:
  struct Cursor;

  bool FindHead(unsigned lane);
  bool FindHeads();
  std::optional<Record> Take(unsigned lane);
  void GiveBack(unsigned lane);

  SharedLog& log_;
  const bool consume_;
  std::vector<Cursor> cursors_;  // One for each lane.
  std::unique_ptr<char[]> large_;
  std::size_t large_size_ = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_LOG_H_
