// SPDX-License-Identifier: MIT
//
// A connection is accepted, does the handshake (after that of TLS, if there is TLS), and speaks
// Cap'n Proto RPC until either side hangs up.
#include <unistd.h>

#include <array>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kj/exception.h"
#include "remoteobj/transport/internal/log_line.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"
#include "remoteobj/transport/rpc/internal/rpc_server_impl.h"
#include "remoteobj/transport/rpc/internal/session_cap.h"
#include "remoteobj/transport/rpc/internal/streams/paced_stream.h"
#include "remoteobj/transport/rpc/internal/streams/tls_stream.h"

namespace remoteobj::transport_internal {
namespace {

// How long a goodbye is given to be written; on a network also to be read, since a reset in answer
// to what the client has sent could destroy it on the way.
constexpr kj::Duration kGoodbyeHere = 5 * kj::MILLISECONDS;
constexpr kj::Duration kGoodbyeThere = 50 * kj::MILLISECONDS;
// A client that is to speak first may be silent for this part of the time limit of the handshake.
constexpr int kSilent = 3;
// A handshake by keys takes less than 2 KiB; one in which the client has a chain of certificates
// may take more.
constexpr std::size_t kMostHandshakeBytes = 64 << 10;
// How long a client that was just let in may take to call closed().
constexpr kj::Duration kAsk = 1 * kj::SECONDS;

}  // namespace

RpcServer::Impl::Connection::Connection(Impl& server, Socket socket)
    : server_(server),
      socket_(std::move(socket)),
      credentials_(CredentialsOf(socket_.fd())),
      host_(credentials_ ? "" : NetworkOfPeer(socket_.fd())),
      stream_(kj::heap<PacedStream>(server.loop_->io.lowLevelProvider->wrapSocketFd(
          socket_.fd(), kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC |
                            kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK))),
      link_(std::make_shared<Link>(server.self_)) {
  auto dropped = kj::newPromiseAndFulfiller<void>();
  dropped_ = kj::mv(dropped.promise);
  drop_ = kj::mv(dropped.fulfiller);
  link_->after_call = [&server] { server.RearmTimer(); };
  link_->keep = [&server](std::shared_ptr<Referent> object, std::shared_ptr<void> charge) {
    server.Keep(std::move(object), std::move(charge));
  };
  link_->kept = server.kept_;
  place_ = server_.in_handshake_.insert(server_.in_handshake_.end(), this);
  ++server_.half_open_[host_];
}

RpcServer::Impl::Connection::~Connection() {
  Become(State::kDropped);
  server_.past_handshake_.erase(place_);
  server_.hot_.remove(this);
  bell_rung_ = nullptr;
  bell_ready_ = nullptr;
  polled_.reset();
  link_->Close();
}

void RpcServer::Impl::Connection::Become(State state) {
  if (state_ == State::kHandshake) {
    server_.past_handshake_.splice(server_.past_handshake_.end(), server_.in_handshake_, place_);
    const auto at = server_.half_open_.find(host_);
    if (--at->second == 0) server_.half_open_.erase(at);
  }
  if (state_ != State::kDropped) state_ = state;
}

kj::Promise<void> RpcServer::Impl::Connection::Serve() {
  return server_.loop_->timer()
      .timeoutAfter(ToKj(server_.options_.hello_timeout), Secure())
      .then([this] { return Speak(); })
      .exclusiveJoin(kj::mv(dropped_));
}

void RpcServer::Impl::Connection::Drop() {
  Become(State::kDropped);
  drop_->fulfill();
}

kj::Promise<void> RpcServer::Impl::Connection::Goodbye() {
  kj::Timer& timer = server_.loop_->timer();
  const bool here = credentials_.has_value();
  return timer.timeoutAfter(kAsk, kj::mv(link_->asked.promise))
      .then([&timer, link = link_, here] {
        link->closed.fulfiller->fulfill();
        return timer.afterDelay(here ? kGoodbyeHere : kGoodbyeThere);
      })
      .catch_([](kj::Exception&&) {});
}

kj::Promise<void> RpcServer::Impl::Connection::Secure() {
  if (server_.tls_ == nullptr) return Greet("");
  // With TLS the client speaks first. One that does not gets an error that says why: it may be of a
  // version without encryption.
  kj::Timer& timer = server_.loop_->timer();
  const absl::Duration patience = server_.options_.hello_timeout / kSilent;
  return stream_->tryRead(received_.data(), 1, received_.size())
      .then([](std::size_t got) { return std::optional<std::size_t>(got); })
      .exclusiveJoin(
          timer.afterDelay(ToKj(patience)).then([] { return std::optional<std::size_t>(); }))
      .then([this](std::optional<std::size_t> heard) -> kj::Promise<void> {
        if (heard) return SecureInTurn(*heard);
        const HelloGreeting notice = EncryptionNotice();
        return Refuse("it does not speak TLS", {notice.begin(), notice.end()});
      });
}

kj::Promise<void> RpcServer::Impl::Connection::SecureOn(std::size_t got) {
  bool done = false;
  std::string channel, failure;
  server_.loop_->handshakes.Spend([&] {
    try {
      if (tls_ == nullptr) tls_ = ContextOf(*server_.tls_).Accept();
      tls_->Receive(std::span(received_).first(got));
      done = tls_->Handshake();
      if (done) {
        channel = tls_->Channel();
        certificate_names_ = tls_->PeerNames();
      }
    } catch (const std::exception& e) {
      failure = e.what();
    }
  });
  std::vector<std::byte> output = tls_ == nullptr ? std::vector<std::byte>() : tls_->TakeOutput();
  if (!failure.empty()) return Refuse(failure, std::move(output));
  kj::Promise<void> written = Write(std::move(output));
  if (done) {
    return written.then([this, channel] {
      stream_ = kj::heap<TlsStream>(kj::mv(stream_), std::move(tls_), GiveUpTurn());
      return Greet(channel);
    });
  }
  return written.then([this] { return stream_->tryRead(received_.data(), 1, received_.size()); })
      .then([this](std::size_t more) { return SecureInTurn(more); });
}

kj::Promise<void> RpcServer::Impl::Connection::SecureInTurn(std::size_t got) {
  if (got == 0) {
    Drop();
    return kj::READY_NOW;
  }
  handshake_bytes_ += got;
  if (handshake_bytes_ > kMostHandshakeBytes) return Refuse("its handshake is too long", {});
  return server_.loop_->handshakes.Turn(host_).then([this, got] { return SecureOn(got); });
}

kj::Promise<void> RpcServer::Impl::Connection::Write(std::vector<std::byte> bytes) {
  if (bytes.empty()) return kj::READY_NOW;
  auto kept = kj::heap<std::vector<std::byte>>(std::move(bytes));
  auto written = stream_->write(kept->data(), kept->size());
  return written.attach(kj::mv(kept));
}

kj::Promise<void> RpcServer::Impl::Connection::Refuse(const std::string& why,
                                                      std::vector<std::byte> last_words) {
  server_.LogRefused(NameOfPeer(socket_.fd()), why);
  return Write(std::move(last_words)).then([this] { Drop(); });
}

kj::Promise<void> RpcServer::Impl::Connection::Greet(std::string channel) {
  hello_.emplace(HelloOptions{.shared_memory = server_.options_.shared_memory &&
                                               server_.tls_ == nullptr && credentials_.has_value(),
                              .pid = static_cast<std::uint32_t>(getpid()),
                              .id = server_.id_,
                              .channel = std::move(channel)},
                 server_.keys_);
  const auto& greeting = hello_->Greeting();
  return stream_->write(greeting.data(), greeting.size())
      .then([this] { return stream_->read(answer_.data(), answer_.size()); })
      .then([this] { return Reply(); });
}

kj::Promise<void> RpcServer::Impl::Connection::Reply() {
  if (server_.closing_) {
    // The client was not let in, so it has sent no call that would need a goodbye.
    Drop();
    return kj::READY_NOW;
  }
  PeerInfo peer{.address = NameOfPeer(socket_.fd())};
  if (credentials_) {
    peer.pid = credentials_->pid;
    peer.uid = credentials_->uid;
  }
  const bool allowed =
      !credentials_ || credentials_->uid == geteuid() || server_.options_.other_users;
  const ServerHello::Verdict verdict = hello_->Check(answer_, [&](const HelloPeer&) {
    if (!allowed) return HelloStatus::kNotAllowed;
    return server_.service_.MayConnect(peer) ? HelloStatus::kOk : HelloStatus::kBusy;
  });
  reply_ = verdict.reply;
  if (!verdict.accepted()) {
    server_.LogRefused(peer.address, verdict.reason);
    return stream_->write(reply_.data(), reply_.size()).then([this] { Drop(); });
  }
  peer.id = verdict.client.id;
  peer.key_name = verdict.client.key_name;
  peer.certificate_names = std::move(certificate_names_);
  link_->session = server_.service_.Connected(peer);
  if (verdict.client.shared_memory && MakeSharedMemory()) return ShareMemory();
  return stream_->write(reply_.data(), reply_.size());
}

// Returns false if there is no memory that could be lent to a client. Its calls use the socket
// then.
bool RpcServer::Impl::Connection::MakeSharedMemory() {
  try {
    polled_ = std::make_unique<PolledCalls>(link_);
  } catch (const std::system_error& e) {
    if (server_.without_memory_++ % 100 == 0) {
      LogLine(LogSeverity::kWarning, absl::StrCat("a client uses the socket alone: ", e.what()));
    }
    return false;
  }
  if (!polled_->lendable()) polled_.reset();
  return polled_ != nullptr;
}

// Sends the reply with the descriptors of the memory and of its bell.
kj::Promise<void> RpcServer::Impl::Connection::ShareMemory() {
  const Socket bell = polled_->TakeClientsBell();
  SendWithDescriptors(socket_.fd(), reply_, std::array{polled_->fd(), bell.fd()});
  bell_ready_ =
      kj::heap<kj::UnixEventPort::FdObserver>(server_.loop_->io.unixEventPort, polled_->bell(),
                                              kj::UnixEventPort::FdObserver::OBSERVE_READ);
  bell_rung_ = AwaitBell().eagerlyEvaluate([](kj::Exception&&) {});
  server_.MakeHot(*this);
  return kj::READY_NOW;
}

kj::Promise<void> RpcServer::Impl::Connection::AwaitBell() {
  return bell_ready_->whenBecomesReadable().then([this] {
    polled_->Hear();
    server_.MakeHot(*this);
    return AwaitBell();
  });
}

// The loop polls its sockets before a timer fires.
NextTurn RpcServer::Impl::Connection::GiveUpTurn() {
  return [&server = server_] { return server.loop_->timer().afterDelay(0 * kj::NANOSECONDS); };
}

kj::Promise<void> RpcServer::Impl::Connection::Speak() {
  Become(State::kLetIn);
  if (link_->session == nullptr) return kj::READY_NOW;
  messages_ = kj::heap<BoundedMessageStream>(*stream_, GiveUpTurn(), link_);
  network_ = kj::heap<capnp::TwoPartyVatNetwork>(
      *messages_, capnp::rpc::twoparty::Side::SERVER,
      ReaderLimits(server_.options_.max_message_bytes / sizeof(Word)));
  rpc_ = kj::heap<capnp::RpcSystem<capnp::rpc::twoparty::VatId>>(
      capnp::makeRpcServer(*network_, MakeSession(link_)));
  return network_->onDisconnect();
}

}  // namespace remoteobj::transport_internal
