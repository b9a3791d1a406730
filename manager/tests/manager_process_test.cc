// SPDX-License-Identifier: MIT
//
// A manager among the other things of a machine: signals and limits of the program that has it, and
// its file, for which several managers may compete.
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"

// In this program the moment between looking at a file and removing it is a long one.
extern "C" int unlink(const char* path) noexcept {
  constexpr useconds_t kMicroseconds = 20'000;
  usleep(kMicroseconds);
  return static_cast<int>(syscall(SYS_unlink, path));
}

namespace remoteobj {
namespace {

using remoteobj_testing::Eventually;
using remoteobj_testing::Forked;

constexpr std::array kSignals = {SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD, SIGINT, SIGTERM, SIGHUP};

void Nothing(int) {}

// The handlers of this process, and what this thread blocks.
std::string Signals() {
  std::string text;
  for (const int number : kSignals) {
    struct sigaction action = {};
    sigaction(number, nullptr, &action);
    text += action.sa_handler == SIG_IGN ? 'i' : action.sa_handler == SIG_DFL ? 'd' : 'h';
  }
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  for (const int number : kSignals) text += sigismember(&blocked, number) == 1 ? 'b' : '-';
  return text;
}

rlim_t MostDescriptors() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

TEST(SignalsTest, AProgramThatServesKeepsItsHandlersAndItsLimitOfDescriptors) {
  Forked program([] {
    signal(SIGUSR1, &Nothing);
    signal(SIGPIPE, &Nothing);
    const std::string before = Signals();
    rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 256;
    setrlimit(RLIMIT_NOFILE, &files);
    absl::Notification serves;
    Manager manager("", {.on_serving = [&](const std::string&) { serves.Notify(); }});
    std::string of_the_thread;
    std::thread server([&] {
      manager.ServeForever();
      of_the_thread = Signals();
    });
    serves.WaitForNotification();
    Manager client = Manager::Connect(manager.address());
    client.Dict<int, int>()[1] = 1;
    EXPECT_EQ(Signals(), before);
    EXPECT_EQ(MostDescriptors(), 256u);
    manager.Stop();
    server.join();
    EXPECT_EQ(of_the_thread, before);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST(SignalsTest, ASignalToTheProcessGroupDoesNotEndTheManagerBeforeItsProgram) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    Forked program([number] {
      setpgid(0, 0);
      signal(number, &Nothing);
      Manager manager;
      auto dict = manager.Dict<std::string, int>({{"done", 0}});
      kill(0, number);
      // The program's own work as it ends.
      for (int i = 0; i < 100; ++i) dict["done"] += 1;
      const bool well = *dict["done"] == 100;
      manager.Shutdown();
      _exit(well ? 0 : 1);
    });
    EXPECT_EQ(program.Wait(), 0) << strsignal(number);
  }
}

// Files of sockets

constexpr int kUsed = 3;  // The exit code of a server whose address is used.

struct Shared {
  std::atomic<bool> go;
  std::atomic<int> serving, refused;
};

class SocketFileTest : public testing::Test {
 protected:
  SocketFileTest() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }
  ~SocketFileTest() override {
    unlink(path().c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0) << "something is left there";
  }

  const std::string& directory() const { return directory_; }
  std::string path() const { return directory_ + "/socket"; }

 private:
  std::string directory_ = "/tmp/remoteobj-manager-XXXXXX";
};

TEST_F(SocketFileTest, OfFourThatBeginAtALeftOverFileOneServesAndTheOthersAreTold) {
  constexpr int kServers = 4;
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  for (int round = 0; round < 10; ++round) {
    const auto serve = [&](Shared& shared) {
      while (!shared.go) {
      }
      try {
        Manager("unix:" + path(), {.on_serving = [&](const std::string&) { ++shared.serving; }})
            .ServeForever();
      } catch (const std::system_error& e) {
        ++shared.refused;
        _exit(e.code() == std::errc::address_in_use ? kUsed : 1);
      }
    };
    Shared& shared = *new (memory) Shared{};
    {
      // A killed server leaves its file.
      shared.go = true;
      Forked left([&] { serve(shared); });
      Eventually("a manager serves", [&] { return shared.serving != 0; });
      left.Kill();
      shared.go = false;
      shared.serving = 0;
    }
    std::vector<std::unique_ptr<Forked>> servers;
    for (int i = 0; i < kServers; ++i) {
      servers.push_back(std::make_unique<Forked>([&] { serve(shared); }));
    }
    shared.go = true;
    Eventually("each has begun or was refused",
               [&] { return shared.serving + shared.refused == kServers; });
    EXPECT_EQ(shared.serving, 1);
    int told = 0;
    EXPECT_EQ(Manager::Connect("unix:" + path()).object_count(), 0u);
    for (const auto& server : servers) {
      if (server->Kill() == kUsed) ++told;
    }
    EXPECT_EQ(told, kServers - 1);
  }
  munmap(memory, sizeof(Shared));
}

// To connect takes the right to write.
TEST_F(SocketFileTest, OtherUsersMayConnectIfTheOptionIsSetWhateverTheUmask) {
  const mode_t before = umask(022);
  for (const bool others : {true, false}) {
    Manager manager("unix:" + path(), {.other_users = others});
    manager.Start();
    struct stat found = {};
    ASSERT_EQ(lstat(path().c_str(), &found), 0);
    EXPECT_EQ((found.st_mode & 0022) == 0022, others);
  }
  umask(before);
}

TEST_F(SocketFileTest, AnOrdinaryFileAtThePathIsNotTouched) {
  {
    std::ofstream file(path());
    file << "the only copy";
  }
  try {
    Manager("unix:" + path()).Start();
    ADD_FAILURE() << "it listens";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::address_in_use);
  }
  std::string text;
  std::getline(std::ifstream(path()), text);
  EXPECT_EQ(text, "the only copy");
}

TEST_F(SocketFileTest, TheEndOfAManagerLeavesTheFileOfItsSuccessor) {
  auto first = std::make_unique<Manager>("unix:" + path());
  first->Start();
  unlink(path().c_str());
  Manager successor("unix:" + path());
  successor.Start();
  first.reset();
  EXPECT_EQ(Manager::Connect("unix:" + path()).object_count(), 0u);
}

TEST_F(SocketFileTest, ARelativePathMeansTheSameAfterTheProgramHasChangedItsDirectory) {
  ASSERT_EQ(chdir(directory().c_str()), 0);
  Manager manager("unix:socket");
  auto dict = manager.Dict<std::string, int>({{"a", 1}});
  ASSERT_EQ(chdir("/"), 0);
  EXPECT_EQ(manager.address(), "unix:" + path());
  Process child([&] { return int{*dict["a"]}; });
  child.Join();
  EXPECT_EQ(child.result(), 1);
  manager.Shutdown();
  struct stat found = {};
  EXPECT_NE(lstat(path().c_str(), &found), 0) << "the file is left";
}

}  // namespace
}  // namespace remoteobj
