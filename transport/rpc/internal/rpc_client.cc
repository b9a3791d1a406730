// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/rpc_client.h"

#include <map>
#include <mutex>
#include <span>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/rpc/internal/remote_object.h"
#include "remoteobj/transport/rpc/internal/rpc_connection.h"
#include "remoteobj/transport/rpc/internal/rpc_server.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::transport_internal {
namespace {

// How another process reaches an object: kSentKind, address, key, plaintext, other_users, number,
// type, server process.
using Sent = std::tuple<std::string, std::string, std::string, bool, bool, std::uint64_t,
                        std::string, HelloId>;

std::shared_ptr<const Tls> TlsOf(const RpcClientOptions& options) {
  CheckPlaintext(options.plaintext, options.tls.get());
  if (options.tls != nullptr) return options.tls;
  if (options.address.kind() != Address::Kind::kTcp || options.plaintext || options.key.empty()) {
    return nullptr;
  }
  const NamedKey key{.name = "", .key = options.key};
  return NewPskTls(std::span(&key, 1));
}

}  // namespace

RpcClient::RpcClient(RpcClientOptions options)
    : options_([&] {
        // It may connect again after the program has changed its directory.
        options.address = AbsoluteAddress(options.address);
        return std::move(options);
      }()),
      tls_(TlsOf(options_)) {}

std::shared_ptr<RpcClient> RpcClient::Connect(RpcClientOptions options) {
  auto client = std::make_shared<RpcClient>(std::move(options));
  client->Connection();
  return client;
}

std::shared_ptr<RpcConnection> RpcClient::Connection() {
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    if (connection_ != nullptr && connection_->usable()) return connection_;
  }
  // If two threads come here at the same time, the connection of one of them is dropped.
  auto connection = std::make_shared<RpcConnection>(options_, tls_.get());
  const std::scoped_lock lock(ForkSafeMutex<Connections>());
  if (connection_ == nullptr || !connection_->usable()) connection_.swap(connection);
  return connection_;
}

void RpcClient::WithAttachments(absl::FunctionRef<void(Attachments&)> write) {
  WriteForServer(shared_from_this(), write);
}

bool RpcClient::Ping(Deadline deadline) {
  try {
    Connection()->Ping(deadline);
    return true;
  } catch (const NotListening&) {
  } catch (const ListenerDied&) {
  } catch (const DeadlineExceeded&) {
  }
  return false;
}

pid_t RpcClient::server_pid() {
  const std::scoped_lock lock(ForkSafeMutex<Connections>());
  return connection_ == nullptr ? 0 : connection_->server_pid();
}

std::shared_ptr<Referent> RpcClient::Object(std::uint64_t id, std::string_view type,
                                            Deadline deadline) {
  std::shared_ptr<RpcConnection> connection = Connection();
  const Handle handle = connection->Find(id, deadline);
  return MakeRemoteObject(shared_from_this(), id, std::string(type), std::move(connection), handle);
}

void RpcClient::SendToProcess(std::uint64_t id, const std::string& type, const HelloId& server,
                              ValueWriter out) {
  if (options_.tls != nullptr) {
    throw BadValue(
        "an object that is reached by TLS can't be an argument of a process: connect to its server "
        "there");
  }
  // This process may release the object before the other one asks for it.
  Connection()->Keep(id, Deadline::After(options_.connect_timeout));
  Codec<Sent>::Encode({kSentKind, options_.address.ToString(), options_.key, options_.plaintext,
                       options_.other_users, id, type, server},
                      out);
}

std::shared_ptr<Referent> RpcClient::ReceiveFromProcess(const ValueReader& in,
                                                        OfferObject offer_object) {
  const auto [kind, address, key, plaintext, other_users, id, type, server] =
      Codec<Sent>::Decode(in);
  // All objects of one server that is reached in the same way share a connection.
  using Same = std::tuple<std::string, bool, bool, std::string>;
  auto& clients = MadeOnce([] { return new std::map<Same, std::weak_ptr<RpcClient>>; });
  auto client = std::make_shared<RpcClient>(RpcClientOptions{.address = Address::Parse(address),
                                                             .key = key,
                                                             .plaintext = plaintext,
                                                             .other_users = other_users,
                                                             .offer_object = offer_object});
  {
    const std::scoped_lock lock(ForkSafeMutex<Connections>());
    std::weak_ptr<RpcClient>& known = clients[{address, plaintext, other_users, key}];
    if (std::shared_ptr<RpcClient> there = known.lock()) {
      client.swap(there);
    } else {
      known = client;
    }
  }
  const std::shared_ptr<RpcConnection> connection = client->Connection();
  connection->CheckServer(server, id);
  return client->Object(id, type, Deadline::After(client->options().connect_timeout));
}

}  // namespace remoteobj::transport_internal
