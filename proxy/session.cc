// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/internal/session.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/proxy/internal/evaluate.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/direct_call.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"

namespace remoteobj {
namespace proxy_internal {

using transport_internal::Alive;
using transport_internal::Identity;
using transport_internal::IdentityOf;
using transport_internal::Self;

// SessionMutex

struct SessionMutex::State {
  static constexpr Identity kMaking = 1;

  std::atomic<Identity> process{Self()};
  alignas(std::recursive_mutex) std::byte mutex[sizeof(std::recursive_mutex)];

  State() { new (mutex) std::recursive_mutex; }
  std::recursive_mutex& get() {
    return *std::launder(reinterpret_cast<std::recursive_mutex*>(mutex));
  }
};

SessionMutex::SessionMutex() : state_(std::make_unique<State>()) {}
SessionMutex::~SessionMutex() = default;

std::recursive_mutex& SessionMutex::Here() {
  State& state = *state_;
  // A process is never 0.
  if (state.process.load(std::memory_order_acquire) == transport_internal::KnownSelf()) {
    return state.get();
  }
  return HereAfterFork();
}

// The first thread to come makes a new mutex: the old one may be held for ever.
std::recursive_mutex& SessionMutex::HereAfterFork() {
  State& state = *state_;
  const Identity self = Self();
  Identity process = state.process.load(std::memory_order_acquire);
  while (process != self) {
    if (process != State::kMaking &&
        state.process.compare_exchange_strong(process, State::kMaking, std::memory_order_acquire)) {
      new (state.mutex) std::recursive_mutex;
      state.process.store(self, std::memory_order_release);
      break;
    }
    sched_yield();
    process = state.process.load(std::memory_order_acquire);
  }
  return state.get();
}

std::uint32_t CallingThread() {
  static constinit std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

namespace {

// Waits for the outcome for as long as the listener is there: after the deadline it is asked every
// other second.
void FinishWhileListening(Channel& channel, PendingCall& call, ReadOutcome read,
                          Deadline deadline) {
  constexpr absl::Duration kBetweenPings = absl::Seconds(2);
  bool answered = false;
  const auto read_once = [&](const OutcomeReader& outcome) {
    answered = true;
    read(outcome);
  };
  for (bool there = true;;) {
    try {
      return call.Finish(read_once, deadline);
    } catch (const DeadlineExceeded&) {
      // An answer may be this error as any other.
      if (answered || !there) throw;
    }
    there = channel.listening();
    // If it is not, an answer that has come during the ping counts, or the end of the connection.
    deadline = there ? Deadline::After(kBetweenPings) : Deadline::Passed();
  }
}

}  // namespace

// Session

Session::Session(void* object, const TypeInfo& type, ProxyOptions options)
    : object_(object),
      type_(type),
      options_(options),
      own_channel_(SharedMemoryChannel::Create()),
      channel_(own_channel_.get()) {}

Session::Session(const TypeInfo& type, std::shared_ptr<Referent> referent, ProxyOptions options)
    : type_(type),
      options_(options),
      referent_(std::move(referent)),
      channel_(&referent_->channel()) {}

// The type's name, the memory, and the options.
using Sent = std::tuple<std::string, std::uint64_t, bool, bool, bool, absl::Duration>;

Session::Session(const TypeInfo& type, const ValueReader& sent) : type_(type) {
  const auto [name, memory, fulfill_final, lazy_chains, default_values, timeout] =
      Codec<Sent>::Decode(sent);
  if (name != type.name()) {
    throw BadValue(absl::StrCat("expected a proxy of ", type.name(), ", got one of ", name));
  }
  options_ = {.fulfill_final = fulfill_final,
              .lazy_chains = lazy_chains,
              .default_values = default_values,
              .timeout = timeout};
  own_channel_ = SharedMemoryChannel::Attach(sent.attachments().TakeDescriptor(memory));
  channel_ = own_channel_.get();
}

Session::~Session() = default;

void Session::Send(ValueWriter out) const {
  Codec<Sent>::Encode(
      {type_.name(), out.attachments().SendDescriptor(own_channel_->fd()), options_.fulfill_final,
       options_.lazy_chains, options_.default_values, options_.timeout},
      out);
}

// The session's channel, except that calls are evaluated in this thread if this process listens.
class Session::EvaluatingChannel final : public Channel {
  // The session outlives it.
  auto Handler() const {
    return [session = session_.get()](const RequestReader& request, OutcomeWriter& outcome) {
      session->Handle(request, outcome);
    };
  }

 public:
  explicit EvaluatingChannel(std::shared_ptr<Session> session) : session_(std::move(session)) {}

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override {
    {
      // Under which it goes on to listen.
      const std::scoped_lock lock(session_->mutex_);
      if (listening_here()) return CallDirectly(write, Handler(), read);
    }
    session_->channel_->Call(write, read, deadline);
  }
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override {
    {
      const std::scoped_lock lock(session_->mutex_);
      if (listening_here()) return StartDirectly(write, Handler());
    }
    return session_->channel_->Start(write, deadline);
  }
  bool listening() override { return session_->listening(); }
  pid_t listener_pid() override { return session_->listener_pid(); }
  bool listening_here() override { return session_->channel_->listening_here(); }
  bool WaitUntilListening(Deadline deadline) override {
    return session_->channel_->WaitUntilListening(deadline);
  }

 private:
  const std::shared_ptr<Session> session_;
};

std::shared_ptr<Channel> Session::AsChannel() {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<Channel> channel = as_channel_.lock();
  if (channel == nullptr) {
    channel = std::make_shared<EvaluatingChannel>(shared_from_this());
    as_channel_ = channel;
  }
  return channel;
}

void Session::CheckBound() const {
  if (object_ == nullptr) {
    throw std::logic_error(
        absl::StrCat("this process has no ", type_.name(), " behind the proxy: Bind() one"));
  }
}

Listener& Session::listener() {
  if (own_channel_ == nullptr) {
    throw std::logic_error(
        absl::StrCat("this ", type_.name(), " is an object of a manager, which listens for it"));
  }
  return own_channel_->listener();
}

thread_local const Session::Frame* Session::innermost_ = nullptr;

bool Session::Evaluating(By by) const {
  for (const Frame* frame = innermost_; frame != nullptr; frame = frame->outer) {
    if (frame->session == this && (by == By::kAnything || frame->by == by)) return true;
  }
  return false;
}

void Session::Handle(const RequestReader& request, OutcomeWriter& outcome, By by) {
  const Frame frame{this, by, innermost_};
  struct Entered {
    explicit Entered(const Frame& frame) { innermost_ = &frame; }
    ~Entered() { innermost_ = innermost_->outer; }
  } const entered(frame);
  const std::scoped_lock lock(mutex_);
  Evaluate(object_, type_, request, outcome);
}

absl::Duration Session::TimeoutOf(const CallSpec& call) const {
  return std::min(call.timeout, options_.timeout);
}

std::string Session::Named(std::string printed) const {
  const std::size_t at = printed.find('?');
  if (at != std::string::npos) {
    printed.replace(at, 1, referent_ == nullptr ? type_.name() : referent_->type());
  }
  return printed;
}

void Session::Write(RequestWriter request, const CallSpec& call) const {
  if (referent_ != nullptr) request.SetThread(CallingThread());
  call.write(request.Operations(call.size));
}

void Session::Call(const CallSpec& call, ReadOutcome read) {
  if (channel_->listening_here()) return CallLocal(call, read);
  const auto write = [&](RequestWriter request) { Write(request, call); };
  try {
    const Deadline deadline = Deadline::After(TimeoutOf(call));
    if (call.while_listening) {
      const std::unique_ptr<PendingCall> pending = channel_->Start(write, deadline);
      FinishWhileListening(*channel_, *pending, read, deadline);
    } else {
      channel_->Call(write, read, deadline);
    }
  } catch (const CallError&) {
    RethrowNaming([&] { return Named(call.print()); }, TimeoutOf(call));
  }
}

std::unique_ptr<PendingCall> Session::Start(const CallSpec& call) {
  const auto write = [&](RequestWriter request) { Write(request, call); };
  if (channel_->listening_here()) {
    return StartDirectly(write, [this](const RequestReader& request, OutcomeWriter& outcome) {
      Handle(request, outcome);
    });
  }
  try {
    return channel_->Start(write, Deadline::After(TimeoutOf(call)));
  } catch (const CallError&) {
    RethrowNaming([&] { return Named(call.print()); }, TimeoutOf(call));
  }
}

void Session::CallLocal(const CallSpec& call, ReadOutcome read) {
  CheckBound();
  const auto write = [&](RequestWriter request) { call.write(request.Operations(call.size)); };
  const auto handle = [this](const RequestReader& request, OutcomeWriter& outcome) {
    Handle(request, outcome);
  };
  CallDirectly(write, handle, read);
}

void Session::WaitUntilListening(pid_t pid, absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  const Identity process = pid == 0 ? 0 : IdentityOf(pid);
  constexpr absl::Duration kSlice = absl::Milliseconds(10);
  for (;;) {
    const Deadline slice = pid == 0 ? deadline : std::min(deadline, Deadline::After(kSlice));
    if (channel_->WaitUntilListening(slice)) return;
    if (pid != 0 && !Alive(process)) {
      throw ListenerDied(
          absl::StrCat("process ", pid, " ended before it listened as ", type_.name()),
          {.pid = pid}, false);
    }
    if (deadline.expired()) {
      throw DeadlineExceeded::After(timeout, absl::StrCat("no process listened as ", type_.name()));
    }
  }
}

// A listener that closes no longer listens, but has calls to answer before the next one can open.
void Session::Open() {
  constexpr absl::Duration kLongestClose = absl::Seconds(10);
  CheckBound();
  Listener& own = listener();
  const Deadline deadline = Deadline::After(kLongestClose);
  for (;;) {
    try {
      return own.Open();
    } catch (const std::logic_error&) {
      // Within a call this thread may be the one that closes.
      if (channel_->listening() || Evaluating() || deadline.expired()) throw;
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
}

bool Session::Serve(Deadline deadline) {
  const bool served =
      listener().Serve([this](const RequestReader& request,
                              OutcomeWriter& outcome) { Handle(request, outcome, By::kServe); },
                       deadline);
  if (std::exchange(close_after_call_, false)) Close();
  return served;
}

void Session::Wake() { listener().Wake(); }

void Session::Close() {
  if (Evaluating(By::kServe)) {
    close_after_call_ = true;
  } else {
    CloseNow(options_.fulfill_final ? Final::kFulfill : Final::kRefuse);
  }
}

void Session::CloseRefusing() { CloseNow(Final::kRefuse); }

void Session::CloseNow(Final final) {
  listener().Close(final, [this](const RequestReader& request, OutcomeWriter& outcome) {
    Handle(request, outcome);
  });
  // A thread that evaluates a call from another channel holds the mutex: wait until it is done.
  const std::scoped_lock lock(mutex_);
}

namespace {

void CheckType(const Reference& reference, std::string_view type) {
  if (reference.referent == nullptr) {
    throw BadValue(
        absl::StrCat("expected a proxy of ", std::string(type), ", got a reference to no object"));
  }
  if (reference.referent->type() != type) {
    throw BadValue(absl::StrCat("expected a proxy of ", std::string(type), ", got one of ",
                                reference.referent->type()));
  }
}

// The type of an interface without an implementation here. Errors name the referent's type instead.
const std::string& InterfaceName() {
  return transport_internal::MadeOnce([] { return new std::string("an interface"); });
}
constexpr TypeInfo kInterface{.name = InterfaceName};

}  // namespace

std::shared_ptr<Session> SessionOf(const TypeInfo& type, const Reference& reference,
                                   ProxyOptions options) {
  CheckType(reference, type.name());
  return std::make_shared<Session>(type, reference.referent, options);
}

std::shared_ptr<Session> SessionOf(std::string_view type, const Reference& reference) {
  CheckType(reference, type);
  return std::make_shared<Session>(kInterface, reference.referent, ProxyOptions());
}

void ThrowIfError(const OutcomeReader& outcome) {
  if (outcome.kind() == OutcomeKind::kError) Rethrow(outcome.Error());
}

ValueReader ValueIn(const OutcomeReader& outcome) {
  if (outcome.kind() == OutcomeKind::kValue) return outcome.Value();
  ThrowIfError(outcome);
  throw BadValue("the call returned the object itself, not a value");
}

void ThrowUnlessItself(const OutcomeReader& outcome) {
  ThrowIfError(outcome);
  if (outcome.kind() == OutcomeKind::kItself) return;
  throw BadValue("the method returned another object than the one it was called on");
}

std::string PrintedOrUnknown(absl::FunctionRef<std::string()> print) {
  try {
    return print();
  } catch (...) {
    if (transport_internal::ThreadEnds()) throw;
    return "(?)";
  }
}

void RethrowNaming(absl::FunctionRef<std::string()> print, absl::Duration waited) {
  try {
    try {
      throw;
    } catch (const CallError& e) {
      if (RemoteErrorOf(e) != nullptr) throw;
      const std::string called = PrintedOrUnknown(print);
      const auto* const late = dynamic_cast<const DeadlineExceeded*>(&e);
      if (late != nullptr && !late->waited() && waited != absl::InfiniteDuration()) {
        DeadlineExceeded::After(waited, late->what()).ThrowWithContext(called);
      }
      e.ThrowWithContext(called);
    }
  } catch (const std::bad_alloc&) {
  }
  throw;
}

}  // namespace proxy_internal

}  // namespace remoteobj
