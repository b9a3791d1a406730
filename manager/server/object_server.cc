// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/object_server.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

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
    throw std::logic_error("this function works only in a method of a manager's object");
  }
  return Evaluating::call()->entry_;
}

ClientInfo ObjectServer::CurrentClient() {
  if (!IsEvaluating())
    throw std::logic_error("this function works only in a method of a manager's object");
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
