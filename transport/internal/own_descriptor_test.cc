// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/own_descriptor.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <system_error>

#include "gtest/gtest.h"

namespace remoteobj::transport_internal {
namespace {

// Runs `body` in a forked process. Returns true if that returned true.
bool InFork(const std::function<bool()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body() ? 0 : 1);
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(OwnDescriptor, IsNeverAStandardStreamOfAProgramThatWasBegunWithoutThem) {
  EXPECT_TRUE(InFork([] {
    for (int fd = 0; fd <= 2; ++fd) close(fd);
    const OwnDescriptor file = NewMemoryFile("test");
    return file.get() > 2 && fcntl(0, F_GETFD) < 0 &&
           (fcntl(file.get(), F_GETFD) & FD_CLOEXEC) != 0;
  }));
}

TEST(OwnDescriptor, IsToldFromALaterFileOfTheSameNumber) {
  OwnDescriptor file = NewMemoryFile("test");
  EXPECT_TRUE(file.IsOurs());
  const int number = file.get();
  close(number);
  EXPECT_FALSE(file.IsOurs());
  const OwnDescriptor other = NewMemoryFile("other");
  ASSERT_EQ(other.get(), number);
  EXPECT_FALSE(file.IsOurs());
  EXPECT_THROW(file.Checked("a test"), std::system_error);
  // Nor does it close what is another's.
  file.Close();
  EXPECT_TRUE(other.IsOurs());
}

TEST(OwnDescriptor, MovesWithItsFile) {
  OwnDescriptor file = NewMemoryFile("test");
  const int number = file.get();
  OwnDescriptor moved = std::move(file);
  EXPECT_EQ(moved.Checked("a test"), number);
  moved = OwnDescriptor();
  EXPECT_LT(moved.get(), 0);
  EXPECT_LT(fcntl(number, F_GETFD), 0);
}

TEST(ResizeMemoryFile, NamesTheLimitOfFileSizesInsteadOfRaisingASignal) {
  EXPECT_TRUE(InFork([] {
    const OwnDescriptor file = NewMemoryFile("test");
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    ResizeMemoryFile(file.get(), 4096, "a test");
    try {
      ResizeMemoryFile(file.get(), 4097, "a test");
      return false;
    } catch (const std::system_error& e) {
      return e.code().value() == EFBIG &&
             std::string(e.what()).find("ulimit -f") != std::string::npos;
    }
  }));
}

}  // namespace
}  // namespace remoteobj::transport_internal
