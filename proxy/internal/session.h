// SPDX-License-Identifier: MIT
//
// The shared state of all copies of a proxy and all views on it: the object, its channel, and the
// calls between them. Independent of C++ types.
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
  [[gnu::noinline]] std::recursive_mutex& HereAfterFork();

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
  // Reads what Send() has written in another program image. It has no object here yet.
  Session(const TypeInfo& type, const ValueReader& sent);
  // An object of a manager. This process never listens.
  Session(const TypeInfo& type, std::shared_ptr<Referent> referent, ProxyOptions options);
  ~Session();

  const ProxyOptions& options() const { return options_; }
  const TypeInfo& type() const { return type_; }
  // REQUIRES: this process does not listen.
  void Bind(void* object) { object_ = object; }
  SessionMutex& mutex() { return mutex_; }

  // Evaluates in the listener: another process, or this thread if this process listens.
  void Call(const CallSpec& call, ReadOutcome read);
  std::unique_ptr<PendingCall> Start(const CallSpec& call);
  // Evaluates on the object that this process has.
  void CallLocal(const CallSpec& call, ReadOutcome read);

  bool listening() const { return channel_->listening(); }
  pid_t listener_pid() const { return channel_->listener_pid(); }
  // `pid` is a process that may end before it listens, or 0.
  void WaitUntilListening(pid_t pid, absl::Duration timeout);

  // Returns a Channel that executes already encoded requests on this session. The channel keeps the
  // session alive and is shared while in use.
  std::shared_ptr<Channel> AsChannel();

  // The call as errors name it: with the type in the place of the question mark of a view.
  std::string Named(std::string printed) const;

  // The manager's object that it refers to; null for an object of a process.
  const std::shared_ptr<Referent>& referent() const { return referent_; }

  // Writes it as an argument of a process that is being started.
  void Send(ValueWriter out) const;

  void Open();
  // Serves one call. Returns false if there was none until the deadline, or after Wake.
  bool Serve(Deadline deadline);
  void Wake();
  // From within a call that Serve evaluates on this thread: closes once the call is answered.
  void Close();
  // Refuses the calls that have arrived, whatever the options say: it does not use the object.
  void CloseRefusing();

  enum class By { kServe, kAnything };
  // Returns true if this thread evaluates a call of this session's object.
  bool Evaluating(By by = By::kAnything) const;

 private:
  class EvaluatingChannel;

  // A call that a thread evaluates; `outer` is the one within which it is made.
  struct Frame {
    const Session* session;
    By by;
    const Frame* outer;
  };
  static thread_local const Frame* innermost_;

  Listener& listener();
  // The number of the calling thread, for objects of a manager; else 0.
  void Write(RequestWriter request, const CallSpec& call) const;
  void Handle(const RequestReader& request, OutcomeWriter& outcome, By by = By::kAnything);
  void CloseNow(Final final);
  absl::Duration TimeoutOf(const CallSpec& call) const;

  void CheckBound() const;

  void* object_ = nullptr;
  const TypeInfo& type_;
  ProxyOptions options_;
  SessionMutex mutex_;
  std::shared_ptr<SharedMemoryChannel> own_channel_;  // Null for an object of a manager.
  std::shared_ptr<Referent> referent_;
  Channel* channel_;                   // own_channel_, or the referent's.
  std::weak_ptr<Channel> as_channel_;  // Guarded by the mutex.
  bool close_after_call_ = false;      // Used by the thread that serves.
};

// Throws BadValue if the reference is to an object of another type.
std::shared_ptr<Session> SessionOf(const TypeInfo& type, const Reference& reference,
                                   ProxyOptions options);
// The same for an interface that this program need not implement; `type` is its name.
std::shared_ptr<Session> SessionOf(std::string_view type, const Reference& reference);

// Throws the error of `outcome`, if it has one.
void ThrowIfError(const OutcomeReader& outcome);
// The outcome's value. Throws its error, and BadValue for one without a value.
ValueReader ValueIn(const OutcomeReader& outcome);
void ThrowUnlessItself(const OutcomeReader& outcome);

// Returns print(), or "(?)" if that fails. Never throws: the text is a part of an error message.
std::string PrintedOrUnknown(absl::FunctionRef<std::string()> print);

// Rethrows the exception being handled: a CallError with the call's name in front of its text, a
// DeadlineExceeded with the time waited behind it, if that was limited. Errors of the object itself
// stay as they are, as does an error for whose text there is no memory.
[[noreturn]] void RethrowNaming(absl::FunctionRef<std::string()> print,
                                absl::Duration waited = absl::InfiniteDuration());

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_INTERNAL_SESSION_H_
