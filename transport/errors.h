// SPDX-License-Identifier: MIT
//
// What can go wrong between a caller and the process that has the object.
//
//   try {
//     remote->count.Get();
//   } catch (const remoteobj::ListenerDied& e) {  // gone for good: start another
//   } catch (const remoteobj::NotListening& e) {  // not now: wait, or go without
//   }
//
// Threads:  immutable values.
// Errors:   each kind is what a caller would do next: reconnect (ListenerDied), wait or go without
//           (NotListening), retry or give up (DeadlineExceeded), mend the call (BadValue,
//           NotDescribed) or the key (AuthenticationError), get the object anew (StaleReference).
// Not here: what the object itself threw, see remoteobj/except/remote_error.h.
#ifndef REMOTEOBJ_TRANSPORT_ERRORS_H_
#define REMOTEOBJ_TRANSPORT_ERRORS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace remoteobj {

// Nobody answers: no process has begun to listen, or the listener has closed. The call was not
// evaluated.
class NotListening : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// The process that was to answer has died. `evaluating` tells whether it had begun, so that the
// call may have had effects.
class ListenerDied : public std::runtime_error {
 public:
  // How a process ended, as far as this process can know it: only its parent is told.
  struct End {
    pid_t pid = 0;
    std::optional<int> exit_code = {};
    std::optional<int> signal = {};
  };
  ListenerDied(const std::string& what, End end, bool evaluating)
      : std::runtime_error(what), end_(end), evaluating_(evaluating) {}

  const End& end() const { return end_; }
  pid_t pid() const { return end_.pid; }
  bool evaluating() const { return evaluating_; }

 private:
  End end_;
  bool evaluating_;
};

// The answer did not come in time. The call may have been evaluated, or may still be.
class DeadlineExceeded : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// A value that is not what the receiver takes, or a message that is not one. Says what was
// expected, what came, and where in the value.
class BadValue : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// A name that the class's description does not have, or an operation that the type does not.
class NotDescribed : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// A reference to an object that is gone: its manager was started anew since, or nobody kept it.
class StaleReference : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// The two sides of a connection do not have the same key, or one of them has none. Says which side
// failed; to try again is of no use before the key is mended.
class AuthenticationError : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// An exception as it travels. See message.capnp for the meaning of each field.
struct ErrorInfo {
  std::string type = {};
  std::string message = {};
  std::vector<std::string> traceback = {};
  std::vector<ErrorInfo> causes = {};
  pid_t pid = 0;
  std::string process = {};
  std::string thread = {};
  std::string group = {};
  std::int64_t time_ns = 0;
  std::uint64_t sequence = 0;
  // For a type that is not registered: the nearest base that is; empty if there is none that says
  // more than std::runtime_error.
  std::string base = {};
  // A registered type's (or that base's) fields, as PackValue gives them; empty if it has none.
  std::string fields = {};
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_ERRORS_H_
