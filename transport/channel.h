// SPDX-License-Identifier: MIT
//
// A channel carries calls to the one process that listens on it, and their outcomes back.
//
//   std::shared_ptr<SharedMemoryChannel> channel = SharedMemoryChannel::Create();   // before fork
//   // in the process that has the object                // in any other
//   Listener& listener = channel->listener();            channel->Call(write, read);
//   listener.Open();
//   while (running) listener.Serve(handler, Deadline::Never());
//   listener.Close(Final::kFulfill);
//
// Every implementation passes the suite of channel_conformance.h, which says the same as tests:
// - A call is evaluated at most once, and answered, refused, or failed with a named error: never
//   lost, never left hanging. A call that fails with NotListening was not evaluated.
// - Closing and calling have one order: a call is either before the close, and answered (or
//   refused), or after it, and NotListening.
// - What one thread sends is evaluated in the order in which it was sent, whether it has waited for
//   an outcome in between or not.
// - When the listening process dies, waiting callers get ListenerDied. Later calls get NotListening
//   until another process opens the channel. A call that was sent about a millisecond or less
//   before the death, and that the listener had not begun to evaluate, may get either. So may a
//   call that was started (Start) after a death that had not been noticed, and finished later.
// - Every wait has a deadline.
//
// Threads:  Channel is thread-safe, and callers do not wait for one another. A Listener's Open,
//           Serve and Close belong to one thread at a time; Wake and is_open to any.
// Errors:   NotListening, ListenerDied, DeadlineExceeded, BadValue (the request is too large).
// Not here: what a request means. See remoteobj/proxy/internal/evaluate.h.
#ifndef REMOTEOBJ_TRANSPORT_CHANNEL_H_
#define REMOTEOBJ_TRANSPORT_CHANNEL_H_

#include <sys/types.h>

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {

using WriteRequest = absl::FunctionRef<void(RequestWriter)>;
using ReadOutcome = absl::FunctionRef<void(const OutcomeReader&)>;

// A call in flight. Destroying it abandons the outcome.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  // Returns true if Finish would return at once.
  virtual bool ready() = 0;
  // Waits for the outcome and reads it. REQUIRES: it has not yet returned. After DeadlineExceeded,
  // or when this thread was interrupted, it can be called again.
  virtual void Finish(ReadOutcome read, Deadline deadline) = 0;
};

// The callers' end.
class Channel {
 public:
  virtual ~Channel() = default;

  // Writes a request, waits for its outcome and reads it. If `write` throws nothing is sent. `read`
  // runs while the channel's memory is held, so it should be short.
  virtual void Call(WriteRequest write, ReadOutcome read, Deadline deadline) = 0;

  // Sends a request and returns. The outcome waits in the PendingCall.
  virtual std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) = 0;

  // Returns true if a living process has the channel open.
  virtual bool listening() = 0;
  // Its pid, or 0.
  virtual pid_t listener_pid() = 0;
  // Returns true if it is this process.
  virtual bool listening_here() = 0;
  // Returns true once a process listens, false at the deadline.
  virtual bool WaitUntilListening(Deadline deadline) = 0;
};

// The fate of the calls that have arrived when the channel is closed.
enum class Final { kFulfill, kRefuse };

// The serving end.
class Listener {
 public:
  // Evaluates a request and writes its outcome. It must not throw, except BadValue for a request
  // that is malformed or an outcome that cannot be written: the caller gets it.
  using Handler = absl::FunctionRef<void(const RequestReader&, OutcomeWriter&)>;

  virtual ~Listener() = default;

  // Begins to accept. Throws std::logic_error if a living process (or this one) has it open.
  virtual void Open() = 0;
  // Returns true if this process has it open.
  virtual bool is_open() = 0;
  // Serves at most one call, waiting for it until the deadline. Returns false at the deadline, or
  // after Wake.
  virtual bool Serve(Handler handler, Deadline deadline) = 0;
  // Makes a Serve that waits, or the next that would, return false.
  virtual void Wake() = 0;
  // Ends accepting. Calls that have arrived are served or refused; a later one is NotListening.
  // Does nothing if this process does not have it open.
  virtual void Close(Final final, Handler handler) = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_CHANNEL_H_
