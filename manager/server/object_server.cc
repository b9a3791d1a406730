// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/object_server.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/server/local_channel.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/proxy/internal/evaluate.h"
#include "remoteobj/proxy/internal/type_info_of.h"
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

constinit thread_local Call* current_call = nullptr;
// The calling thread evaluates for all, one after the other.
constinit thread_local bool serving_all = false;

// The references of a request and its outcome.
class ServerScope final : public ReferenceScope {
 public:
  ServerScope(ObjectServer& server, std::vector<std::shared_ptr<Referent>>& sent)
      : server_(server), sent_(sent) {}

  void Send(std::shared_ptr<Referent> referent) override {
    auto entry = std::dynamic_pointer_cast<Entry>(std::move(referent));
    if (entry == nullptr || !server_.Has(*entry)) {
      throw BadValue("a reference to an object of another manager");
    }
    sent_.push_back(std::move(entry));
  }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view) override {
    return server_.Find(id);
  }

 private:
  ObjectServer& server_;
  std::vector<std::shared_ptr<Referent>>& sent_;
};

class Evaluating {
 public:
  explicit Evaluating(Call& call) : before_(std::exchange(current_call, &call)) {}
  ~Evaluating() { current_call = before_; }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  Call* const before_;
};

class ServingAll {
 public:
  ServingAll() : before_(std::exchange(serving_all, true)) {}
  ~ServingAll() { serving_all = before_; }
  ServingAll(const ServingAll&) = delete;
  ServingAll& operator=(const ServingAll&) = delete;

 private:
  const bool before_;
};

// What an object has in it goes after it, not within its destructor: each may have another in it,
// and a chain of them be longer than the stack.
void LetGo(std::shared_ptr<void> object) {
  constinit static thread_local std::vector<std::shared_ptr<void>>* going = nullptr;
  if (going != nullptr) {
    going->push_back(std::move(object));
    return;
  }
  std::vector<std::shared_ptr<void>> objects;
  going = &objects;
  for (;;) {
    object.reset();
    if (objects.empty()) break;
    object = std::move(objects.back());
    objects.pop_back();
  }
  going = nullptr;
}

void RefuseCode(OperationKind kind) {
  if (kind != OperationKind::kPassTo) return;
  throw BadValue(
      "PassTo can't reach an object of a manager: code travels only between forks of one process");
}

RegisteredType RootType(ObjectServer& server) {
  return {.name = TypeName<Root>(),
          .info = &proxy_internal::TypeOf<Root>(),
          .make = [&server](const ListReader&) { return std::make_shared<Root>(server); },
          .built_in = true};
}

}  // namespace

// Registry

void Registry::Add(std::string type_id, RegisteredType type) {
  const auto [at, added] = types_.try_emplace(std::move(type_id), std::move(type));
  if (!added)
    throw std::logic_error(absl::StrCat("the type ", at->first, " is registered already"));
}

const RegisteredType& Registry::Find(std::string_view type_id) const {
  const auto at = types_.find(type_id);
  if (at == types_.end()) {
    throw std::invalid_argument(
        absl::StrCat("the manager has no type \"", std::string(type_id), "\": register it"));
  }
  return at->second;
}

std::pair<std::string_view, const RegisteredType&> Registry::FindByName(
    std::string_view name) const {
  for (const auto& [type_id, type] : types_) {
    if (type.name == name && !type.built_in) return {type_id, type};
  }
  throw std::invalid_argument(
      absl::StrCat("the manager has no type ", std::string(name), ": register it"));
}

// WaitList

void WaitList::WakeOne() {
  if (calls_.empty()) return;
  Call& call = *calls_.front();
  call.server_.mutex_.AssertHeld();
  call.server_.StopWaiting(call);
  call.server_.woken_.push_back(&call);
}

void WaitList::WakeAll() {
  while (!calls_.empty()) WakeOne();
}

// CurrentCall

CurrentCall::CurrentCall() : call_(*current_call) {}

ClientId CurrentCall::client() const { return call_.client_; }
std::uint32_t CurrentCall::thread() const { return call_.thread_; }

void CurrentCall::WillWait() {
  ObjectServer::CheckMayBlock();
  if (!call_.may_wait_) throw proxy_internal::LeftEvaluation();
}

void CurrentCall::Wait(WaitList& list, absl::Duration timeout) {
  if (!call_.begun_) call_.begun_ = Deadline::Now();
  Wait(list, *call_.begun_ + timeout);
}

void CurrentCall::Wait(WaitList& list, Deadline deadline) {
  ObjectServer::CheckMayBlock();
  call_.list_ = &list;
  call_.until_ = deadline;
  throw proxy_internal::LeftEvaluation();
}

bool CurrentCall::timed_out() const { return call_.timed_out_; }
bool CurrentCall::waited() const { return call_.waited_; }
std::any& CurrentCall::memory() { return call_.memory_; }

void CurrentCall::IfNotReceived(std::function<void()> give_back) {
  call_.give_back_.push_back(std::move(give_back));
}

void CurrentCall::LeavesSomething() { LeavesSomething(call_.entry_); }

void CurrentCall::LeavesSomething(const std::shared_ptr<Entry>& in) {
  ObjectServer& server = call_.server_;
  server.mutex_.AssertHeld();
  const auto client = server.clients_.find(call_.client_);
  if (client != server.clients_.end()) {
    auto& left = client->second.left;
    left.try_emplace(in->id(), in);
    // Entries of objects that are gone are dropped.
    if (left.size() >= client->second.most_left) {
      std::erase_if(left, [](const auto& one) { return one.second.expired(); });
      client->second.most_left = 2 * left.size() + 16;
    }
  }
}

// Entry

Entry::Entry(ObjectServer& server, std::uint64_t id, std::string type_id, std::string type,
             const RegisteredType& how, std::shared_ptr<void> object, std::shared_ptr<Entry> owner)
    : Referent(id, std::move(type)),
      server_(server),
      type_id_(std::move(type_id)),
      how_(how),
      object_(std::move(object)),
      channel_(NewLocalChannel(server, *this)),
      owner_(std::move(owner)) {}

Entry::~Entry() { server_.Forget(*this); }

// Call

Call::Call(ObjectServer& server, ClientId client, std::shared_ptr<Entry> entry, Done done)
    : server_(server), client_(client), entry_(std::move(entry)), done_(std::move(done)) {}

Call::~Call() {
  if (!give_back_.empty()) server_.GiveBack(*this);
}

bool Call::finished() {
  const absl::MutexLock lock(&server_.mutex_);
  return finished_;
}

void Call::Received() { give_back_.clear(); }

void Call::Cancel() {
  std::shared_ptr<Call> kept;
  const absl::MutexLock lock(&server_.mutex_);
  done_ = nullptr;
  if (list_ == nullptr) return;
  server_.StopWaiting(*this);
  finished_ = true;
}

// ObjectServer

ObjectServer::ObjectServer(Registry registry, Options options)
    : registry_([&] {
        registry.Add("", RootType(*this));
        return std::move(registry);
      }()),
      max_outcome_bytes_(options.max_outcome_bytes),
      pool_(options.max_threads) {
  const RegisteredType& how = registry_.Find("");
  root_ =
      std::make_shared<Entry>(*this, 0, "", how.name, how, std::make_shared<Root>(*this), nullptr);
  ends_.BeginThread();
}

ObjectServer::~ObjectServer() {
  closing_.store(true);
  // Neither is called after that, though what ends below has work for them.
  pool_.Stop();
  ends_.Stop();
  // Objects that are parts of one another would stay.
  std::vector<std::shared_ptr<Entry>> entries;
  {
    const absl::MutexLock lock(&table_mutex_);
    for (const auto& [id, weak] : table_) {
      if (auto entry = weak.lock()) entries.push_back(std::move(entry));
    }
  }
  for (const std::shared_ptr<Entry>& entry : entries) LetGo(std::move(entry->object_));
}

ClientId ObjectServer::AddClient(ClientInfo info) {
  const absl::MutexLock lock(&mutex_);
  info.id = ++last_client_;
  const ClientId id = info.id;
  clients_.emplace(id, Client{.info = std::move(info)});
  return id;
}

void ObjectServer::RemoveClient(ClientId client) {
  // Let go of after the lock.
  std::vector<std::shared_ptr<Entry>> left;
  const absl::MutexLock lock(&mutex_);
  const auto at = clients_.find(client);
  if (at == clients_.end()) return;
  for (const auto& [id, weak] : at->second.left) {
    if (auto entry = weak.lock()) {
      entry->shared()->ClientGone(client);
      left.push_back(std::move(entry));
    }
  }
  clients_.erase(at);
  RunWoken();
}

std::shared_ptr<Entry> ObjectServer::Find(std::uint64_t id) {
  if (id == 0) return root_;
  const absl::MutexLock lock(&table_mutex_);
  const auto at = table_.find(id);
  std::shared_ptr<Entry> entry = at == table_.end() ? nullptr : at->second.lock();
  if (entry == nullptr) {
    throw StaleReference(absl::StrCat("object ", id,
                                      id > last_id_ ? " is of another manager, or of "
                                                      "this one before it restarted"
                                                    : " is gone: nobody kept it"));
  }
  return entry;
}

std::shared_ptr<Entry> ObjectServer::Make(std::string_view type_id, std::string_view type,
                                          const ListReader& arguments) {
  const RegisteredType& how = registry_.Find(type_id);
  if (how.make == nullptr || type_id.empty()) {
    throw std::invalid_argument(
        absl::StrCat("the manager makes no \"", std::string(type_id), "\" for others"));
  }
  return Adopt(how, type_id, type, how.make(arguments));
}

std::shared_ptr<Entry> ObjectServer::Share(std::string_view type, std::shared_ptr<void> object) {
  const auto [type_id, how] = registry_.FindByName(type);
  return Adopt(how, type_id, type, std::move(object));
}

bool ObjectServer::Has(const Referent& referent) {
  if (const auto* entry = dynamic_cast<const Entry*>(&referent)) return &entry->server_ == this;
  try {
    return referent.Same(*Find(referent.id()));
  } catch (const StaleReference&) {
    return false;
  }
}

ObjectServer& ObjectServer::Current() {
  if (current_call == nullptr) {
    throw std::logic_error("only a method of an object of a manager can call this");
  }
  return current_call->server_;
}

bool ObjectServer::IsEvaluating() { return current_call != nullptr; }

std::shared_ptr<Entry> ObjectServer::CurrentEntry() {
  Current();
  return current_call->entry_;
}

void ObjectServer::CheckMayBlock() {
  if (serving_all) {
    throw std::logic_error(
        "a method that runs where the manager serves everybody can't wait: register its type with "
        "Run::kOnThread");
  }
}

void ObjectServer::OnShutdown(std::function<void()> on_shutdown) {
  static_cast<Root*>(root_->object())->set_on_shutdown(std::move(on_shutdown));
}

std::shared_ptr<Entry> ObjectServer::Adopt(const RegisteredType& how, std::string_view type_id,
                                           std::string_view type, std::shared_ptr<void> object,
                                           std::shared_ptr<Entry> owner) {
  const absl::MutexLock lock(&table_mutex_);
  const std::uint64_t id = ++last_id_;
  auto entry = std::make_shared<Entry>(*this, id, std::string(type_id),
                                       how.built_in ? std::string(type) : how.name, how,
                                       std::move(object), std::move(owner));
  table_.emplace(id, entry);
  return entry;
}

void ObjectServer::Forget(Entry& entry) {
  {
    const absl::MutexLock lock(&table_mutex_);
    table_.erase(entry.id());
  }
  // A user's destructor is a user's code: not under a lock that may be held here.
  if (entry.owner_ != nullptr) {
    pool_.RunSometime([this, owner = entry.owner_, object = std::move(entry.object_)]() mutable {
      const absl::MutexLock lock(&mutex_);
      StandInLine(owner, [last = std::move(object)]() mutable { last.reset(); }, When::kSometime);
    });
  } else if (!entry.how().built_in) {
    pool_.RunSometime([object = std::move(entry.object_)]() mutable { object.reset(); });
  } else {
    LetGo(std::move(entry.object_));
  }
}

bool ObjectServer::IsFor(const RequestReader& request, std::string_view method) {
  return request.size() >= 2 && request[0].name() == method;
}

// To make an object of a user's type is to call its constructor.
ObjectServer::Way ObjectServer::WayOf(const Entry& entry, const RequestReader& request) const {
  if (!entry.how().built_in) return {entry.how().run, /*locked=*/false};
  constexpr std::size_t kNone = 2;
  const std::size_t at = entry.id() != 0                   ? kNone
                         : IsFor(request, "create")        ? 0
                         : IsFor(request, "get_or_create") ? 1
                                                           : kNone;
  // A batch makes no objects, but may use others that need the lock.
  if (at == kNone || request.chains() > 1) return {Run::kInServer, /*locked=*/true};
  const RegisteredType& made = registry_.Find(Decode<std::string>(request[1].Arguments()[at]));
  return made.built_in ? Way{Run::kInServer, /*locked=*/true} : Way{made.run, /*locked=*/false};
}

void ObjectServer::CheckBatchSize(std::size_t chains) {
  // While such a batch is evaluated all others wait.
  constexpr std::size_t kMostInServer = 10'000;
  if (chains > kMostInServer) {
    throw BadValue(absl::StrCat("a batch of ", chains, " operations: an object that is called ",
                                "where the manager serves everybody takes at most ",
                                kMostInServer));
  }
}

void ObjectServer::CheckExposed(const Entry& entry, const RequestReader& request) const {
  const RegisteredType& how = entry.how();
  if (how.run == Run::kInServer) CheckBatchSize(request.chains());
  bool first = true;  // Of a chain.
  for (std::size_t i = 0; i < request.size(); ++i) {
    const OperationReader operation = request[i];
    const OperationKind kind = operation.kind();
    RefuseCode(kind);
    if (kind == OperationKind::kNext && operation.Arguments().size() != 0) {
      throw BadValue(
          "a batch of several objects takes built-in ones only, and this one begins with "
          "an object of a user's type");
    }
    if (std::exchange(first, kind == OperationKind::kNext) && how.exposed &&
        kind != OperationKind::kNext) {
      const bool member = kind == OperationKind::kGetAttribute ||
                          kind == OperationKind::kSetAttribute ||
                          kind == OperationKind::kDeleteAttribute;
      if (!member || !how.exposed->contains(operation.name())) {
        throw NotExposed(
            absl::StrCat(entry.type_id(), " does not expose ",
                         member ? std::string(operation.name()) : "its bases and items"));
      }
    }
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
    OutcomeWriter one = outcomes[i];
    try {
      const bool another = i != 0 && request[begin - 1].Arguments().size() != 0;
      call.entry_ = another ? Find(request[begin - 1].Arguments()[0].AsObject()) : first;
      const RegisteredType& how = call.entry_->how();
      if (!how.built_in || how.relay != nullptr || call.entry_->id() == 0) {
        throw BadValue(
            absl::StrCat("a batch of several objects takes built-in ones only; this is a ",
                         call.entry_->type()));
      }
      for (std::size_t at = begin; at < end; ++at) RefuseCode(request[at].kind());
      if (begin != end) call.thread_ = request[end - 1].thread();
      proxy_internal::EvaluateChain(call.entry_->object(), *how.info, request, begin, end, one);
    } catch (const proxy_internal::LeftEvaluation&) {
      call.list_ = nullptr;
      one.Error({.type = "remoteobj::WouldWait",
                 .message = absl::StrCat("this operation on a ", call.entry_->type(),
                                         " would have to wait: call it outside of a batch")});
    } catch (...) {
      one.Error(CaptureCurrentException());
    }
    call.memory_.reset();
    begin = end + 1;
  }
  call.entry_ = first;
}

bool ObjectServer::Evaluate(Call& call, const RequestReader& request, bool may_wait) {
  const Evaluating evaluating(call);
  call.may_wait_ = may_wait;
  const transport_internal::Uninterrupted uninterrupted;
  call.outcome_.LimitTo(max_outcome_bytes_);
  OutcomeWriter outcome = Access::Outcome(call.outcome_);
  call.references_.clear();
  const ServerScope scope(*this, call.references_);
  try {
    const RegisteredType& how = call.entry_->how();
    if (how.relay != nullptr) {
      how.relay(call.entry_->object(), request, outcome);
    } else if (const std::size_t chains = how.built_in ? request.chains() : 1; chains > 1) {
      EvaluateBatch(call, request, chains, outcome);
    } else {
      CheckExposed(*call.entry_, request);
      if (request.size() != 0) call.thread_ = request[request.size() - 1].thread();
      proxy_internal::Evaluate(call.entry_->object(), *how.info, request, outcome);
    }
  } catch (const proxy_internal::LeftEvaluation&) {
    if (may_wait) return false;
    call.list_ = nullptr;
    return false;
  } catch (...) {
    outcome.Error(CaptureCurrentException());
  }
  if (call.outcome_.used() == 0) outcome.Value().Null();
  return true;
}

void ObjectServer::EvaluateLocked(Call& call) {
  In in = call.request_->Read();
  if (Evaluate(call, RequestIn(in), /*may_wait=*/true)) return Finish(call);
  BeginWaiting(call);
}

void ObjectServer::BeginWaiting(Call& call) {
  std::list<Call*>& calls = call.list_->calls_;
  auto at = calls.end();
  if (std::exchange(call.last_list_, call.list_) != call.list_) {
    call.number_ = ++last_number_;
  } else {
    // One that was woken and has to wait on: it was the first, or nearly.
    at = std::find_if(calls.begin(), calls.end(),
                      [&](const Call* other) { return other->number_ > call.number_; });
  }
  call.place_ = calls.insert(at, &call);
  call.waited_ = true;
  if (call.until_ != Deadline::Never()) {
    timeouts_.emplace(call.until_, &call);
    NoteNextTimeout();
  }
}

void ObjectServer::Finish(Call& call) {
  call.finished_ = true;
  if (call.done_ != nullptr) std::exchange(call.done_, nullptr)();
}

void ObjectServer::StopWaiting(Call& call) {
  std::exchange(call.list_, nullptr)->calls_.erase(call.place_);
  if (call.until_ != Deadline::Never()) {
    timeouts_.erase({call.until_, &call});
    NoteNextTimeout();
  }
}

void ObjectServer::NoteNextTimeout() {
  next_timeout_.store(timeouts_.empty() ? Deadline::Never() : timeouts_.begin()->first);
}

void ObjectServer::RunWoken() {
  while (!woken_.empty()) {
    Call& call = *woken_.front();
    woken_.pop_front();
    EvaluateLocked(call);
  }
}

std::shared_ptr<Call> ObjectServer::Begin(ClientId client, std::unique_ptr<HeapMessage> request,
                                          Call::Done done) {
  In in = request->Read();
  return Begin(client, Find(RequestIn(in).target()), std::move(request), std::move(done));
}

std::shared_ptr<Call> ObjectServer::Begin(ClientId client, std::shared_ptr<Entry> entry,
                                          std::unique_ptr<HeapMessage> message, Call::Done done) {
  const auto call = std::make_shared<Call>(*this, client, std::move(entry), std::move(done));
  call->request_ = std::move(message);
  In in = call->request_->Read();
  std::optional<Way> way;
  try {
    const RequestReader request = RequestIn(in);
    if (request.deadline().expired()) {
      throw DeadlineExceeded("the request came too late");
    }
    way = WayOf(*call->entry_, request);
  } catch (...) {
    Access::Outcome(call->outcome_).Error(CaptureCurrentException());
  }
  if (way && way->run == Run::kOnThread) {
    const absl::MutexLock lock(&mutex_);
    const auto evaluate = [this, call] {
      In in = call->request_->Read();
      Evaluate(*call, RequestIn(in), /*may_wait=*/false);
      const absl::MutexLock lock_after(&mutex_);
      Finish(*call);
    };
    try {
      StandInLine(call->entry_, evaluate, When::kNow);
    } catch (const std::system_error&) {
      call->done_ = nullptr;
      Access::Outcome(call->outcome_).Error(CaptureCurrentException());
      Finish(*call);
    }
    return call;
  }
  if (way && !way->locked) {
    In again = call->request_->Read();
    const ServingAll serving_all_now;
    Evaluate(*call, RequestIn(again), /*may_wait=*/false);
    way.reset();
  }
  const absl::MutexLock lock(&mutex_);
  // What is finished here is known to the caller at once.
  Call::Done done_later = std::exchange(call->done_, nullptr);
  if (way) {
    EvaluateLocked(*call);
    RunWoken();
  } else {
    Finish(*call);
  }
  if (!call->finished_) call->done_ = std::move(done_later);
  return call;
}

std::shared_ptr<Call> ObjectServer::TryNow(ClientId client, const RequestReader& request) {
  std::shared_ptr<Entry> entry;
  Way way;
  try {
    entry = Find(request.target());
    way = WayOf(*entry, request);
    if (way.run == Run::kOnThread) return nullptr;
  } catch (...) {
    // There is no such object, or no such type.
    const auto failed = std::make_shared<Call>(*this, client, root_, nullptr);
    Access::Outcome(failed->outcome_).Error(CaptureCurrentException());
    failed->finished_ = true;
    return failed;
  }
  const auto call = std::make_shared<Call>(*this, client, std::move(entry), nullptr);
  if (!way.locked) {
    const ServingAll serving_all_now;
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

void ObjectServer::StandInLine(const std::shared_ptr<Entry>& entry, std::function<void()> work,
                               When when) {
  entry->line_.push_back(std::move(work));
  if (entry->line_.size() > 1) return;
  auto run = [this, entry] { RunLine(entry); };
  if (when == When::kSometime) return pool_.RunSometime(std::move(run));
  try {
    pool_.Run(std::move(run));
  } catch (const std::system_error&) {
    entry->line_.pop_back();
    throw;
  }
}

// Does what stands in line at an object, one after the other.
void ObjectServer::RunLine(const std::shared_ptr<Entry>& entry) {
  for (;;) {
    std::function<void()> work;
    {
      const absl::MutexLock lock(&mutex_);
      work = std::move(entry->line_.front());
    }
    work();
    work = nullptr;
    const absl::MutexLock lock(&mutex_);
    entry->line_.pop_front();
    if (entry->line_.empty()) return;
  }
}

void ObjectServer::GiveBack(Call& call) {
  const absl::MutexLock lock(&mutex_);
  for (auto& give_back : call.give_back_) give_back();
  call.give_back_.clear();
  RunWoken();
}

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
  const std::shared_ptr<Entry>& owner = part->owner_;
  const auto evaluate = [this, part, work = std::move(work)] {
    Call call(*this, /*client=*/0, part->owner_, nullptr);
    const Evaluating evaluating(call);
    work();
  };
  StandInLine(owner, evaluate, When::kNow);
}

Deadline ObjectServer::NextTimeout() { return next_timeout_.load(); }

void ObjectServer::RunTimeouts() {
  const absl::MutexLock lock(&mutex_);
  const Deadline now = Deadline::Now();
  while (!timeouts_.empty() && timeouts_.begin()->first <= now) {
    Call& call = *timeouts_.begin()->second;
    StopWaiting(call);
    call.timed_out_ = true;
    EvaluateLocked(call);
    call.timed_out_ = false;
    RunWoken();
  }
}

Inspection ObjectServer::Inspect() {
  mutex_.AssertHeld();
  const std::map<std::uint64_t, std::string> names = static_cast<Root*>(root_->object())->ids();
  Inspection inspection;
  {
    std::vector<std::shared_ptr<Entry>> entries;
    {
      const absl::MutexLock lock(&table_mutex_);
      for (const auto& [id, weak] : table_) {
        if (auto entry = weak.lock()) entries.push_back(std::move(entry));
      }
    }
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a->id() < b->id(); });
    for (const std::shared_ptr<Entry>& entry : entries) {
      const auto name = names.find(entry->id());
      SharedObject* shared = entry->shared();
      inspection.objects.push_back(
          {.id = entry->id(),
           .type_id = entry->type_id(),
           .type = entry->type(),
           .name = name == names.end() ? "" : name->second,
           .references = static_cast<std::uint64_t>(entry.use_count() - 1),
           .waiting = (shared == nullptr ? 0 : shared->waiting()) + entry->line_.size()});
    }
  }
  for (const auto& [id, client] : clients_) inspection.clients.push_back(client.info);
  std::sort(inspection.clients.begin(), inspection.clients.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  inspection.threads = pool_.threads();
  return inspection;
}

std::size_t ObjectServer::object_count() {
  const absl::MutexLock lock(&table_mutex_);
  return table_.size();
}

}  // namespace remoteobj::manager_internal
