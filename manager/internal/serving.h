// SPDX-License-Identifier: MIT
//
// A client's side of calls that the manager has it evaluate: see relay_object.h.
//
// An object of a client's becomes one of the manager's when a proxy of it is sent there. From then
// on a thread of the client evaluates the calls to it, until nobody refers to it there.
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
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {
class RpcClient;
}

namespace remoteobj::manager_internal {

// A relay, as those who serve it call it.
class RelayProxy final : public SharedProxy<RelayProxy, RelayInterface> {
 public:
  RelayProxy(const Reference& reference, std::string_view type) : SharedProxy(reference, type) {}

  // For an operation that does not wait.
  static constexpr absl::Duration kSoon = absl::Seconds(10);
};

// Makes an object of this process callable by the manager of `client`: an OfferObject.
std::shared_ptr<Referent> OfferToManager(
    const std::shared_ptr<transport_internal::RpcClient>& client, std::string_view type,
    const std::shared_ptr<Channel>& channel);

// Evaluates the calls that the relay has, on `channel`, until it is over, or the manager is gone.
// Returns false if it was something else that went wrong: then it can be called again.
bool Serve(const RelayProxy& relay, Channel& channel);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_SERVING_H_
