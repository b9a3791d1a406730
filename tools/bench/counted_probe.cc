// SPDX-License-Identifier: MIT
//
// Makes calls in one thread, for callgrind to count their instructions: see counted_test.cc.
//
//   counted_probe NAME COUNT
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/proxy/batch.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/in_process_channel_testing.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace {

// In the process that listens the whole of a call is here, but for the channel.
void CallHere(int count) {
  app::Counter counter;
  remoteobj::Proxy remote(counter);
  const auto listening = remote.Listen();
  for (int i = 0; i < count; ++i) remote->Inc();
}

// The same in batches of a hundred.
void BatchHere(int count) {
  app::Counter counter;
  remoteobj::Proxy remote(counter);
  const auto listening = remote.Listen();
  constexpr int kSize = 100;
  remoteobj::Batch batch;
  std::vector<remoteobj::Future<int>> counts;
  counts.reserve(kSize);
  int last = 0;
  for (int i = 0; i < count; i += kSize) {
    for (int k = 0; k < kSize; ++k) counts.push_back(batch.Call(remote->Inc));
    batch.Send().Get();
    for (remoteobj::Future<int>& future : counts) last = future.Get();
    counts.clear();
  }
  if (last != count) std::abort();
}

// And this is the channel alone, of which this thread has both ends.
void CallThrough(remoteobj::Channel& channel, remoteobj::Listener& listener, int count) {
  listener.Open();
  const auto write = [](remoteobj::RequestWriter request) {
    const remoteobj::OperationsWriter operations = request.Operations(1);
    operations.Set(0, remoteobj::OperationKind::kCall, "Inc", /*hint=*/0);
  };
  int sum = 0;
  const auto handle = [&](const remoteobj::RequestReader&, remoteobj::OutcomeWriter& outcome) {
    remoteobj::Encode(++sum, outcome.Value());
  };
  int last = 0;
  const auto read = [&](const remoteobj::OutcomeReader& outcome) {
    last = remoteobj::Decode<int>(outcome.Value());
  };
  for (int i = 0; i < count; ++i) {
    const auto call = channel.Start(write, remoteobj::Deadline::Never());
    listener.Serve(handle, remoteobj::Deadline::Never());
    call->Finish(read, remoteobj::Deadline::Never());
  }
  if (last != count) std::abort();
  listener.Close(remoteobj::Final::kRefuse, handle);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc == 3 ? argv[1] : "";
  const int count = argc == 3 ? std::atoi(argv[2]) : 0;
  if (name == "here") {
    CallHere(count);
  } else if (name == "batch") {
    BatchHere(count);
  } else if (name == "in-process-channel") {
    const auto channel = remoteobj::InProcessChannel::Create();
    CallThrough(*channel, channel->listener(), count);
  } else if (name == "shared-memory-channel") {
    const auto channel = remoteobj::SharedMemoryChannel::Create();
    CallThrough(*channel, channel->listener(), count);
  } else {
    std::cerr << "usage: counted_probe NAME COUNT\n";
    return 2;
  }
}
