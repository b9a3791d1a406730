// SPDX-License-Identifier: MIT
//
// A prefix for lines of glog that names the process:
//
//   google::InitGoogleLogging(argv[0], &remoteobj::LogPrefix<google::LogMessageInfo>);
//
//   I20261122 06:54:17.213954  1009 camera driver.cc:253] …
//
// It is glog's own prefix with the name of the Process, or of the program. Forks inherit it; a
// program that spawns processes calls InitGoogleLogging() before remoteobj::Init().
//
// Threads:  thread-safe.
// Source:   glog's LogMessage::Init(); since glog 0.7 it is
//           google::InstallPrefixFormatter(&remoteobj::LogPrefix<google::LogMessage>).
#ifndef REMOTEOBJ_PROCESS_LOG_PREFIX_H_
#define REMOTEOBJ_PROCESS_LOG_PREFIX_H_

#include <errno.h>

#include <iomanip>
#include <ostream>

namespace remoteobj {

// `Message` is a type of glog, which this header does not include.
template <typename Message>
void LogPrefix(std::ostream& out, const Message& message, void* /*data*/) {
  const auto print = [&out](char severity, const auto& time, int microseconds, const auto& thread,
                            const char* file, int line) {
    const char before = out.fill('0');
    out << severity << std::setw(4) << time.year << std::setw(2) << time.month << std::setw(2)
        << time.day << ' ' << std::setw(2) << time.hour << ':' << std::setw(2) << time.minute << ':'
        << std::setw(2) << time.second << '.' << std::setw(6) << microseconds;
    out.fill(' ');
    out << ' ' << std::setw(5) << thread << ' ' << program_invocation_short_name << ' ' << file
        << ':' << line << ']';
    out.fill(before);
  };
  struct Time {
    int year, month, day, hour, minute, second;
  };
  if constexpr (requires { message.line_number; }) {
    const auto& t = message.time;
    print(message.severity[0],
          Time{1900 + t.year(), 1 + t.month(), t.day(), t.hour(), t.min(), t.sec()}, t.usec(),
          message.thread_id, message.filename, message.line_number);
  } else {
    constexpr char kSeverities[] = "IWEF";
    const auto& t = message.time();
    print(kSeverities[static_cast<int>(message.severity())],
          Time{1900 + t.year(), 1 + t.month(), t.day(), t.hour(), t.min(), t.sec()},
          static_cast<int>(t.usec().count()), message.thread_id(), message.basename(),
          message.line());
  }
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_LOG_PREFIX_H_
