// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/relay_object.h"

#include <any>
#include <exception>
#include <span>
#include <stdexcept>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/waiting_type.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/rpc/internal/crypto.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::manager_internal {
namespace {

template <typename E>
AnyValue AsValue(const E& error) {
  try {
    throw error;
  } catch (...) {
    return ErrorAsValue(CaptureCurrentException());
  }
}

// Throws BadValue for operations that can't be relayed.
std::vector<RelayedOperation> OperationsOf(const RequestReader& request, bool takes_code) {
  std::vector<RelayedOperation> operations;
  operations.reserve(request.size());
  for (std::size_t i = 0; i < request.size(); ++i) {
    const OperationReader from = request[i];
    RelayedOperation& to = operations.emplace_back();
    to.kind = static_cast<std::uint16_t>(from.kind());
    to.hint = from.hint();
    to.name = std::string(from.name());
    const ListReader arguments = from.Arguments();
    for (std::size_t j = 0; j < arguments.size(); ++j) {
      to.arguments.push_back(AnyValue::Copy(arguments[j]));
    }
    if (from.kind() == OperationKind::kPassTo && !takes_code) {
      throw BadValue("PassTo can't reach an object of a client: code travels only between forks");
    }
    if (from.kind() == OperationKind::kNext) {
      throw BadValue("operations on an object of a client can't be batched");
    }
  }
  // The relayed message nests the arguments deeper than the request did. Throws BadValue if that is
  // too deep.
  const std::optional<RelayedCall> call = RelayedCall{.operations = operations};
  std::ignore = AnyValue::Of(call).As<std::optional<RelayedCall>>();
  return operations;
}

// The object that callers call. Lives as long as it is referenced.
class RelayedObject {
 public:
  RelayedObject(ObjectServer& server, std::shared_ptr<Relay> relay)
      : server_(server), relay_(std::move(relay)) {}
  RelayedObject(const RelayedObject&) = delete;
  RelayedObject& operator=(const RelayedObject&) = delete;
  // The last reference may be released with the server's lock held.
  ~RelayedObject() {
    server_.Do([relay = relay_] { relay->Unreferenced(); });
  }

  Relay& relay() { return *relay_; }

 private:
  ObjectServer& server_;
  const std::shared_ptr<Relay> relay_;
};

const RegisteredType& RelayedType() {
  return transport_internal::MadeOnce([] {
    return new const RegisteredType{
        .name = TypeName<RelayedObject>(),
        .relay =
            [](void* object, const RequestReader& request, OutcomeWriter& outcome) {
              static_cast<RelayedObject*>(object)->relay().Ask(request, outcome);
            },
        .built_in = true};
  });
}

}  // namespace

// Relay

void Relay::Ask(const RequestReader& request, OutcomeWriter& outcome) {
  CurrentCall call;
  std::any& memory = call.memory();
  if (!memory.has_value()) {
    if (over_) throw NotListening(why_over_);
    if (closed_) throw std::runtime_error(absl::StrCat(what_, " is closed"));
    call.WillWait();
    const auto work = std::make_shared<Work>();
    work->operations = OperationsOf(request, takes_code_);
    // Drops the calls of callers that have given up.
    if (queued_.size() >= most_queued_) {
      std::erase_if(queued_, [](const auto& one) { return one.expired(); });
      most_queued_ = 2 * queued_.size() + 16;
    }
    queued_.push_back(work);
    memory = work;
    takers_.WakeOne();
  }
  const auto& work = std::any_cast<const std::shared_ptr<Work>&>(memory);
  if (!work->answered) call.Wait(work->caller);
  switch (work->kind) {
    case AnswerKind::kValue:
      return work->value.Write(outcome.Value());
    case AnswerKind::kItself:
      return outcome.Itself();
    case AnswerKind::kError:
      return outcome.Error(ErrorOf(work->value));
  }
}

std::shared_ptr<Relay::Work> Relay::NextQueued() {
  while (!queued_.empty()) {
    std::shared_ptr<Work> work = queued_.front().lock();
    queued_.pop_front();
    if (work != nullptr) return work;
  }
  return nullptr;
}

std::optional<RelayedCall> Relay::Take() {
  const std::shared_ptr<Work> work = NextQueued();
  if (work == nullptr) return std::nullopt;
  CurrentCall call;
  const std::uint64_t number = ++last_number_;
  taken_.emplace(number, Taken{work, call.client()});
  call.LeavesSomething();
  call.IfNotReceived([this, number] {
    const auto taken = taken_.find(number);
    if (taken == taken_.end()) return;
    queued_.push_front(taken->second.work);
    taken_.erase(taken);
    takers_.WakeOne();
    MaybeWakeAll();
  });
  return RelayedCall{.number = number, .operations = work->operations};
}

std::optional<RelayedCall> Relay::AwaitCall() {
  if (std::optional<RelayedCall> call = Take()) return call;
  MaybeWakeAll();
  if (all_done()) return std::nullopt;
  CurrentCall().Wait(takers_);
}

void Relay::Finish(const std::weak_ptr<Work>& weak, AnswerKind kind, const AnyValue& value) {
  const std::shared_ptr<Work> work = weak.lock();
  if (work == nullptr) return;
  work->answered = true;
  work->kind = kind;
  work->value = value;
  work->caller.WakeAll();
}

void Relay::Answer(std::uint64_t number, AnswerKind kind, const AnyValue& value) {
  if (kind == AnswerKind::kError) std::ignore = ErrorOf(value);
  const auto taken = taken_.find(number);
  // The call has failed, or was never given to this client.
  if (taken == taken_.end() || taken->second.by != CurrentCall().client()) return;
  Finish(taken->second.work, kind, value);
  taken_.erase(taken);
  MaybeWakeAll();
}

void Relay::Keep() {
  CurrentCall call;
  keepers_.insert(call.client());
  call.LeavesSomething();
}

void Relay::Close() {
  closed_ = true;
  MaybeWakeAll();
}

void Relay::End(const std::string& why) {
  if (over_) return;
  over_ = true;
  why_over_ = why;
  const AnyValue error = AsValue(NotListening(why));
  for (const std::weak_ptr<Work>& work : queued_) Finish(work, AnswerKind::kError, error);
  for (const auto& [number, taken] : taken_) Finish(taken.work, AnswerKind::kError, error);
  queued_.clear();
  taken_.clear();
  MaybeWakeAll();
}

bool Relay::Join(absl::Duration timeout) {
  CurrentCall call;
  if (!closed_ && !over_) throw std::logic_error(absl::StrCat(what_, " is not closed"));
  if (all_done()) return true;
  if (call.timed_out() || timeout <= absl::ZeroDuration()) return false;
  call.Wait(joiners_, timeout);
}

void Relay::ClientGone(ClientId client) {
  for (auto at = taken_.begin(); at != taken_.end();) {
    if (at->second.by == client) {
      Finish(at->second.work, AnswerKind::kError,
             AsValue(ListenerDied(
                 absl::StrCat("the process that evaluated this call for ", what_, " has ended"), {},
                 /*evaluating=*/true)));
      at = taken_.erase(at);
    } else {
      ++at;
    }
  }
  MaybeWakeAll();
  if (keepers_.erase(client) != 0 && keepers_.empty()) {
    End(absl::StrCat("the process that had ", what_, " has gone"));
  }
}

std::size_t Relay::pending() const {
  return taken_.size() +
         static_cast<std::size_t>(std::count_if(queued_.begin(), queued_.end(),
                                                [](const auto& work) { return !work.expired(); }));
}

bool Relay::all_done() const {
  if (over_ || !closed_) return over_;
  return taken_.empty() &&
         std::ranges::all_of(queued_, [](const auto& work) { return work.expired(); });
}

void Relay::MaybeWakeAll() {
  if (!all_done()) return;
  takers_.WakeAll();
  joiners_.WakeAll();
}

void Relay::Unreferenced() { End(absl::StrCat("no process refers to ", what_)); }

// RelayObject

RelayObject::RelayObject(ObjectServer& server, Kind kind, std::string type, std::uint64_t size,
                         std::string secret)
    : server_(server),
      kind_(kind),
      size_(size),
      secret_(std::move(secret)),
      relay_(std::make_shared<Relay>(kind == Kind::kPool ? "the pool" : absl::StrCat("the ", type),
                                     /*takes_code=*/kind == Kind::kPool)) {
  kept_ =
      server.Adopt(RelayedType(), "Relayed", type, std::make_shared<RelayedObject>(server, relay_));
  relayed_ = kept_;
}

RelayObject::~RelayObject() {
  server_.Do([relay = relay_] { relay->End("no process serves it any more"); });
}

Reference RelayObject::relayed() {
  std::shared_ptr<Referent> relayed = relayed_.lock();
  if (relayed == nullptr)
    throw StaleReference(
        "the object that a client shared is gone: its last reference was released");
  if (kind_ == Kind::kObject) kept_.reset();
  return {std::move(relayed)};
}

void RelayObject::CheckServes(std::string_view secret) const {
  if (secret.size() == secret_.size() &&
      transport_internal::SameBytes(std::as_bytes(std::span(secret)),
                                    std::as_bytes(std::span(secret_)))) {
    return;
  }
  throw NotAllowed("only the processes that serve this object may take and answer its calls");
}

std::optional<RelayedCall> RelayObject::answer(const std::string& secret, std::uint64_t number,
                                               AnswerKind kind, const AnyValue& value) {
  CheckServes(secret);
  relay_->Answer(number, kind, value);
  return relay_->Take();
}

void RelayObject::terminate() { relay_->End("the pool was terminated"); }

void AddRelayTypes(Registry& registry) {
  for (const auto& [type_id, kind] : {std::pair("Relay", RelayObject::Kind::kObject),
                                      std::pair("Pool", RelayObject::Kind::kPool)}) {
    registry.Add(type_id,
                 WaitingType<RelayObject, RelayInterface>([k = kind](const ListReader& in) {
                   return std::make_shared<RelayObject>(
                       ObjectServer::Current(), k, Decode<std::string>(in[0]),
                       Decode<std::uint64_t>(in[1]), Decode<std::string>(in[2]));
                 }));
  }
}

}  // namespace remoteobj::manager_internal
