// SPDX-License-Identifier: MIT
#include "remoteobj/transport/shared_memory_channel.h"

#include <memory>

#include "gtest/gtest.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/channel_conformance.h"

namespace remoteobj {
namespace {

class SharedMemory final : public ChannelUnderTest {
 public:
  Channel& channel() override { return *channel_; }
  Listener& listener() override { return channel_->listener(); }
  bool idle() override { return channel_->free_slots() == slots_; }

 private:
  std::shared_ptr<SharedMemoryChannel> channel_ = SharedMemoryChannel::Create();
  const int slots_ = channel_->free_slots();
};

std::unique_ptr<ChannelUnderTest> Make() { return std::make_unique<SharedMemory>(); }

INSTANTIATE_TEST_SUITE_P(
    SharedMemory, ChannelConformance,
    testing::Values(ChannelConformanceParam{.name = "threads", .make = Make},
                    ChannelConformanceParam{
                        .name = "forked_listener", .make = Make, .listener = RunInProcess},
                    ChannelConformanceParam{.name = "forked_listener_and_callers",
                                            .make = Make,
                                            .listener = RunInProcess,
                                            .caller = RunInProcess}),
    ChannelConformanceName);

}  // namespace
}  // namespace remoteobj
