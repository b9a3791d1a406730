// SPDX-License-Identifier: MIT
//
// The client's side of calls that it evaluates for a manager: see relay_object.h.
//
// When a proxy of a client's object is sent to the manager, the object becomes one of the
// manager's. A thread of the client then evaluates the calls to it, until the manager has no
// reference to it.
//
// Threads:  thread-safe.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_SERVING_H_
#define REMOTEOBJ_MANAGER_INTERNAL_SERVING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/relay_messages.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {
class RpcClient;
}

namespace remoteobj::manager_internal {

// A relay, as the serving processes call it.
class RelayProxy final : public SharedProxy<RelayProxy, RelayInterface> {
 public:
  RelayProxy(const Reference& reference, std::string_view type) : SharedProxy(reference, type) {}

  // For an operation that does not wait.
  static constexpr absl::Duration kSoon = absl::Seconds(10);
};

// The secret of a new relay: 32 random bytes, for its manager and the processes that serve it.
std::string NewServingSecret();

// Makes an object of this process callable by the manager of `client`: an OfferObject.
std::shared_ptr<Referent> OfferToManager(
    const std::shared_ptr<transport_internal::RpcClient>& client, std::string_view type,
    const std::shared_ptr<Channel>& channel);

// Evaluates the relay's calls on `channel`, until the relay has ended or the manager is gone.
// Returns false after another error; then it can be called again.
bool Serve(const RelayProxy& relay, const std::string& secret, Channel& channel);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_SERVING_H_
