// SPDX-License-Identifier: MIT
//
// A call by ZeroMQ's REQ and REP.
//
// In its favour: a unix socket without a file, messages of eight bytes, which ZeroMQ keeps in place
// and which nothing encodes. Its I/O threads are not pinned.
#include <cstdint>
#include <cstring>
#include <string>
#include <zmq.hpp>

#include "peer.h"

int main(int, char** argv) {
  const std::string address = "ipc://@remoteobj_bench_" + std::to_string(getpid());
  // Before any context: its threads would not be in the fork.
  peer::StartServer(argv, [&](int cpu) {
    zmq::context_t context(1);
    zmq::socket_t socket(context, zmq::socket_type::rep);
    socket.bind(address);
    peer::Pin(cpu);
    std::int64_t count = 0;
    zmq::message_t request;
    for (;;) {
      if (!socket.recv(request)) continue;
      std::int64_t n;
      std::memcpy(&n, request.data(), sizeof n);
      count += n;
      socket.send(zmq::const_buffer(&count, sizeof count));
    }
  });
  zmq::context_t context(1);
  zmq::socket_t socket(context, zmq::socket_type::req);
  socket.connect(address);
  zmq::message_t reply;
  return peer::Serve({{"call",
                       [&] {
                         const std::int64_t n = 1;
                         socket.send(zmq::const_buffer(&n, sizeof n));
                         (void)socket.recv(reply);
                       }}},
                     argv);
}
