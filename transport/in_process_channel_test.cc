// SPDX-License-Identifier: MIT
#include <memory>

#include "gtest/gtest.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/channel_conformance.h"
#include "remoteobj/transport/in_process_channel_testing.h"

namespace remoteobj {
namespace {

class InProcess final : public ChannelUnderTest {
 public:
  Channel& channel() override { return *channel_; }
  Listener& listener() override { return channel_->listener(); }

 private:
  std::shared_ptr<InProcessChannel> channel_ = InProcessChannel::Create();
};

INSTANTIATE_TEST_SUITE_P(InProcess, ChannelConformance,
                         testing::Values(ChannelConformanceParam{
                             .name = "threads",
                             .make = [] { return std::make_unique<InProcess>(); }}),
                         ChannelConformanceName);

}  // namespace
}  // namespace remoteobj
