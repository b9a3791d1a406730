// SPDX-License-Identifier: MIT
//
// A line of log on stderr, in glog's format, from code that may run in a forked child.
//
//   LogLine(LogSeverity::kWarning, absl::StrCat("a client was dropped: ", e.what()));
//
// glog takes a lock for each line. A process that was forked while another thread of its parent was
// logging finds that lock held for ever, and hangs at its first line. This takes no lock: a line is
// one write(2). It heeds no flag of glog's, and its times are in the time zone of the program's
// start.
//
// Threads:  thread-safe, also in a forked child.
// Errors:   none; where stderr can't be written to, the line is lost.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_LOG_LINE_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_LOG_LINE_H_

#include <string_view>

namespace remoteobj::transport_internal {

enum class LogSeverity : char { kInfo = 'I', kWarning = 'W', kError = 'E' };

// The last two arguments are where it is called.
void LogLine(LogSeverity severity, std::string_view text, const char* file = __builtin_FILE(),
             int line = __builtin_LINE());

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_LOG_LINE_H_
