// SPDX-License-Identifier: MIT
#include "remoteobj/process/log_prefix.h"

#include <string>

#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"

namespace remoteobj {
namespace {

TEST(LogPrefixTest, NamesTheProcess) {
  // In a process of its own: a program can call InitGoogleLogging() once.
  Process program({.output = Output::kCapture}, [] {
    FLAGS_logtostderr = true;
    google::InitGoogleLogging("program", &LogPrefix<google::LogMessageInfo>);
    Process camera({.name = "camera"}, [] { LOG(INFO) << "from the camera"; });
    camera.Join();
    LOG(WARNING) << "from the program";
  });
  program.Join();
  constexpr char kTime[] =
      "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]\\.[0-9]+ +[0-9]+ ";
  const std::string expected =
      std::string("I") + kTime + "camera log_prefix_test.cc:[0-9]+\\] from the camera\n" + "W" +
      kTime + program.name() + " log_prefix_test.cc:[0-9]+\\] from the program\n";
  // A sanitizer's own thread is reason for a warning before them.
  EXPECT_THAT(program.error_output(), testing::ContainsRegex(expected));
}

}  // namespace
}  // namespace remoteobj
