// SPDX-License-Identifier: MIT
#include "remoteobj/testing/limits.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>

#include "remoteobj/testing/forked.h"

namespace remoteobj_testing {
namespace {

struct Words {
  alignas(64) std::atomic<std::uint32_t> there{0};
  alignas(64) std::atomic<std::uint32_t> back{0};
};

// Memory that a child shares.
Words& SharedWords() {
  void* memory =
      mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return *new (memory) Words;
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void Futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

void Send(int fd, char byte) {
  while (write(fd, &byte, 1) != 1) {
  }
}

char Receive(int fd) {
  char byte = 0;
  while (read(fd, &byte, 1) != 1) {
  }
  return byte;
}

}  // namespace

void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (cpu < 0 || i == cpu) CPU_SET(i, &set);
  }
  sched_setaffinity(0, sizeof set, &set);
}

Timing SpinPingPong(Placement placement, Effort effort) {
  Words& words = SharedWords();
  Forked server([&] {
    Pin(placement.server);
    for (std::uint32_t seen = 0;;) {
      const std::uint32_t now = words.there.load(std::memory_order_acquire);
      if (now != seen) {
        words.back.store(seen = now, std::memory_order_release);
      } else {
        Pause();
      }
    }
  });
  Pin(placement.client);
  std::uint32_t sent = 0;
  return Measure(
      [&] {
        words.there.store(++sent, std::memory_order_release);
        while (words.back.load(std::memory_order_acquire) != sent) Pause();
      },
      effort);
}

Timing FutexPingPong(Placement placement, Effort effort) {
  Words& words = SharedWords();
  Forked server([&] {
    Pin(placement.server);
    for (std::uint32_t seen = 0;;) {
      while (words.there.load() == seen) Futex(words.there, FUTEX_WAIT, seen);
      words.back.store(seen = words.there.load());
      Futex(words.back, FUTEX_WAKE, 1);
    }
  });
  Pin(placement.client);
  std::uint32_t sent = 0;
  return Measure(
      [&] {
        words.there.store(++sent);
        Futex(words.there, FUTEX_WAKE, 1);
        while (words.back.load() != sent) Futex(words.back, FUTEX_WAIT, sent - 1);
      },
      effort);
}

Timing PipePingPong(Placement placement, Effort effort) {
  int there[2];
  int back[2];
  if (pipe(there) != 0 || pipe(back) != 0) return {};
  Timing timing;
  {
    Forked server([&] {
      Pin(placement.server);
      for (;;) Send(back[1], Receive(there[0]));
    });
    Pin(placement.client);
    timing = Measure(
        [&] {
          Send(there[1], 'x');
          Receive(back[0]);
        },
        effort);
  }
  for (int fd : {there[0], there[1], back[0], back[1]}) close(fd);
  return timing;
}

Timing Copy(std::size_t bytes, Effort effort) {
  std::vector<char> from(bytes, 1);
  std::vector<char> to(bytes, 2);
  return Measure(
      [&] {
        std::memcpy(to.data(), from.data(), bytes);
        asm volatile("" ::"r"(to.data()) : "memory");
      },
      effort);
}

}  // namespace remoteobj_testing
