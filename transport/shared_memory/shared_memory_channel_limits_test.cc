// SPDX-License-Identifier: MIT
//
// A shared-memory channel where something is short or denied: address space, the size of files,
// descriptors, system calls.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/denied_call.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;

Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

// Runs in the listener: the argument's bytes come back in the other order of their halves.
void Swap(const RequestReader& request, OutcomeWriter& outcome) {
  const auto text = Decode<std::string>(request[0].Arguments()[0]);
  Encode(text.substr(text.size() / 2) + text.substr(0, text.size() / 2), outcome.Value());
}

std::string Call(Channel& channel, const std::string& text) {
  std::string back;
  std::string error;
  channel.Call(
      [&](RequestWriter request) {
        const OperationsWriter operations = request.Operations(1);
        operations.Set(0, OperationKind::kCall, "f", 0);
        Encode(text, operations.Arguments(0, 1)[0]);
      },
      [&](const OutcomeReader& outcome) {
        if (outcome.kind() == OutcomeKind::kError) {
          error = outcome.Error().message;
        } else {
          back = Decode<std::string>(outcome.Value());
        }
      },
      Watchdog());
  if (!error.empty()) throw BadValue(error);
  return back;
}

// Throws unless a text of that size goes there and comes back.
void Exchange(Channel& channel, std::size_t size) {
  const std::size_t half = size / 2;
  const std::string back = Call(channel, std::string(half, 'a') + std::string(half, 'b'));
  if (back != std::string(half, 'b') + std::string(half, 'a')) {
    throw std::runtime_error("a wrong answer");
  }
}

// Why it can't.
std::string RefusalOf(Channel& channel, std::size_t size) {
  try {
    Exchange(channel, size);
  } catch (const BadValue& e) {
    return e.what();
  }
  return "no refusal";
}

void Expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}
void ExpectContains(const std::string& text, const std::string& part) {
  Expect(absl::StrContains(text, part), absl::StrCat(text, " has no ", part));
}

void Limit(int resource, std::uint64_t value) {
  const rlimit limit{value, value};
  Expect(setrlimit(resource, &limit) == 0, "setrlimit");
}

std::unique_ptr<Forked> Listen(SharedMemoryChannel& channel) {
  auto listener = std::make_unique<Forked>([&] {
    channel.listener().Open();
    for (;;) channel.listener().Serve(&Swap, Deadline::Never());
  });
  Expect(channel.WaitUntilListening(Watchdog()), "nobody listens");
  return listener;
}

std::uint64_t AddressSpace(pid_t pid) {
  unsigned long pages = 0;
  std::FILE* const file = std::fopen(absl::StrCat("/proc/", pid, "/statm").c_str(), "r");
  Expect(file != nullptr && std::fscanf(file, "%lu", &pages) == 1, "statm");
  std::fclose(file);
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;

// Runs `body` in a process of its own, which may lower its limits. An end by a signal is a failure,
// too.
void InFork(const std::function<void()>& body) { EXPECT_EQ(Forked(body).Wait(), 0); }

TEST(SharedMemoryChannelLimits, TwoGibibytesOfAddressSpaceAreEnough) {
  InFork([] {
    const auto channel = SharedMemoryChannel::Create();
    const std::uint64_t room = AddressSpace(getpid()) + 2 * kGiB;
    Limit(RLIMIT_AS, room);
    const auto listener = Listen(*channel);
    Exchange(*channel, 1000);
    Exchange(*channel, 10'000);
    std::vector<std::thread> threads;
    threads.reserve(16);
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 20; ++k) Exchange(*channel, 10'000);
      });
    }
    for (std::thread& thread : threads) thread.join();
    Exchange(*channel, 64 * kMiB);
    // One that does not fit says why, and harms none of the others.
    const std::string text((room - AddressSpace(getpid())) / 4 * 3, 'x');
    std::string refusal = "none";
    try {
      Call(*channel, text);
    } catch (const std::bad_alloc& e) {
      refusal = e.what();
    }
    ExpectContains(refusal, absl::StrCat("(RLIMIT_AS, ulimit -v) is ", room));
    Exchange(*channel, 10'000);
  });
}

TEST(SharedMemoryChannelLimits, OnlyWhatIsUsedIsMapped) {
  InFork([] {
    const auto channel = SharedMemoryChannel::Create();
    const auto listener = Listen(*channel);
    Exchange(*channel, 1000);
    const auto here = [before = AddressSpace(getpid())] { return AddressSpace(getpid()) - before; };
    const auto there = [&, before = AddressSpace(listener->pid())] {
      return AddressSpace(listener->pid()) - before;
    };
    Exchange(*channel, 10'000);
    Expect(here() < kMiB && there() < kMiB, absl::StrCat("mapped: ", here(), ", ", there()));
    Exchange(*channel, 200 * kMiB);
    // The channel keeps 96 MiB of it each way, and a spare buffer or two of the memory allocator's.
    Exchange(*channel, 10'000);
    Expect(here() < 260 * kMiB && there() < 260 * kMiB,
           absl::StrCat("still mapped: ", here(), ", ", there()));
  });
}

TEST(SharedMemoryChannelLimits, ALimitOfFileSizesIsNoSignal) {
  InFork([] {
    Limit(RLIMIT_FSIZE, kGiB);
    const auto channel = SharedMemoryChannel::Create();
    const auto listener = Listen(*channel);
    Exchange(*channel, 1000);
    Exchange(*channel, 8 * kMiB);
    ExpectContains(RefusalOf(*channel, 16 * kMiB), "(RLIMIT_FSIZE, ulimit -f)");
    Exchange(*channel, 8 * kMiB);
  });
  InFork([] {
    Limit(RLIMIT_FSIZE, kMiB);
    const auto channel = SharedMemoryChannel::Create();
    const auto listener = Listen(*channel);
    Exchange(*channel, 7000);
    ExpectContains(RefusalOf(*channel, 10'000), "(RLIMIT_FSIZE, ulimit -f)");
  });
  InFork([] {
    Limit(RLIMIT_FSIZE, 0);
    try {
      SharedMemoryChannel::Create();
    } catch (const std::system_error& e) {
      Expect(e.code().value() == EFBIG, e.what());
      ExpectContains(e.what(), "(RLIMIT_FSIZE, ulimit -f: 0 bytes)");
      return;
    }
    Expect(false, "there is a channel");
  });
}

// A limit that comes later is none for what is there.
TEST(SharedMemoryChannelLimits, ALaterLimitOfFileSizesDoesNotMatter) {
  InFork([] {
    const auto channel = SharedMemoryChannel::Create();
    Limit(RLIMIT_FSIZE, 0);
    const auto listener = Listen(*channel);
    Exchange(*channel, 16 * kMiB);
  });
}

TEST(SharedMemoryChannelLimits, AProgramThatClosesAllDescriptorsKeepsItsFilesAndItsChannel) {
  InFork([] {
    const auto channel = SharedMemoryChannel::Create();
    const auto listener = Listen(*channel);
    close_range(3, ~0u, 0);
    // Its own files, which get the numbers that the library's had.
    const std::string block(8 * kMiB, 'A');
    const int own = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    Expect(own == 3 && write(own, block.data(), block.size()) > 0, "a file");
    for (int i = 0; i < 8; ++i) Expect(dup(own) > 0, "dup");
    for (const std::size_t size : {std::size_t{1000}, 4 * kMiB, 200 * kMiB}) {
      Exchange(*channel, size);
    }
    EXPECT_THROW(channel->fd(), std::system_error);
    std::string back(block.size(), ' ');
    Expect(pread(own, back.data(), back.size(), 0) == static_cast<ssize_t>(back.size()) &&
               back == block,
           "the file is another one");
  });
}

TEST(SharedMemoryChannelLimits, AProgramWithoutStandardStreamsDoesNotPrintIntoTheMemory) {
  InFork([] {
    for (int fd = 0; fd <= 2; ++fd) close(fd);
    const auto channel = SharedMemoryChannel::Create();
    const auto listener = Listen(*channel);
    const std::string text(2 * kMiB, '\xff');
    for (int fd = 0; fd <= 2; ++fd) {
      if (write(fd, text.data(), text.size()) > 0) _exit(10 + fd);
    }
    Exchange(*channel, 10'000);
  });
}

TEST(SharedMemoryChannelLimits, WithoutMemfdTheMemoryIsInDevShm) {
  for (const int error : {ENOSYS, EPERM}) {
    InFork([error] {
      Expect(remoteobj_testing::DenySystemCall(SYS_memfd_create, error), "seccomp");
      const auto channel = SharedMemoryChannel::Create();
      const auto listener = Listen(*channel);
      Exchange(*channel, 1000);
      Exchange(*channel, 10 * kMiB);
      // It is not sealed, so only this program attaches to it.
      SharedMemoryChannel::Attach(dup(channel->fd()));
      try {
        transport_internal::AttachPolled(dup(channel->fd()), 0);
      } catch (const BadValue&) {
        return;
      }
      Expect(false, "a stranger's memory that is not sealed");
    });
  }
}

TEST(SharedMemoryChannelLimits, AFileThatIsNoChannelIsRefused) {
  const auto file = transport_internal::NewMemoryFile("test");
  EXPECT_THROW(SharedMemoryChannel::Attach(dup(file.get())), BadValue);
  EXPECT_THROW(transport_internal::AttachPolled(dup(file.get()), 0), BadValue);
}

}  // namespace
}  // namespace remoteobj
