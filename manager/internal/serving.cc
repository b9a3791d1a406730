// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/serving.h"

#include <pthread.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/process/crash_stack.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/rpc/internal/crypto.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/message_references.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::RpcClient;

struct Answer {
  AnswerKind kind = AnswerKind::kValue;
  AnyValue value;
};

// REQUIRES: an exception is being handled.
Answer CurrentErrorAsAnswer() {
  return {AnswerKind::kError, ErrorAsValue(CaptureCurrentException())};
}

Answer Evaluate(const RelayedCall& call, Channel& channel) {
  // The references of the call and of its outcome.
  transport_internal::SentReferences attachments;
  const auto write = [&](RequestWriter request) {
    transport_internal::Access::OutOf(request).SetAttachments(&attachments);
    const std::vector<RelayedOperation>& operations = call.operations;
    const OperationsWriter out = request.Operations(operations.size());
    for (std::size_t i = 0; i < operations.size(); ++i) {
      const RelayedOperation& operation = operations[i];
      out.Set(i, static_cast<OperationKind>(operation.kind), operation.name, operation.hint);
      if (operation.arguments.empty()) continue;
      const ListWriter list = out.Arguments(i, operation.arguments.size());
      for (std::size_t j = 0; j < operation.arguments.size(); ++j) {
        operation.arguments[j].Write(list[j]);
      }
    }
  };
  try {
    Answer answer;
    channel.Call(
        write,
        [&](const OutcomeReader& outcome) {
          switch (outcome.kind()) {
            case OutcomeKind::kValue:
              answer.value = AnyValue::Copy(outcome.Value());
              return;
            case OutcomeKind::kItself:
              answer.kind = AnswerKind::kItself;
              return;
            case OutcomeKind::kError:
              answer = {AnswerKind::kError, ErrorAsValue(outcome.Error())};
              return;
            case OutcomeKind::kMany:  // A relay takes no batch.
              throw BadValue("a call that is not a batch has several outcomes");
          }
        },
        Deadline::Never());
    return answer;
  } catch (...) {
    return CurrentErrorAsAnswer();
  }
}

// The relays of the objects of this process that it has sent to managers.
class Offers {
 public:
  static Offers& Get() {
    return transport_internal::MadeOnce([] { return new Offers; });
  }

  std::shared_ptr<Referent> Offer(const std::shared_ptr<RpcClient>& client, std::string_view type,
                                  const std::shared_ptr<Channel>& channel) {
    const Key key(getpid(), client.get(), channel.get());
    if (auto known = Find(key)) {
      try {
        return RelayProxy({std::move(known)}, kType)->relayed.Timeout(RelayProxy::kSoon)().referent;
      } catch (const StaleReference&) {  // Its last reference is gone.
      }
    }
    const Proxy<Root> root(Reference{
        client->Object(0, TypeName<Root>(), Deadline::After(client->options().connect_timeout))});
    const absl::Duration soon = client->options().connect_timeout;
    const std::string secret = NewServingSecret();
    const Reference made = root->create.Timeout(soon)(
        std::string("Relay"), std::string(kType),
        AnyValue::Of(std::tuple(std::string(type), std::uint64_t{1}, secret)));
    const RelayProxy relay(made, kType);
    relay->keep.Timeout(RelayProxy::kSoon)(secret);
    std::shared_ptr<Referent> relayed = relay->relayed.Timeout(RelayProxy::kSoon)().referent;
    Remember(key, made.referent);
    try {
      std::thread([key, relay, secret, channel] {
        pthread_setname_np(pthread_self(), "remoteobj-serve");
        const CrashStack stack;
        while (!Serve(relay, secret, *channel)) absl::SleepFor(absl::Milliseconds(100));
        Get().Forget(key, relay.referent());
      }).detach();
    } catch (const std::system_error&) {
      // No thread would serve it.
      Forget(key, made.referent);
      relay->terminate();
      throw;
    }
    return relayed;
  }

 private:
  static constexpr std::string_view kType = "Relay";
  // A forked child has no threads of its parent.
  using Key = std::tuple<pid_t, const RpcClient*, const Channel*>;
  struct MutexOf;

  std::shared_ptr<Referent> Find(const Key& key) {
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<MutexOf>());
    const auto at = relays_.find(key);
    return at == relays_.end() ? nullptr : at->second.lock();
  }
  void Remember(const Key& key, const std::shared_ptr<Referent>& relay) {
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<MutexOf>());
    relays_[key] = relay;
  }
  void Forget(const Key& key, const std::shared_ptr<Referent>& relay) {
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<MutexOf>());
    const auto at = relays_.find(key);
    if (at != relays_.end() && at->second.lock() == relay) relays_.erase(at);
  }

  std::map<Key, std::weak_ptr<Referent>> relays_;
};

[[maybe_unused]] const bool registered = transport_internal::RegisterReferents(
    RpcClient::kSentKind,
    [](const ValueReader& in) { return RpcClient::ReceiveFromProcess(in, &OfferToManager); });

}  // namespace

std::string NewServingSecret() {
  std::string secret(32, '\0');
  transport_internal::FillRandom(std::as_writable_bytes(std::span(secret)));
  return secret;
}

std::shared_ptr<Referent> OfferToManager(const std::shared_ptr<RpcClient>& client,
                                         std::string_view type,
                                         const std::shared_ptr<Channel>& channel) {
  return Offers::Get().Offer(client, type, channel);
}

bool Serve(const RelayProxy& relay, const std::string& secret, Channel& channel) {
  try {
    std::optional<RelayedCall> call;
    for (;;) {
      if (!call) call = relay->take(secret);
      if (!call) return true;
      Answer answer = Evaluate(*call, channel);
      const std::uint64_t number = call->number;
      try {
        call = relay->answer(secret, number, answer.kind, answer.value);
      } catch (const BadValue&) {
        // The result can't be sent there: it refers to an object of another manager, say.
        answer = CurrentErrorAsAnswer();
        call = relay->answer(secret, number, answer.kind, answer.value);
      }
    }
  } catch (const NotListening&) {
    return true;  // The manager is gone, and with it the callers.
  } catch (const StaleReference&) {
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace remoteobj::manager_internal
