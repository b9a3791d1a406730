// SPDX-License-Identifier: MIT
//
// The process of a function ended before the function returned or threw.
//
//   try {
//     worker.Join();
//   } catch (const remoteobj::ProcessDied& e) {
//     LOG(ERROR) << e.what();               // the signal, the activity, the stack
//     worker = StartAgain();
//   }
//
// Threads:  immutable values.
#ifndef REMOTEOBJ_PROCESS_PROCESS_DIED_H_
#define REMOTEOBJ_PROCESS_PROCESS_DIED_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "remoteobj/transport/errors.h"

namespace remoteobj {

class ProcessDied : public CallErrorOf<ProcessDied, CallError::Kind::kProcessDied> {
 public:
  // Neither code nor signal is known if other code of this program has waited for the process.
  using End = ProcessEnd;
  // Traces of its end. Each may be empty.
  struct Traces {
    std::string doing = {};               // "while its function ran, after 3 yields"
    std::string last_words = {};          // The reason for std::terminate.
    std::vector<std::string> stack = {};  // The stack of the crash, innermost frame last.
    std::string error_output = {};        // The last lines of its stderr, if they are captured.
    // The limit or the rule of its sandbox that ended it, where that is known: "a limit of 5s of
    // processor time (ProcessOptions::limits.cpu)".
    std::string limit = {};
  };
  ProcessDied(const std::string& name, End end, Traces traces);

  pid_t pid() const { return end_.pid; }
  std::optional<int> exit_code() const { return end_.exit_code; }
  std::optional<int> signal() const { return end_.signal; }
  const std::string& name() const { return *name_; }
  const std::string& doing() const { return traces_->doing; }
  const std::string& last_words() const { return traces_->last_words; }
  const std::vector<std::string>& stack() const { return traces_->stack; }
  const std::string& error_output() const { return traces_->error_output; }
  const std::string& limit() const { return traces_->limit; }

 private:
  End end_;
  // Shared, so that copying an exception can't fail.
  std::shared_ptr<const std::string> name_;
  std::shared_ptr<const Traces> traces_;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_PROCESS_DIED_H_
