// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/log_line.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "absl/strings/str_format.h"

namespace remoteobj::transport_internal {
namespace {

// localtime_r takes a lock, so it is called once, before there are threads.
const long seconds_east = [] {
  const time_t now = time(nullptr);
  tm local = {};
  return localtime_r(&now, &local) == nullptr ? 0 : local.tm_gmtoff;
}();

}  // namespace

void LogLine(LogSeverity severity, std::string_view text, const char* file, int line) {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  const std::chrono::sys_seconds local{std::chrono::seconds(now.tv_sec + seconds_east)};
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(local - day);
  const std::string_view path(file);
  const std::string whole = absl::StrFormat(
      "%c%04d%02d%02d %02d:%02d:%02d.%06d %5d %s:%d] %s\n", static_cast<char>(severity),
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(),
      time.seconds().count(), now.tv_nsec / 1000, syscall(SYS_gettid),
      std::string(path.substr(path.rfind('/') + 1)), line, std::string(text));
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, whole.data(), whole.size());
}

}  // namespace remoteobj::transport_internal
