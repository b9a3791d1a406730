// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/log_line.h"

#include <regex>
#include <string>

#include "glog/logging.h"
#include "gtest/gtest.h"

namespace remoteobj::transport_internal {
namespace {

template <typename Log>
std::string Logged(const Log& log) {
  testing::internal::CaptureStderr();
  log();
  return testing::internal::GetCapturedStderr();
}

// "W20240131 12:34:56.123456  4711 file.cc:12] text": the time, the thread and the line differ.
std::string WithoutNumbers(const std::string& line) {
  return std::regex_replace(line, std::regex("[0-9]+"), "0");
}

TEST(LogLineTest, LooksAsALineOfGlogs) {
  google::InitGoogleLogging("log_line_test");
  FLAGS_logtostderr = true;
  const std::string ours =
      Logged([] { LogLine(LogSeverity::kWarning, "a client was not let in"); });
  const std::string glogs = Logged([] { LOG(WARNING) << "a client was not let in"; });
  EXPECT_EQ(WithoutNumbers(ours), WithoutNumbers(glogs));
  // To the hour.
  EXPECT_EQ(ours.substr(0, 12), glogs.substr(0, 12));
}

}  // namespace
}  // namespace remoteobj::transport_internal
