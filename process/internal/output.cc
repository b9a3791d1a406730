// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "remoteobj/process/internal/close_all_but.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/own_descriptor.h"

namespace remoteobj::process_internal {
namespace {

using transport_internal::OwnDescriptor;

// The part of stderr in the text of a ProcessDied.
constexpr std::uint64_t kEndBytes = 2048;

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Returns the size of a file, or 0.
std::uint64_t SizeOf(const OwnDescriptor& file) {
  struct stat status;
  return file.IsOurs() && fstat(file.get(), &status) == 0
             ? static_cast<std::uint64_t>(status.st_size)
             : 0;
}

// Returns bytes [from, to) of a file that has so many.
std::string Read(const OwnDescriptor& file, std::uint64_t from, std::uint64_t to) {
  std::string text(static_cast<std::size_t>(to - from), '\0');
  const ssize_t n = pread(file.get(), text.data(), text.size(), static_cast<off_t>(from));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return text;
}

std::string ReadAtMost(const OwnDescriptor& file, std::uint64_t most) {
  const std::uint64_t size = SizeOf(file);
  std::string text = Read(file, 0, std::min(size, most));
  if (size > most) {
    absl::StrAppend(&text, "\n[remoteobj: cut here: ", most, " of ", size,
                    " bytes (ProcessOptions::max_output)]\n");
  }
  return text;
}

void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// Writes `text` to `fd` line by line; an incomplete line stays in `line`.
void Forward(std::string_view text, const std::string& prefix, std::string& line, int fd) {
  for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
    line.append(text.substr(0, end + 1));
    WriteAll(fd, prefix + line);
    line.clear();
  }
  line.append(text);
}

// The main function of the forwarder.
[[noreturn]] void RunForwarder(const std::string& name, int ended, const int (&&from)[2]) {
  constexpr std::size_t kLongestLine = 1 << 16;
  prctl(PR_SET_NAME, name.c_str());
  CloseAllBut({from[0], from[1], ended});
  for (const int number : {SIGINT, SIGTERM, SIGQUIT}) signal(number, SIG_IGN);
  const std::string prefix = "[" + name + "] ";
  std::string lines[2];
  pollfd wait[] = {{from[0], POLLIN, 0}, {from[1], POLLIN, 0}, {ended, POLLIN, 0}};
  for (bool last = false; !last;) {
    if (poll(wait, 3, -1) < 0) continue;
    // The process has ended, so all its output is in the pipe; other processes may still write.
    last = wait[2].revents != 0 || (wait[0].fd < 0 && wait[1].fd < 0);
    for (int i = 0; i < 2; ++i) {
      int left = 0;
      if (last) ioctl(from[i], FIONREAD, &left);
      do {
        char buffer[16 << 10];
        const ssize_t n = wait[i].fd < 0 ? -1 : read(from[i], buffer, sizeof buffer);
        if (n == 0) wait[i].fd = -1;
        if (n <= 0) break;
        Forward({buffer, static_cast<std::size_t>(n)}, prefix, lines[i], i + 1);
        if (lines[i].size() > kLongestLine) Forward("\n", prefix, lines[i], i + 1);
        left -= static_cast<int>(n);
      } while (left > 0);
    }
  }
  for (int i = 0; i < 2; ++i) {
    if (!lines[i].empty()) Forward("\n", prefix, lines[i], i + 1);
  }
  _exit(0);
}

}  // namespace

OutputOf::OutputOf(Output where, std::uint64_t most) : where_(where), most_(most) {
  for (int i = 0; i < 2 && where != Output::kInherit; ++i) {
    if (where == Output::kCapture) {
      write_[i] = transport_internal::NewMemoryFile("remoteobj-output");
      fcntl(write_[i].get(), F_SETFL, O_APPEND);
    } else {
      int ends[2];
      if (pipe2(ends, O_CLOEXEC) != 0) ThrowErrno("remoteobj: pipe");
      read_[i] = OwnDescriptor(ends[0]);
      write_[i] = OwnDescriptor(ends[1]);
      if (read_[i].get() < 0 || write_[i].get() < 0) ThrowErrno("remoteobj: pipe");
      fcntl(read_[i].get(), F_SETFL, O_NONBLOCK);
    }
  }
}

OutputOf::~OutputOf() {
  if (forwarder_ > 0 && starter_ == transport_internal::Self()) {
    kill(forwarder_, SIGKILL);
    Finish(absl::Seconds(1));
  }
}

void OutputOf::Redirect() {
  if (where_ == Output::kInherit) return;
  for (int i = 0; i < 2; ++i) dup2(write_[i].get(), i + 1);
  for (auto& end : write_) end.Close();
  for (auto& end : read_) end.Close();
}

void OutputOf::Started(const std::string& name, int fd) {
  if (where_ != Output::kForward) return;
  for (auto& end : write_) end.Close();
  starter_ = transport_internal::Self();
  forwarder_ = fork();
  if (forwarder_ == 0) RunForwarder(name, fd, {read_[0].get(), read_[1].get()});
  for (auto& end : read_) end.Close();
  if (forwarder_ < 0) ThrowErrno("remoteobj: fork of a process that forwards output");
}

bool OutputOf::Finish(absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  while (forwarder_ > 0) {
    const pid_t pid = waitpid(forwarder_, nullptr, WNOHANG);
    if (pid == forwarder_ || (pid < 0 && errno != EINTR)) forwarder_ = 0;
    if (forwarder_ == 0) break;
    if (deadline.expired()) return false;
    absl::SleepFor(absl::Microseconds(200));
  }
  return true;
}

std::string OutputOf::Out() const {
  return where_ == Output::kCapture ? ReadAtMost(write_[0], most_) : std::string();
}

std::string OutputOf::Err() const {
  return where_ == Output::kCapture ? ReadAtMost(write_[1], most_) : std::string();
}

std::string OutputOf::EndOfErr() const {
  if (where_ != Output::kCapture) return {};
  const std::uint64_t size = SizeOf(write_[1]);
  const std::uint64_t from = size - std::min(size, kEndBytes);
  std::string text = Read(write_[1], from, size);
  if (from > 0) text.erase(0, text.find('\n') + 1);
  return text;
}

}  // namespace remoteobj::process_internal
