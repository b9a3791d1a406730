// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/rpc_server.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "kj/exception.h"
#include "remoteobj/transport/internal/log_line.h"
#include "remoteobj/transport/rpc/internal/rpc_server_impl.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"

namespace remoteobj::transport_internal {
namespace {

// How long an object is kept that is on its way to another process.
constexpr kj::Duration kKept = 60 * kj::SECONDS;

constinit thread_local RpcServer* this_loop = nullptr;

// Blocks SIGPIPE on the calling thread: a write to a closed socket fails instead.
class PipeSignalBlocked {
 public:
  PipeSignalBlocked() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalBlocked() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    constexpr timespec kNow = {};
    while (sigtimedwait(&pipe_, nullptr, &kNow) == SIGPIPE) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalBlocked(const PipeSignalBlocked&) = delete;
  PipeSignalBlocked& operator=(const PipeSignalBlocked&) = delete;

 private:
  sigset_t pipe_ = {};
  sigset_t before_ = {};
};

// Restores the disposition of SIGPIPE, which KJ changes for the whole program.
kj::AsyncIoContext SetUpIo() {
  struct sigaction before = {};
  sigaction(SIGPIPE, nullptr, &before);
  kj::AsyncIoContext io = kj::setupAsyncIo();
  sigaction(SIGPIPE, &before, nullptr);
  return io;
}

RpcServerOptions WithAbsolutePath(RpcServerOptions options) {
  options.address = AbsoluteAddress(options.address);
  return options;
}

std::vector<NamedKey> AcceptedKeys(const RpcServerOptions& options) {
  std::vector<NamedKey> keys = options.named_keys;
  if (!options.key.empty()) keys.insert(keys.begin(), {.name = "", .key = options.key});
  return keys;
}

std::shared_ptr<const Tls> TlsOf(const RpcServerOptions& options) {
  CheckPlaintext(options.plaintext, options.tls.get());
  if (options.tls != nullptr) return options.tls;
  const std::vector<NamedKey> keys = AcceptedKeys(options);
  const bool encrypts = options.address.kind() == Address::Kind::kTcp && !options.plaintext;
  return encrypts && !keys.empty() ? NewPskTls(keys) : nullptr;
}

}  // namespace

kj::Duration ToKj(absl::Duration duration) {
  // A timer for longer is armed again: KJ's time overflows after some centuries.
  return absl::ToInt64Nanoseconds(std::clamp(duration, absl::ZeroDuration(), absl::Hours(1))) *
         kj::NANOSECONDS;
}

RpcServer::Impl::Loop::Loop(Impl& server)
    : io(SetUpIo()),
      event_ready(io.unixEventPort, server.event_.fd(),
                  kj::UnixEventPort::FdObserver::OBSERVE_READ),
      accept_ready(io.unixEventPort, server.socket_.fd(),
                   kj::UnixEventPort::FdObserver::OBSERVE_READ),
      accepts(io.provider->getTimer()),
      handshakes(io.provider->getTimer()),
      tasks(server) {}

RpcServer::Impl::Impl(RpcServer& self, RpcService& service, RpcServerOptions options)
    : self_(self),
      service_(service),
      options_(WithAbsolutePath(std::move(options))),
      keys_(std::make_shared<const HelloKeys>(AcceptedKeys(options_))),
      tls_(TlsOf(options_)),
      bound_(options_.address),
      event_(NewBell()) {
  if (keys_->empty()) CheckKey(options_.address, "");
  for (const NamedKey& key : AcceptedKeys(options_)) CheckKey(options_.address, key.key);
  id_ = RandomHelloId();
  socket_ = ListenAt(options_.address, bound_, file_);
  // To connect takes the right to write, which the umask usually denies to others.
  if (options_.other_users && bound_.kind() == Address::Kind::kUnix &&
      chmod(bound_.path().c_str(), 0666) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            absl::StrCat("can't let other users connect to ", bound_.ToString()));
  }
}

void RpcServer::Impl::Stop() {
  stop_.store(true);
  RingBell(event_.fd());
}

void RpcServer::Impl::Post(std::function<void()> work) {
  {
    const std::scoped_lock lock(inbox_mutex_);
    inbox_.push_back(std::move(work));
  }
  RingBell(event_.fd());
}

void RpcServer::Impl::StopListening() {
  // The file goes first: after the shutdown another server may put its own file there.
  file_.Remove();
  if (socket_.fd() >= 0) shutdown(socket_.fd(), SHUT_RDWR);
}

kj::Promise<void> RpcServer::Impl::ReadInbox() {
  HearBell(event_.fd());
  // Read before the work is taken: what was posted before Stop() is done.
  const bool stop = stop_.load();
  std::vector<std::function<void()>> work;
  {
    const std::scoped_lock lock(inbox_mutex_);
    work.swap(inbox_);
  }
  for (auto& one : work) one();
  RearmTimer();
  if (stop) {
    stopped_ = true;
    if (wake_.get() != nullptr) wake_->fulfill();
    return kj::READY_NOW;
  }
  return loop_->event_ready.whenBecomesReadable().then([this] { return ReadInbox(); });
}

kj::Promise<void> RpcServer::Impl::Accept() {
  // After this many the loop looks at the sockets of the other clients.
  constexpr int kAtOnce = 4;
  for (int accepted = 0;; ++accepted) {
    const bool affordable = loop_->accepts.affordable();
    if (accepted == kAtOnce || !affordable) {
      return loop_->timer()
          .afterDelay(affordable ? 0 * kj::MILLISECONDS : 1 * kj::MILLISECONDS)
          .then([this] { return Accept(); });
    }
    const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      // The greeting fails if the client has hung up already, which must not end this loop.
      loop_->accepts.Spend([&] {
        loop_->tasks.add(kj::evalNow([&] {
          auto connection = kj::heap<Connection>(*this, Socket(fd));
          auto served = connection->Serve();
          return served.attach(kj::mv(connection));
        }));
      });
      if (in_handshake_.size() > options_.max_half_open) MakeRoom();
      continue;
    }
    if (errno == EAGAIN) break;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // A client that has not finished its handshake makes room, if there is one.
      if (!in_handshake_.empty()) in_handshake_.front()->Drop();
      return loop_->timer().afterDelay(10 * kj::MILLISECONDS).then([this] { return Accept(); });
    }
  }
  return loop_->accept_ready.whenBecomesReadable().then([this] { return Accept(); });
}

void RpcServer::Impl::MakeRoom() {
  // The oldest of the network that has the most: others lose no place to it.
  const auto most = std::max_element(half_open_.begin(), half_open_.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  const auto is_of_host = [&](const Connection* one) { return one->host() == most->first; };
  (*std::find_if(in_handshake_.begin(), in_handshake_.end(), is_of_host))->Drop();
}

// Anyone can cause this line, so it is logged for one client in a hundred.
void RpcServer::Impl::LogRefused(const std::string& address, const std::string& why) {
  if (refused_++ % 100 != 0) return;
  LogLine(LogSeverity::kWarning, absl::StrCat("a client (", address, ") was not let in: ", why));
}

void RpcServer::Impl::MakeHot(Connection& connection) {
  if (std::find(hot_.begin(), hot_.end(), &connection) != hot_.end()) return;
  hot_.push_back(&connection);
  if (wake_.get() != nullptr) wake_->fulfill();
}

// Serves the calls in shared memory until there have been none for a while, and between them the
// events of sockets.
void RpcServer::Impl::PollHot() {
  constexpr int kRoundsPerLook = 16;
  constexpr std::int64_t kNanosPerLook = 200'000;
  std::int64_t looked = MonotonicNanos();
  const auto called = [this] {
    return std::any_of(hot_.begin(), hot_.end(),
                       [](Connection* c) { return c->polled()->called(); });
  };
  for (int round = 1; !hot_.empty() && !stopped_; ++round) {
    bool served = false;
    for (Connection* connection : hot_) {
      try {
        served |= connection->polled()->Serve();
      } catch (const std::exception& e) {
        // There may be no memory for its request. Other clients are not affected.
        LogLine(LogSeverity::kWarning,
                absl::StrCat("a client is dropped, since its call failed: ", e.what()));
        connection->Drop();
      }
    }
    if (!served || round % kRoundsPerLook == 0 || MonotonicNanos() - looked > kNanosPerLook) {
      // Only the events that are ready now: clients may send more without end.
      loop_->io.unixEventPort.poll();
      kj::evalLater([] {}).wait(loop_->io.waitScope);
      looked = MonotonicNanos();
    }
    if (served || hot_.empty()) continue;
    if (spinner_.Spin(hot_.front()->polled()->caller_cpu(), called)) continue;
    hot_.remove_if([](Connection* connection) { return connection->polled()->Rest(); });
    return;
  }
}

void RpcServer::Impl::RearmTimer() {
  const Deadline next = service_.NextTimeout();
  if (next >= armed_) return;
  armed_ = next;
  // Replaces the timer before it: calls that were given up leave none behind.
  loop_->timeout = AwaitTimeout().eagerlyEvaluate([](kj::Exception&&) {});
}

kj::Promise<void> RpcServer::Impl::AwaitTimeout() {
  return loop_->timer().afterDelay(ToKj(armed_.left())).then([this]() -> kj::Promise<void> {
    service_.RunTimeouts();
    armed_ = service_.NextTimeout();
    if (armed_ == Deadline::Never()) return kj::READY_NOW;
    return AwaitTimeout();
  });
}

void RpcServer::Impl::Keep(std::shared_ptr<Referent> object, std::shared_ptr<void> charge) {
  const Kept::Key key = kept_->Keep(std::move(object));
  loop_->tasks.add(loop_->timer().afterDelay(kKept).then(
      [kept = kept_, key, charge = std::move(charge)] { kept->Forget(key); }));
}

void RpcServer::Impl::Run() {
  const PipeSignalBlocked blocked;
  RpcServer* const before = std::exchange(this_loop, &self_);
  {
    Loop loop(*this);
    loop_ = &loop;
    const auto failed = [](kj::Exception&& e) {
      LogLine(LogSeverity::kError,
              absl::StrCat("a server accepts no further connections: ", e.getDescription().cStr()));
    };
    loop.inbox = ReadInbox().eagerlyEvaluate(failed);
    loop.accept = Accept().eagerlyEvaluate(failed);
    while (!stopped_) {
      if (!hot_.empty()) {
        PollHot();
        continue;
      }
      auto woken = kj::newPromiseAndFulfiller<void>();
      wake_ = kj::mv(woken.fulfiller);
      woken.promise.wait(loop.io.waitScope);
    }
    loop.accept = nullptr;
    closing_ = true;
    StopListening();
    SayGoodbye().wait(loop.io.waitScope);
  }
  loop_ = nullptr;
  socket_ = Socket();
  this_loop = before;
}

kj::Promise<void> RpcServer::Impl::SayGoodbye() {
  kj::Vector<kj::Promise<void>> goodbyes;
  for (const auto* list : {&past_handshake_, &in_handshake_}) {
    for (Connection* connection : *list) {
      if (connection->let_in()) goodbyes.add(connection->Goodbye());
    }
  }
  return kj::joinPromises(goodbyes.releaseAsArray());
}

void CheckKey(const Address& address, const std::string& key) {
  // An eavesdropper who records a handshake can try keys until one fits.
  if (address.kind() == Address::Kind::kTcp && !key.empty() && key.size() < kMinTcpKeyBytes) {
    throw std::invalid_argument(absl::StrCat("the key for ", address.ToString(), " has ",
                                             key.size(), " bytes: use at least ", kMinTcpKeyBytes,
                                             " random ones"));
  }
  if (!key.empty() || address.kind() != Address::Kind::kTcp) return;
  throw std::invalid_argument(
      absl::StrCat("to listen at ", address.ToString(), ", which ",
                   address.IsLocalOnly() ? "other users" : "other machines",
                   " can reach, needs a key: without one they could call everything"));
}

void CheckPlaintext(bool plaintext, const Tls* tls) {
  if (!plaintext || tls == nullptr) return;
  throw std::invalid_argument("the options plaintext and tls exclude one another");
}

RpcServer::RpcServer(RpcService& service, RpcServerOptions options)
    : impl_(std::make_unique<Impl>(*this, service, std::move(options))) {}
RpcServer::~RpcServer() = default;

RpcServer* RpcServer::current() { return this_loop; }

const Address& RpcServer::address() const { return impl_->address(); }
void RpcServer::Run() { impl_->Run(); }
void RpcServer::Stop() { impl_->Stop(); }
void RpcServer::Post(std::function<void()> work) { impl_->Post(std::move(work)); }
void RpcServer::Sync() {
  // The loop polls its sockets only when it has nothing else to do. So when it runs the second of
  // these, it has served what it saw when it polled for the first, except on connections that had
  // just given up their turn, which each of their layers does once at most.
  constexpr int kPolls = 2 + 2;
  for (int i = 0; i < kPolls; ++i) {
    absl::Notification done;
    Post([&done] { done.Notify(); });
    done.WaitForNotification();
  }
}

}  // namespace remoteobj::transport_internal
