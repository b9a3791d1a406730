// SPDX-License-Identifier: MIT
//
// How an object server evaluates one request: the checks of its operations, the chains of a batch,
// and the references that the request and its outcome have.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/proxy/internal/evaluate.h"
#include "remoteobj/proxy/internal/member_name.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/internal/access.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::Access;

// The references of a request and its outcome.
class ServerAttachments final : public Attachments {
 public:
  // `target` is the object of the operation that is being evaluated.
  ServerAttachments(ObjectServer& server, const Session* session,
                    const std::shared_ptr<Entry>& target,
                    std::vector<std::shared_ptr<Referent>>& sent)
      : server_(server), session_(session), target_(target), sent_(sent) {}

  void Send(std::shared_ptr<Referent> referent) override {
    auto entry = std::dynamic_pointer_cast<Entry>(std::move(referent));
    if (entry == nullptr || !server_.Has(*entry)) {
      throw BadValue("a reference to an object of another manager");
    }
    sent_.push_back(std::move(entry));
  }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view) override {
    server_.MayStore(*target_);
    return server_.FindFor(session_, id);
  }

 private:
  ObjectServer& server_;
  const Session* const session_;
  const std::shared_ptr<Entry>& target_;
  std::vector<std::shared_ptr<Referent>>& sent_;
};

// REQUIRES: the operation is on an object of that type.
void CheckExposed(const RegisteredType& how, const OperationReader& operation) {
  if (!how.exposed) return;
  const bool member = NamesMember(operation.kind());
  if (member && how.exposed->contains(operation.name())) return;
  throw NotExposed(absl::StrCat(how.name, " does not expose ",
                                member ? std::string(operation.name()) : "its bases and items"));
}

bool IsOrDerives(const proxy_internal::TypeInfo& type, const proxy_internal::TypeInfo& base) {
  if (&type == &base) return true;
  return type.bases != nullptr && std::ranges::any_of(type.bases(), [&](const auto& one) {
           return IsOrDerives(one.type(), base);
         });
}

void RefuseCode(OperationKind kind) {
  if (kind != OperationKind::kPassTo) return;
  throw BadValue(
      "PassTo can't reach an object of a manager: code travels only between forks of one process");
}
}  // namespace

void ObjectServer::CheckBatchSize(std::size_t chains) {
  // All other clients wait while such a batch is evaluated.
  constexpr std::size_t kMostInServer = 10'000;
  if (chains > kMostInServer) {
    throw BadValue(absl::StrCat("a batch of ", chains,
                                " operations for an object with Run::kInServer: at most ",
                                kMostInServer, ", since all clients wait for it"));
  }
}

void ObjectServer::CheckRequest(const Entry& entry, const RequestReader& request) {
  const RegisteredType& how = entry.how();
  if (how.run == Run::kInServer) CheckBatchSize(request.chains());
  bool first = true;  // The first operation of a chain.
  for (std::size_t i = 0; i < request.size(); ++i) {
    const OperationReader operation = request[i];
    const OperationKind kind = operation.kind();
    RefuseCode(kind);
    if (kind == OperationKind::kNext && operation.Arguments().size() != 0) {
      throw BadValue(
          "a batch of several objects takes built-in ones only, and this one begins with "
          "an object of a user's type");
    }
    if (std::exchange(first, kind == OperationKind::kNext) && kind != OperationKind::kNext) {
      CheckExposed(how, operation);
    }
  }
}

void ObjectServer::CheckRights(const Rights* rights, const Entry& entry,
                               const RequestReader& request) {
  if (rights == nullptr) return;
  for (std::size_t begin = 0;;) {
    const std::size_t end = request.EndOfChain(begin);
    rights->CheckChain(entry, request, begin, end);
    if (end >= request.size()) return;
    begin = end + 1;
  }
}

// A chain that would have to wait fails with WouldWait: the request can't be evaluated again from
// its start, since the chains before it are done.
void ObjectServer::EvaluateBatch(Call& call, const RequestReader& request, std::size_t chains,
                                 OutcomeWriter& outcome) {
  CheckBatchSize(chains);
  call.may_wait_ = false;
  const std::shared_ptr<Entry> first = call.entry_;
  const OutcomesWriter outcomes = outcome.Many(chains);
  for (std::size_t i = 0, begin = 0; i < chains; ++i) {
    const std::size_t end = request.EndOfChain(begin);
    const std::size_t handed_over = call.give_back_.size();
    const std::size_t giving = call.giving_.size();
    OutcomeWriter one = outcomes[i];
    try {
      const bool another = i != 0 && request[begin - 1].Arguments().size() != 0;
      const Session* const session = call.session_.get();
      call.entry_ =
          another ? FindFor(session, request[begin - 1].Arguments()[0].AsObject()) : first;
      if (another) call.giving_.push_back(call.entry_);
      const RegisteredType& how = call.entry_->how();
      if (!how.built_in || how.relay != nullptr || call.entry_->id() == 0) {
        throw BadValue(
            absl::StrCat("a batch of several objects takes built-in ones only; this is a ",
                         call.entry_->type()));
      }
      for (std::size_t at = begin; at < end; ++at) RefuseCode(request[at].kind());
      const Rights* const rights = session == nullptr ? nullptr : session->rights.get();
      if (rights != nullptr) rights->CheckChain(*call.entry_, request, begin, end);
      proxy_internal::EvaluateChain(
          call.entry_->object(), *how.info, request, begin, end, one,
          {.read_only = rights == nullptr ? nullptr : rights->read_only()});
    } catch (const proxy_internal::LeftEvaluation&) {
      call.list_ = nullptr;
      one.Error({.type = "remoteobj::WouldWait",
                 .message = absl::StrCat("this operation on a ", call.entry_->type(),
                                         " would have to wait: call it outside of a batch")});
    } catch (...) {
      one.Error(CaptureCurrentException());
    }
    call.memory_.reset();
    // The functions that take a hand-over back belong to the object.
    if (call.give_back_.size() == handed_over) call.giving_.resize(giving);
    begin = end + 1;
  }
  call.entry_ = first;
}

bool ObjectServer::Evaluate(Call& call, const RequestReader& request, bool may_wait) {
  const Evaluating evaluating(call);
  call.may_wait_ = may_wait;
  call.thread_ = request.thread();
  const transport_internal::Uninterrupted uninterrupted;
  call.outcome_->LimitTo(max_outcome_bytes_);
  OutcomeWriter outcome = Access::Outcome(*call.outcome_);
  call.references_.clear();
  ServerAttachments attachments(*this, call.session_.get(), call.entry_, call.references_);
  const transport_internal::Attaching attaching(*call.outcome_, attachments);
  Access::InOf(request).attachments = &attachments;
  try {
    EvaluateRequest(call, request, outcome);
  } catch (const proxy_internal::LeftEvaluation&) {
    if (!may_wait) call.list_ = nullptr;
    return false;
  } catch (...) {
    outcome.Error(CaptureCurrentException());
  }
  if (call.outcome_->used() == 0) outcome.Value().Null();
  if (call.session_ != nullptr && call.session_->rights != nullptr) {
    const bool made = call.entry_->id() == 0 && request.size() != 0 && request.chains() == 1 &&
                      request[0].name() == proxy_internal::MemberName(&Root::create);
    for (const auto& reference : call.references_) call.session_->rights->Give(reference, made);
  }
  return true;
}

void ObjectServer::EvaluateRequest(Call& call, const RequestReader& request,
                                   OutcomeWriter& outcome) {
  const RegisteredType& how = call.entry_->how();
  const Rights* const rights = call.session_ == nullptr ? nullptr : call.session_->rights.get();
  const std::size_t chains = how.built_in && how.relay == nullptr ? request.chains() : 1;
  if (chains > 1) return EvaluateBatch(call, request, chains, outcome);
  CheckRights(rights, *call.entry_, request);
  if (how.relay != nullptr) return how.relay(call.entry_->object(), request, outcome);
  CheckRequest(*call.entry_, request);
  // The results of calls may be the object again, or another of its type.
  const auto check_exposed = [&how](const proxy_internal::TypeInfo& type,
                                    const OperationReader& operation) {
    if (IsOrDerives(type, *how.info) || IsOrDerives(*how.info, type)) {
      CheckExposed(how, operation);
    }
  };
  const proxy_internal::CheckOperation check = check_exposed;
  // Calls of the root were checked before.
  const bool read_only = rights != nullptr && call.entry_->id() != 0;
  proxy_internal::Evaluate(call.entry_->object(), *how.info, request, outcome,
                           {.check = how.exposed ? &check : nullptr,
                            .read_only = read_only ? rights->read_only() : nullptr});
}
}  // namespace remoteobj::manager_internal
