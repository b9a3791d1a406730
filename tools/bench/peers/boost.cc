// SPDX-License-Identifier: MIT
//
// A call by two of Boost.Interprocess' message queues, one for each way.
//
// In its favour: messages of eight bytes, as they are, without any encoding; queues that are made
// once and never full; send and receive, which are its own way to wait.
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstdint>
#include <string>

#include "peer.h"

namespace {

using boost::interprocess::message_queue;

void Send(message_queue& queue, std::int64_t value) { queue.send(&value, sizeof value, 0); }

std::int64_t Receive(message_queue& queue) {
  std::int64_t value = 0;
  message_queue::size_type size = 0;
  unsigned priority = 0;
  queue.receive(&value, sizeof value, size, priority);
  return value;
}

}  // namespace

int main(int, char** argv) {
  using boost::interprocess::create_only;
  const std::string name = "remoteobj_bench_" + std::to_string(getpid());
  message_queue there(create_only, (name + "_there").c_str(), 16, sizeof(std::int64_t));
  message_queue back(create_only, (name + "_back").c_str(), 16, sizeof(std::int64_t));
  // Both processes have them: the names can go at once.
  message_queue::remove((name + "_there").c_str());
  message_queue::remove((name + "_back").c_str());
  peer::StartServer(argv, [&](int cpu) {
    peer::Pin(cpu);
    std::int64_t count = 0;
    for (;;) Send(back, count += Receive(there));
  });
  return peer::Serve({{"call",
                       [&] {
                         Send(there, 1);
                         Receive(back);
                       }}},
                     argv);
}
