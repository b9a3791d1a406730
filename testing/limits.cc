// SPDX-License-Identifier: MIT
#include "remoteobj/testing/limits.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>

#include "remoteobj/testing/forked.h"

namespace remoteobj_testing {
namespace {

struct Words {
  alignas(64) std::atomic<std::uint32_t> there{0};
  alignas(64) std::atomic<std::uint32_t> back{0};
};

// In memory that a child shares.
class SharedWords {
 public:
  SharedWords()
      : memory_(mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0)) {
    if (memory_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    words_ = new (memory_) Words;
  }
  ~SharedWords() { munmap(memory_, sizeof(Words)); }
  SharedWords(const SharedWords&) = delete;
  SharedWords& operator=(const SharedWords&) = delete;
  Words* operator->() { return words_; }

 private:
  void* memory_;
  Words* words_;
};

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

// A byte there, a byte back: the server reads from `there[0]` and writes to `back[1]`.
void PingPongBytes(Placement placement, int (&there)[2], int (&back)[2], int count, Times& times) {
  {
    Forked server([&] {
      Pin(placement.server);
      for (;;) Send(back[1], Receive(there[0]));
    });
    const auto call = [&] {
      Send(there[1], 'x');
      Receive(back[0]);
    };
    call();  // From then on the server is there.
    Each(call)(count, times);
  }
  for (const int fd : {there[0], there[1], back[0], back[1]}) close(fd);
}

}  // namespace

std::vector<int> Processors() {
  cpu_set_t set;
  std::vector<int> processors;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) processors.push_back(i);
  }
  return processors;
}

void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (cpu < 0 || i == cpu) CPU_SET(i, &set);
  }
  sched_setaffinity(0, sizeof set, &set);
}

Calls SpinPingPong(Placement placement) {
  return [placement](int count, Times& times) {
    SharedWords words;
    Forked server([&] {
      Pin(placement.server);
      for (std::uint32_t seen = 0;;) {
        const std::uint32_t now = words->there.load(std::memory_order_acquire);
        if (now != seen) {
          words->back.store(seen = now, std::memory_order_release);
        } else {
          Pause();
        }
      }
    });
    std::uint32_t sent = 0;
    const auto call = [&] {
      words->there.store(++sent, std::memory_order_release);
      while (words->back.load(std::memory_order_acquire) != sent) Pause();
    };
    call();
    Each(call)(count, times);
  };
}

Calls FutexPingPong(Placement placement, int pause_us) {
  return [placement, pause_us](int count, Times& times) {
    SharedWords words;
    Forked server([&] {
      Pin(placement.server);
      for (std::uint32_t seen = 0;;) {
        while (words->there.load() == seen) Futex(words->there, FUTEX_WAIT, seen);
        words->back.store(seen = words->there.load());
        Futex(words->back, FUTEX_WAKE, 1);
      }
    });
    std::uint32_t sent = 0;
    const auto call = [&] {
      words->there.store(++sent);
      Futex(words->there, FUTEX_WAKE, 1);
      while (words->back.load() != sent) Futex(words->back, FUTEX_WAIT, sent - 1);
    };
    call();
    Each(call, pause_us)(count, times);
  };
}

Calls PipePingPong(Placement placement) {
  return [placement](int count, Times& times) {
    int there[2];
    int back[2];
    if (pipe(there) != 0 || pipe(back) != 0) {
      throw std::system_error(errno, std::generic_category(), "pipe");
    }
    PingPongBytes(placement, there, back, count, times);
  };
}

Calls SocketPingPong(Placement placement) {
  return [placement](int count, Times& times) {
    int there[2];
    int back[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, there) != 0 || (back[0] = dup(there[1])) < 0 ||
        (back[1] = dup(there[0])) < 0) {
      throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    PingPongBytes(placement, there, back, count, times);
  };
}

Calls Copy(std::size_t bytes) {
  const auto from = std::make_shared<std::vector<char>>(bytes, 1);
  const auto to = std::make_shared<std::vector<char>>(bytes, 2);
  return Each([from, to] {
    std::memcpy(to->data(), from->data(), from->size());
    asm volatile("" ::"r"(to->data()) : "memory");
  });
}

Calls ForkAndWait() {
  return Each([] {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    int status;
    waitpid(pid, &status, 0);
  });
}

}  // namespace remoteobj_testing
