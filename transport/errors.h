// SPDX-License-Identifier: MIT
//
// Errors that concern a call rather than its object: it did not arrive, was refused, or its outcome
// was lost.
//
//   for (int attempt = 0;; ++attempt) {
//     try {
//       return remote->Take();
//     } catch (const remoteobj::CallError& e) {
//       if (!e.retryable() || attempt == 3) throw;
//       remote.WaitUntilListening(absl::Seconds(5));
//     }
//   }
//
// Each kind stands for what the caller does next:
//
//   type                 the caller                               absl::StatusCode
//   NotListening         waits, or does without                   kUnavailable
//   ListenerDied         starts another process                   kAborted
//   ProcessDied          starts another process                   kAborted
//   DeadlineExceeded     retries or gives up                      kDeadlineExceeded
//   BadValue             corrects the arguments                   kInvalidArgument
//   NotDescribed         corrects the call                        kUnimplemented
//   NotExposed           asks for the member to be exposed        kPermissionDenied
//   NotAllowed           asks for a key with more rights          kPermissionDenied
//   QuotaExceeded        uses less, or has the quota raised       kResourceExhausted
//   AuthenticationError  corrects the key                         kUnauthenticated
//   ConnectionRefused    corrects the address or a program        kFailedPrecondition
//   StaleReference       obtains the object again                 kNotFound
//
// An object that calls others may fail with one of these itself. Its error also arrives as its own
// type, and then RemoteErrorOf(e) (remoteobj/except/remote_error.h) is not null. The same is so for
// what the receiver of a call refuses: BadValue, NotDescribed, NotExposed, NotAllowed,
// QuotaExceeded.
//
// Threads:  immutable values.
// Not here: every other error of the object (remoteobj/except/remote_error.h), ProcessDied itself
//           (remoteobj/process/process_died.h), std::bad_alloc and std::system_error for a lack of
//           resources, std::logic_error for a misuse of this library.
#ifndef REMOTEOBJ_TRANSPORT_ERRORS_H_
#define REMOTEOBJ_TRANSPORT_ERRORS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace remoteobj {

namespace transport_internal {

// A base of each exception that an object threw in another process.
class ThrownByObject {
 public:
  virtual ~ThrownByObject() = default;
};

}  // namespace transport_internal

// The base class of these errors. The list of kinds is closed: derive from one of the classes
// below, not from this one.
class CallError : public std::runtime_error {
 public:
  enum class Kind {
    kNotListening,
    kListenerDied,
    kProcessDied,
    kDeadlineExceeded,
    kBadValue,
    kNotDescribed,
    kNotExposed,
    kAuthenticationError,
    kConnectionRefused,
    kStaleReference,
    kNotAllowed,
    kQuotaExceeded,
  };

  Kind kind() const { return kind_; }
  // The code of the status that the Try… functions return for it.
  absl::StatusCode status_code() const;
  // Returns true if the call was certainly not evaluated, and may succeed once a process listens:
  // NotListening, and ListenerDied whose evaluating() is false. A second attempt can't have its
  // effect twice. False for an error of a call that the object itself made.
  bool retryable() const;

  // Throws a copy, of the class above that this is or derives from, with "`context`: " in front of
  // its text.
  [[noreturn]] virtual void ThrowWithContext(const std::string& context) const = 0;

 protected:
  CallError(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}

 private:
  Kind kind_;
};

// Base class of the class E of errors of one kind.
template <typename E, CallError::Kind kKind>
class CallErrorOf : public CallError {
 public:
  explicit CallErrorOf(const std::string& what) : CallError(kKind, what) {}

  [[noreturn]] void ThrowWithContext(const std::string& context) const override {
    E copy = static_cast<const E&>(*this);
    static_cast<std::runtime_error&>(copy) = std::runtime_error(context + ": " + what());
    throw copy;
  }
};

// No process listens: none has begun to, or the listener has closed. The call was not evaluated.
class NotListening : public CallErrorOf<NotListening, CallError::Kind::kNotListening> {
 public:
  using CallErrorOf::CallErrorOf;
};

// How a process ended. Neither code nor signal is set where they are not known: only the parent is
// told, and only once.
struct ProcessEnd {
  pid_t pid = 0;
  std::optional<int> exit_code = {};
  std::optional<int> signal = {};

  friend bool operator==(const ProcessEnd&, const ProcessEnd&) = default;
};

// The listening process has died. `evaluating` tells if it had begun to evaluate the call, which
// may then have had effects.
class ListenerDied : public CallErrorOf<ListenerDied, CallError::Kind::kListenerDied> {
 public:
  using End = ProcessEnd;
  ListenerDied(const std::string& what, End end, bool evaluating)
      : CallErrorOf(what), end_(end), evaluating_(evaluating) {}

  const End& end() const { return end_; }
  pid_t pid() const { return end_.pid; }
  bool evaluating() const { return evaluating_; }

 private:
  End end_;
  bool evaluating_;
};

// The outcome did not arrive in time. The call may have been evaluated, or may still be.
class DeadlineExceeded : public CallErrorOf<DeadlineExceeded, CallError::Kind::kDeadlineExceeded> {
 public:
  explicit DeadlineExceeded(const std::string& what,
                            std::optional<absl::Duration> waited = std::nullopt)
      : CallErrorOf(what), waited_(waited) {}
  // One that says at the end of its text how long the caller waited: "… (waited 300ms)".
  static DeadlineExceeded After(absl::Duration waited, const std::string& what);

  // How long the caller waited; empty where that is not known.
  std::optional<absl::Duration> waited() const { return waited_; }

 private:
  std::optional<absl::Duration> waited_;
};

// A value that the receiver does not take, or a message that is malformed or too large. Says what
// was expected, what came, and where in the value.
class BadValue : public CallErrorOf<BadValue, CallError::Kind::kBadValue> {
 public:
  using CallErrorOf::CallErrorOf;

  // The same error of a value that has the refused one as a part: `part` is `[3]` or `.pose`. The
  // text ends with the path from the root: "... in argument 1.pose[3]".
  BadValue Within(std::string_view part, std::string_view root = "value") const;

 private:
  // The lengths of the root and of the path at the end of the text.
  std::size_t root_size_ = 0;
  std::size_t path_size_ = 0;
};

// A name that the class's description does not have, or an operation that the type does not have.
class NotDescribed : public CallErrorOf<NotDescribed, CallError::Kind::kNotDescribed> {
 public:
  using CallErrorOf::CallErrorOf;
};

// The type does not expose this member to other processes. See RegisterOptions::exposed.
class NotExposed : public CallErrorOf<NotExposed, CallError::Kind::kNotExposed> {
 public:
  using CallErrorOf::CallErrorOf;
};

// The two sides of a connection do not have the same key, or one of them has none. Says which side
// failed. Retrying does not help before the key is corrected.
class AuthenticationError
    : public CallErrorOf<AuthenticationError, CallError::Kind::kAuthenticationError> {
 public:
  using CallErrorOf::CallErrorOf;
};

// No connection came about, although the peer answered: it does not speak this protocol or no
// common version of it, does not allow this client, or the handshake was damaged on its way.
class ConnectionRefused
    : public CallErrorOf<ConnectionRefused, CallError::Kind::kConnectionRefused> {
 public:
  using CallErrorOf::CallErrorOf;
};

// A reference to an object that is gone: its server was restarted, or no process kept it.
class StaleReference : public CallErrorOf<StaleReference, CallError::Kind::kStaleReference> {
 public:
  using CallErrorOf::CallErrorOf;
};

// The policy of the client's key or user does not allow this. The call had no effect.
class NotAllowed : public CallErrorOf<NotAllowed, CallError::Kind::kNotAllowed> {
 public:
  explicit NotAllowed(const std::string& what, std::string policy = {})
      : CallErrorOf(what), policy_(std::move(policy)) {}
  // "the policy of …" and what it refuses.
  static NotAllowed By(const std::string& policy, const std::string& refused);

  // The name of the key whose policy refused it, or of the user: "uid 1000".
  const std::string& policy() const { return policy_; }

 private:
  std::string policy_;
};

// The client has as much as a quota of the server allows it. The call had no effect.
class QuotaExceeded : public CallErrorOf<QuotaExceeded, CallError::Kind::kQuotaExceeded> {
 public:
  explicit QuotaExceeded(const std::string& what, std::string quota = {}, std::uint64_t limit = 0)
      : CallErrorOf(what), quota_(std::move(quota)), limit_(limit) {}
  // With a text that names the quota and its value.
  static QuotaExceeded Of(const std::string& quota, std::uint64_t limit);

  // The quota's name, as a member of remoteobj::Quotas; and its value.
  const std::string& quota() const { return quota_; }
  std::uint64_t limit() const { return limit_; }

 private:
  std::string quota_;
  std::uint64_t limit_ = 0;
};

// An exception in a message. message.capnp has the meaning of each field.
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
  // The fields of a registered type (or of that base), as Pack() returns them; empty if it has
  // none.
  std::string fields = {};
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_ERRORS_H_
