// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/object_server.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/proxy/internal/evaluate.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::manager_internal {
namespace {

using transport_internal::Access;
using transport_internal::In;
using transport_internal::RequestIn;

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

Quotas WithThreads(Quotas quotas, std::size_t max_threads) {
  if (quotas.threads == 0) quotas.threads = std::max<std::uint64_t>(1, max_threads / 2);
  return quotas;
}

}  // namespace

ObjectServer::ObjectServer(Registry registry, Options options)
    : registry_([&] {
        registry.Add("", RootType());
        return std::move(registry);
      }()),
      max_outcome_bytes_(options.max_outcome_bytes),
      sessions_(WithThreads(options.quotas, options.max_threads), options.keys, options.users,
                options.certificates),
      pool_(options.max_threads) {
  const RegisteredType& how = registry_.Find("");
  root_ = std::make_shared<Entry>(*this, 0, "", how.name, how, std::make_shared<Root>(*this),
                                  nullptr, Charge());
  ends_.BeginThread();
}

ObjectServer::~ObjectServer() {
  closing_.store(true);
  cycles_.Stop();
  // Neither runs anything from here on, though what is destroyed below may have work for them.
  pool_.Stop();
  ends_.Stop();
  sessions_.DropWaiting();
  // Objects that refer to one another, and were not collected, are destroyed here.
  for (const std::shared_ptr<Entry>& entry : table_.entries()) Destroy(entry->TakeObject());
}

ClientId ObjectServer::AddClient(ClientInfo info) {
  const absl::MutexLock lock(&mutex_);
  info.id = ++last_client_;
  sessions_.Add(info);
  const ClientId id = info.id;
  clients_.emplace(id, Client{.info = std::move(info)});
  return id;
}

Charge ObjectServer::ChargeTo(ClientId client, Account::Meter Account::* meter,
                              std::uint64_t amount) {
  const auto session = sessions_.Of(client);
  return session == nullptr ? Charge() : Charge(session->account, meter, amount);
}

Charge ObjectServer::ChargeToCaller(Account::Meter Account::* meter) {
  const Call* const call = Evaluating::call();
  return call == nullptr ? Charge() : Charge(call->server_.AccountOf(*call), meter);
}

// A call that runs after its client has gone has its session still.
std::shared_ptr<const Session> ObjectServer::SessionOf(const Call& call) {
  return call.session_ != nullptr ? call.session_ : sessions_.Of(call.client_);
}

std::shared_ptr<Account> ObjectServer::AccountOf(const Call& call) {
  if (call.account_ != nullptr) return call.account_;
  const auto session = SessionOf(call);
  return session == nullptr ? nullptr : session->account;
}

// Null for a call of an object: its caller may have the last thread of the client, and wait.
std::shared_ptr<ThreadShare> ObjectServer::ThreadsOf(const Call& call) {
  const auto session = SessionOf(call);
  return session == nullptr ? nullptr : session->account->threads;
}

void ObjectServer::RemoveClient(ClientId client) {
  // Released after the lock.
  std::vector<std::shared_ptr<Entry>> left;
  const absl::MutexLock lock(&mutex_);
  const auto at = clients_.find(client);
  if (at == clients_.end()) return;
  for (const auto& [id, weak] : at->second.left) {
    if (auto entry = weak.lock()) {
      // Null while the collector of cycles destroys it.
      if (SharedObject* const shared = entry->shared()) shared->ClientGone(client);
      left.push_back(std::move(entry));
    }
  }
  clients_.erase(at);
  sessions_.Remove(client);
  RunWoken();
  cycles_.Released();
}

void ObjectServer::LeavesSomething(ClientId client, const std::shared_ptr<Entry>& object) {
  mutex_.AssertHeld();
  const auto at = clients_.find(client);
  if (at == clients_.end()) return;
  auto& left = at->second.left;
  left.try_emplace(object->id(), object);
  if (left.size() >= at->second.most_left) {
    std::erase_if(left, [](const auto& one) { return one.second.expired(); });
    at->second.most_left = 2 * left.size() + 16;
  }
}

std::shared_ptr<Entry> ObjectServer::Find(std::uint64_t id) {
  return id == 0 ? root_ : table_.Find(id);
}

std::shared_ptr<Entry> ObjectServer::FindFor(const Session* session, std::uint64_t id) {
  if (session != nullptr && session->rights != nullptr) session->rights->CheckObject(id);
  return Find(id);
}

std::shared_ptr<Entry> ObjectServer::FindFor(ClientId client, std::uint64_t id) {
  return FindFor(sessions_.restricts() ? sessions_.Of(client).get() : nullptr, id);
}

std::shared_ptr<Entry> ObjectServer::Make(std::string_view type_id, std::string_view type,
                                          const ListReader& arguments) {
  const RegisteredType& how = registry_.Find(type_id);
  if (how.make == nullptr) {
    throw std::invalid_argument(
        absl::StrCat("clients can't make objects of the type \"", std::string(type_id), "\""));
  }
  return Adopt(how, type_id, type, how.make(arguments));
}

std::shared_ptr<Entry> ObjectServer::Share(std::string_view type, std::shared_ptr<void> object) {
  const auto [type_id, how] = registry_.FindByName(type);
  return Adopt(how, type_id, type, std::move(object));
}

bool ObjectServer::Has(const Referent& referent) {
  if (const auto* entry = dynamic_cast<const Entry*>(&referent)) return &entry->server() == this;
  try {
    return referent.Same(*Find(referent.id()));
  } catch (const StaleReference&) {
    return false;
  }
}

ObjectServer& ObjectServer::Current() { return CurrentEntry()->server(); }

bool ObjectServer::IsEvaluating() { return Evaluating::call() != nullptr; }

std::shared_ptr<Entry> ObjectServer::CurrentEntry() {
  if (!IsEvaluating()) {
    throw std::logic_error("call this in a method of a manager's object");
  }
  return Evaluating::call()->entry_;
}

ClientInfo ObjectServer::CurrentClient() {
  if (!IsEvaluating()) throw std::logic_error("call this in a method of a manager's object");
  const Call& call = *Evaluating::call();
  const auto session = call.server_.SessionOf(call);
  return session == nullptr ? ClientInfo{.id = call.client_} : session->info;
}

void ObjectServer::OnShutdown(std::function<void()> on_shutdown) {
  static_cast<Root*>(root_->object())->set_on_shutdown(std::move(on_shutdown));
}

std::shared_ptr<Entry> ObjectServer::Adopt(const RegisteredType& how, std::string_view type_id,
                                           std::string_view type, std::shared_ptr<void> object,
                                           std::shared_ptr<Entry> owner) {
  return table_.Add(*this, std::string(type_id), how.built_in ? std::string(type) : how.name, how,
                    std::move(object), std::move(owner), ChargeToCaller(&Account::objects));
}

void ObjectServer::Forget(Entry& entry) {
  table_.Erase(entry.id());
  // A user's destructor is a user's code: not under a lock that may be held here.
  if (entry.owner() != nullptr) {
    pool_.RunSometime([this, owner = entry.owner(), object = entry.TakeObject()]() mutable {
      const absl::MutexLock lock(&mutex_);
      owner->strand().RunSometime(owner, [last = std::move(object)]() mutable { last.reset(); });
    });
  } else if (!entry.how().built_in) {
    pool_.RunSometime([object = entry.TakeObject()]() mutable { object.reset(); });
  } else {
    Destroy(entry.TakeObject());
  }
}

void ObjectServer::CheckBatchSize(std::size_t chains) {
  // All other clients wait while such a batch is evaluated.
  constexpr std::size_t kMostInServer = 10'000;
  if (chains > kMostInServer) {
    throw BadValue(absl::StrCat("a batch of ", chains, " operations: an object that is called ",
                                "where the manager serves everybody takes at most ",
                                kMostInServer));
  }
}

void ObjectServer::CheckRequest(const Entry& entry, const RequestReader& request) {
  const RegisteredType& how = entry.how();
  if (how.run == Run::kInServer) CheckBatchSize(request.chains());
  bool first = true;  // Of the chain.
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
  call.outcome_.LimitTo(max_outcome_bytes_);
  OutcomeWriter outcome = Access::Outcome(call.outcome_);
  call.references_.clear();
  ServerAttachments attachments(*this, call.session_.get(), call.entry_, call.references_);
  const transport_internal::Attaching attaching(call.outcome_, attachments);
  Access::InOf(request).attachments = &attachments;
  try {
    EvaluateRequest(call, request, outcome);
  } catch (const proxy_internal::LeftEvaluation&) {
    if (may_wait) return false;
    call.list_ = nullptr;
    return false;
  } catch (...) {
    outcome.Error(CaptureCurrentException());
  }
  if (call.outcome_.used() == 0) outcome.Value().Null();
  if (call.session_ != nullptr && call.session_->rights != nullptr) {
    const bool made = call.entry_->id() == 0 && request.size() != 0 && request.chains() == 1 &&
                      request[0].name() == "create";
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
  // What the root may be asked for by this client was checked.
  const bool read_only = rights != nullptr && call.entry_->id() != 0;
  proxy_internal::Evaluate(call.entry_->object(), *how.info, request, outcome,
                           {.check = how.exposed ? &check : nullptr,
                            .read_only = read_only ? rights->read_only() : nullptr});
}

std::shared_ptr<Call> ObjectServer::Failed(std::shared_ptr<Call> call) {
  Access::Outcome(call->outcome_).Error(CaptureCurrentException());
  call->done_ = nullptr;
  call->finished_ = true;
  return call;
}

void ObjectServer::EvaluateLocked(Call& call) {
  In in = call.request_->Read();
  if (Evaluate(call, RequestIn(in), /*may_wait=*/true)) return Finish(call);
  if (call.place_ == Place::kUnderLock) waiting_.Add(call);
}

void ObjectServer::EvaluateOnThread(Call& call) {
  const auto evaluate = [this, kept = call.shared_from_this()] {
    {
      const absl::MutexLock lock(&mutex_);
      if (kept->cancelled_) return Finish(*kept);
    }
    In in = kept->request_->Read();
    Evaluate(*kept, RequestIn(in), /*may_wait=*/false);
    const absl::MutexLock lock(&mutex_);
    Finish(*kept);
  };
  try {
    call.entry_->strand().Run(call.entry_, evaluate, ThreadsOf(call), std::move(call.turn_));
  } catch (const std::system_error&) {
    Failed(call.shared_from_this());
  }
}

void ObjectServer::Finish(Call& call) {
  call.finished_ = true;
  if (call.done_ != nullptr) std::exchange(call.done_, nullptr)();
}

void ObjectServer::RunWoken() {
  while (Call* const call = waiting_.NextWoken()) EvaluateLocked(*call);
}

std::shared_ptr<Call> ObjectServer::Begin(ClientId client, std::unique_ptr<HeapMessage> request,
                                          Call::Done done) {
  In in = request->Read();
  return Begin(client, FindFor(client, RequestIn(in).target()), std::move(request),
               std::move(done));
}

std::shared_ptr<Call> ObjectServer::Begin(ClientId client, std::shared_ptr<Entry> entry,
                                          std::unique_ptr<HeapMessage> message, Call::Done done,
                                          Call::Turn turn) {
  constexpr unsigned kMostNested = 64;  // They have one thread, and its stack.
  const auto call = std::make_shared<Call>(*this, client, std::move(entry), std::move(done));
  call->request_ = std::move(message);
  call->place_ = call->entry_->how().place();
  call->session_ = sessions_.Of(client);
  const Call* const caller = Evaluating::call();
  if (call->session_ == nullptr && caller != nullptr) {
    call->account_ = AccountOf(*caller);
    call->nested_ = caller->nested_ + 1;
    call->turn_ = std::move(turn);
  }
  try {
    if (call->nested_ > kMostNested && call->place_ != Place::kUnderLock) {
      throw BadValue(absl::StrCat("calls of a manager's objects to one another that are nested ",
                                  "more than ", kMostNested, " deep"));
    }
    In in = call->request_->Read();
    if (RequestIn(in).deadline().expired()) throw DeadlineExceeded("the request came too late");
  } catch (...) {
    return Failed(call);
  }
  if (call->place_ == Place::kUnderLock) {
    const absl::MutexLock lock(&mutex_);
    Call::Done later = std::exchange(call->done_, nullptr);  // See the header.
    EvaluateLocked(*call);
    RunWoken();
    if (call->finished_ ? call->hands_over() : call->place_ == Place::kUnderLock) {
      // It waits, or its outcome does, for the acknowledgement.
      if (!ChargeCall(*call)) return call;
    }
    if (call->finished_) return call;
    call->done_ = std::move(later);
    if (call->place_ == Place::kUnderLock) return call;
  }
  if (call->place_ == Place::kInServer) {
    const ServingAll serving_all;
    In in = call->request_->Read();
    Evaluate(*call, RequestIn(in), /*may_wait=*/false);
    call->finished_ = true;
    return call;
  }
  const absl::MutexLock lock(&mutex_);
  if (ChargeCall(*call)) EvaluateOnThread(*call);
  return call;
}

void ObjectServer::ChargeOnce(Call& call) {
  if (call.request_ == nullptr || call.charge_.charged()) return;
  const std::shared_ptr<Account> account = call.server_.AccountOf(call);
  if (account == nullptr) return;
  Charge one(account, &Account::calls);
  // A nested call is one of few, and has what the call around it has been charged for.
  if (call.nested_ == 0) {
    call.bytes_ = Charge(account, &Account::call_bytes, call.request_->words().size_bytes(),
                         /*at_least_one=*/true);
  }
  call.charge_ = std::move(one);
}

bool ObjectServer::ChargeCall(Call& call) {
  try {
    ChargeOnce(call);
    return true;
  } catch (const QuotaExceeded&) {
    if (call.list_ != nullptr) waiting_.Remove(call);
    Refuse(call);
  }
  RunWoken();
  return false;
}

void ObjectServer::Refuse(Call& call) {
  call.references_.clear();
  // What it would have got goes to another.
  for (auto& give_back : std::exchange(call.give_back_, {})) give_back();
  Failed(call.shared_from_this());
}

std::shared_ptr<Call> ObjectServer::TryNow(ClientId client, const RequestReader& request) {
  std::shared_ptr<Call> call;
  try {
    const auto session = sessions_.restricts() ? sessions_.Of(client) : nullptr;
    call = std::make_shared<Call>(*this, client, FindFor(session.get(), request.target()), nullptr);
    call->session_ = session;
  } catch (...) {
    return Failed(std::make_shared<Call>(*this, client, root_, nullptr));
  }
  call->place_ = call->entry_->how().place();
  if (call->place_ == Place::kOnThread) return nullptr;
  if (call->place_ == Place::kInServer) {
    const ServingAll serving_all;
    if (!Evaluate(*call, request, /*may_wait=*/false)) return nullptr;
    call->finished_ = true;
    return call;
  }
  const absl::MutexLock lock(&mutex_);
  if (!Evaluate(*call, request, /*may_wait=*/false)) return nullptr;
  call->finished_ = true;
  RunWoken();
  return call;
}

void ObjectServer::EvaluateHere(Call& call) { call.entry_->strand().RunHere(call.entry_); }

void ObjectServer::Locked(absl::FunctionRef<void()> work) {
  const absl::MutexLock lock(&mutex_);
  work();
  RunWoken();
}

void ObjectServer::Do(std::function<void()> work) {
  ends_.Run([this, work = std::move(work)] { Locked(work); });
}

void ObjectServer::DoForOwner(std::shared_ptr<Entry> part, std::function<void()> work) {
  mutex_.AssertHeld();
  const std::shared_ptr<Entry>& owner = part->owner();
  // The work is the client's whose call asks for it.
  const Call* const caller = Evaluating::call();
  const auto session = caller == nullptr ? nullptr : SessionOf(*caller);
  const auto account = caller == nullptr ? nullptr : AccountOf(*caller);
  const auto run = [this, part, session, account, work = std::move(work)] {
    Call call(*this, session == nullptr ? 0 : session->info.id, part->owner(), nullptr);
    call.session_ = session;
    call.account_ = account;
    const Evaluating evaluating(call);
    work();
  };
  owner->strand().Run(owner, run, caller == nullptr ? nullptr : ThreadsOf(*caller));
}

void ObjectServer::RunTimeouts() {
  const absl::MutexLock lock(&mutex_);
  const Deadline now = Deadline::Now();
  while (Call* const call = waiting_.NextTimedOut(now)) {
    call->timed_out_ = true;
    EvaluateLocked(*call);
    call->timed_out_ = false;
    RunWoken();
  }
}

Inspection ObjectServer::Inspect() {
  mutex_.AssertHeld();
  const std::map<std::uint64_t, std::string> names = static_cast<Root*>(root_->object())->ids();
  Inspection inspection;
  for (const std::shared_ptr<Entry>& entry : table_.entries()) {
    const auto name = names.find(entry->id());
    SharedObject* shared = entry->shared();
    inspection.objects.push_back(
        {.id = entry->id(),
         .type_id = entry->type_id(),
         .type = entry->type(),
         .name = name == names.end() ? "" : name->second,
         .references = static_cast<std::uint64_t>(entry.use_count() - 1),
         .waiting = (shared == nullptr ? 0 : shared->waiting()) + entry->strand().size()});
  }
  for (const auto& [id, client] : clients_) inspection.clients.push_back(client.info);
  std::ranges::sort(inspection.clients, {}, &ClientInfo::id);
  inspection.threads = pool_.threads();
  return inspection;
}

}  // namespace remoteobj::manager_internal
