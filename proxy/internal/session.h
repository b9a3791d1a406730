// SPDX-License-Identifier: MIT
//
// What all copies of a proxy and all views on it share: the object, the channel, and how calls go
// between them. Knows no types.
#ifndef REMOTEOBJ_PROXY_INTERNAL_SESSION_H_
#define REMOTEOBJ_PROXY_INTERNAL_SESSION_H_

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/proxy/internal/type_info.h"
#include "remoteobj/proxy/options.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

namespace proxy_internal {

// A mutex that a forked child finds free, even if a thread of the parent held it.
class SessionMutex {
 public:
  SessionMutex();
  ~SessionMutex();
  void lock() { Here().lock(); }
  void unlock() { Here().unlock(); }
  bool try_lock() { return Here().try_lock(); }

 private:
  std::recursive_mutex& Here();

  struct State;
  std::unique_ptr<State> state_;
};

// One call: how many operations it has, how they are written, and how they are printed in an error.
struct CallSpec {
  std::size_t size;
  absl::FunctionRef<void(const OperationsWriter&)> write;
  absl::FunctionRef<std::string()> print;
  absl::Duration timeout;
  // The object may have to wait for others after the timeout: the call goes on while the listener
  // answers that it is there.
  bool while_listening = false;
};

// The calling thread's number: unique in this process, never reused.
std::uint32_t CallingThread();

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(void* object, const TypeInfo& type, ProxyOptions options);
  // Of another image, as Send() has written it; here it has no object yet.
  Session(const TypeInfo& type, const ValueReader& sent);
  // An object that is elsewhere for good. Nobody listens here.
  Session(const TypeInfo& type, std::shared_ptr<Referent> referent, ProxyOptions options);
  ~Session();

  const ProxyOptions& options() const { return options_; }
  const TypeInfo& type() const { return type_; }
  // REQUIRES: this process does not listen.
  void Bind(void* object) { object_ = object; }
  SessionMutex& mutex() { return mutex_; }

  // Evaluates where the listener is: in another process, or right here if it is this one.
  void Call(const CallSpec& call, ReadOutcome read);
  std::unique_ptr<PendingCall> Start(const CallSpec& call);
  // Evaluates on the object that this process has.
  void CallLocal(const CallSpec& call, ReadOutcome read);

  bool listening() const { return channel_->listening(); }
  pid_t listener_pid() const { return channel_->listener_pid(); }
  // `pid` is a process that may end before it listens, or 0.
  void WaitUntilListening(pid_t pid, absl::Duration timeout);

  // Evaluates as Call does what somebody else has written. The session lives as long; while
  // anybody has it, it is the same one.
  std::shared_ptr<Channel> AsChannel();

  // What was called, as errors say it: with the type in the place of the question mark of a view.
  std::string Named(std::string printed) const;

  // What it refers to, if that is elsewhere for good; else null.
  const std::shared_ptr<Referent>& referent() const { return referent_; }

  // As an argument of a process that is being started.
  void Send(ValueWriter out) const;

  void Open();
  // Serves one call. False if there was none until the deadline, or after Wake.
  bool Serve(Deadline deadline);
  void Wake();
  // From within a call that Serve evaluates on this thread: closes once the call is answered.
  void Close();
  // Refuses what has arrived, whatever the options say: it does not use the object.
  void CloseRefusing();

  enum class By { kServe, kAnything };
  // Whether this thread is within a call of this session's object, which it evaluates.
  bool Evaluating(By by = By::kAnything) const;

 private:
  class EvaluatingChannel;

  // A call that a thread evaluates, and those around it.
  struct Frame {
    const Session* session;
    By by;
    const Frame* outer;
  };
  static thread_local const Frame* innermost_;

  Listener& listener();
  // Objects of a manager are told which thread calls.
  std::uint32_t thread() const { return referent_ == nullptr ? 0 : CallingThread(); }
  void Handle(const RequestReader& request, OutcomeWriter& outcome, By by = By::kAnything);
  void CloseNow(Final final);
  absl::Duration TimeoutOf(const CallSpec& call) const;

  void CheckBound() const;

  void* object_ = nullptr;
  const TypeInfo& type_;
  ProxyOptions options_;
  SessionMutex mutex_;
  std::shared_ptr<SharedMemoryChannel> own_channel_;  // Null if the object is elsewhere for good.
  std::shared_ptr<Referent> referent_;
  Channel* channel_;                   // Of one of the two.
  std::weak_ptr<Channel> as_channel_;  // Guarded by the mutex.
  bool close_after_call_ = false;      // Of the thread that serves.
};

// Throws BadValue if the reference is to an object of another type.
std::shared_ptr<Session> SessionOf(const TypeInfo& type, const Reference& reference,
                                   ProxyOptions options);
// The same for an interface, of which this program may have no implementation; `type` is the name.
std::shared_ptr<Session> SessionOf(std::string_view type, const Reference& reference);

// Throws what `outcome` says, if it is an error.
void ThrowIfError(const OutcomeReader& outcome);

// print(), or "(?)" where that fails. Throws nothing: what it says is a part of an error message.
std::string PrintedOrUnknown(absl::FunctionRef<std::string()> print);

// Rethrows the exception being handled; a CallError with what was called in front of its text, and
// a DeadlineExceeded with the time that was waited behind it, if it was limited. Errors of the
// object itself stay as they are, as does one for whose text there is no memory.
[[noreturn]] void RethrowNaming(absl::FunctionRef<std::string()> print,
                                absl::Duration waited = absl::InfiniteDuration());

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_INTERNAL_SESSION_H_
