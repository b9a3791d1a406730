// SPDX-License-Identifier: MIT
#include "remoteobj/manager/manager.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/manager/internal/serving.h"
#include "remoteobj/manager/server/built_in_types.h"
#include "remoteobj/manager/server/manager_service.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/process/interruption.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/spawn.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/crypto.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/rpc_server.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"

namespace remoteobj {
namespace {

using manager_internal::ObjectServer;
using manager_internal::OfferToManager;
using manager_internal::Root;
using transport_internal::ForkSafeMutex;
using transport_internal::RpcClient;
using transport_internal::RpcServer;

std::string RandomBytes(std::size_t size) {
  std::string bytes(size, '\0');
  transport_internal::FillRandom(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// Drawn before main, so that all forks of the program have the same key.
[[maybe_unused]] const std::string& authkey_at_start = ProcessAuthkey();

Address NewAddress() {
  return Address::Parse(
      absl::StrCat("unix-abstract:remoteobj-", absl::BytesToHexString(RandomBytes(16))));
}

std::map<std::string, Policy> PoliciesOf(const std::vector<RestrictedKey>& keys) {
  std::map<std::string, Policy> policies;
  for (const RestrictedKey& key : keys) policies.emplace(key.name, key.policy);
  return policies;
}
std::vector<transport_internal::NamedKey> NamedKeysOf(const std::vector<RestrictedKey>& keys) {
  std::vector<transport_internal::NamedKey> named;
  for (const RestrictedKey& key : keys) named.push_back({.name = key.name, .key = key.key});
  return named;
}
std::map<std::int64_t, Policy> PoliciesOf(const std::vector<UserPolicy>& users) {
  std::map<std::int64_t, Policy> policies;
  for (const UserPolicy& user : users) policies.emplace(user.uid, user.policy);
  return policies;
}

void CheckName(const CertificatePolicy& policy) {
  const auto has = [&](std::string_view kind) { return policy.name.starts_with(kind); };
  if (policy.name == "*" || has("dns:") || has("uri:") || has("email:") || has("cn:")) return;
  throw std::invalid_argument(absl::StrCat("ManagerOptions::certificates: \"", policy.name,
                                           "\" does not begin with dns:, uri:, email: or cn:"));
}

// The server, in the process and on the thread that serves.
class Serving {
 public:
  Serving(const Address& address, const ManagerOptions& options,
          manager_internal::Registry registry)
      : options_(options),
        server_(std::move(registry),
                {.max_threads = static_cast<std::size_t>(std::max(1, options.max_threads)),
                 .max_outcome_bytes = options.max_message_bytes - transport_internal::kFrameBytes,
                 .quotas = options.quotas,
                 .keys = PoliciesOf(options.keys),
                 .users = PoliciesOf(options.users),
                 .certificates = options.certificates}),
        service_(server_),
        rpc_(service_, {.address = address,
                        .key = options.authkey,
                        .named_keys = NamedKeysOf(options.keys),
                        .tls = options.tls,
                        .plaintext = options.plaintext,
                        .other_users = options.other_users,
                        .shared_memory = options.shared_memory,
                        .max_message_bytes = options.max_message_bytes}) {
    server_.OnShutdown([this] { rpc_.Stop(); });
    if (options.initializer) options.initializer();
  }

  const Address& address() const { return rpc_.address(); }
  void Run() {
    if (options_.on_serving) options_.on_serving(rpc_.address().ToString());
    rpc_.Run();
  }
  void Stop() { rpc_.Stop(); }

 private:
  const ManagerOptions& options_;
  ObjectServer server_;
  manager_internal::ManagerService service_;
  RpcServer rpc_;
};

// Prepares this new process for serving.
void BecomeManager() {
  // A signal to the process group (Ctrl-C, the end of a service) is meant for the program, which
  // may use the manager's objects while it ends. This process ends with the program, or by
  // Shutdown().
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);
  // In some builds, Abseil's deadlock detection costs as much as a call does.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Each client takes up to three descriptors; the usual limit is for programs that use select().
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

// The main function of a spawned manager. Yields its address once clients can connect.
Generator<std::string> ServeSpawned(std::string address, std::string authkey, bool plaintext,
                                    bool other_users, bool shared_memory,
                                    std::uint64_t max_message_bytes, Quotas quotas) {
  BecomeManager();
  const ManagerOptions options{.authkey = authkey,
                               .plaintext = plaintext,
                               .other_users = other_users,
                               .shared_memory = shared_memory,
                               .max_message_bytes = max_message_bytes,
                               .quotas = quotas};
  manager_internal::Registry registry;
  manager_internal::AddBuiltInTypes(registry);
  Serving serving(Address::Parse(address), options, std::move(registry));
  co_yield serving.address().ToString();
  serving.Run();
}
REMOTEOBJ_REGISTER_FUNCTION(ServeSpawned)

}  // namespace

const std::string& ProcessAuthkey() {
  return transport_internal::MadeOnce([] { return new const std::string(RandomBytes(32)); });
}

class Manager::Impl {
 public:
  Impl(Address address, ManagerOptions options, bool connect_only)
      : options_(std::move(options)),
        connect_only_(connect_only),
        address_(transport_internal::AbsoluteAddress(address)) {
    constexpr std::size_t kLeast = std::size_t{1} << 20;
    if (options_.max_message_bytes < kLeast || options_.max_message_bytes > kMaxRpcMessageBytes) {
      throw std::invalid_argument(
          "ManagerOptions::max_message_bytes: between 1 MiB and kMaxRpcMessageBytes (1 GiB)");
    }
    transport_internal::CheckPlaintext(options_.plaintext, options_.tls.get());
    if (connect_only_) return;
    transport_internal::CheckKey(address_, options_.authkey);
    for (const RestrictedKey& key : options_.keys) {
      if (key.name.empty() || key.key.empty()) {
        throw std::invalid_argument("ManagerOptions::keys: each key has a name");
      }
      if (key.name.starts_with("uid ") || key.name.starts_with("certificate ")) {
        throw std::invalid_argument(
            absl::StrCat("ManagerOptions::keys: \"", key.name, "\" names clients without a key"));
      }
      transport_internal::CheckKey(address_, key.key);
    }
    if (!options_.certificates.empty() &&
        (options_.tls == nullptr ||
         !transport_internal::ContextOf(*options_.tls).verifies_clients())) {
      throw std::invalid_argument(
          "ManagerOptions::certificates needs ManagerOptions::tls with TlsOptions::verify_clients");
    }
    for (const CertificatePolicy& policy : options_.certificates) CheckName(policy);
    manager_internal::AddBuiltInTypes(registry_);
  }
  ~Impl() {
    try {
      if (!connect_only_) Shutdown();
    } catch (const std::exception&) {
      // The manager is killed in that case.
    }
  }

  void AddType(std::string type_id, manager_internal::RegisteredType type) {
    const absl::MutexLock lock(&mutex_);
    if (connect_only_) {
      throw std::logic_error(
          "register types in the process that starts the manager, not in one that "
          "connects to it");
    }
    if (state_ != State::kInitial) {
      throw std::logic_error("register types before the manager is started");
    }
    if (options_.start != Start::kFork) {
      throw std::logic_error(absl::StrCat(
          "the type ", type_id,
          " can't be registered: a manager whose options say how to start its process, and not by "
          "Start::kFork, has the built-in types only; have a function that registers it and calls "
          "ServeForever() run in a spawned Process"));
    }
    registry_.Add(std::move(type_id), std::move(type));
  }

  void Start() {
    const absl::MutexLock lock(&mutex_);
    StartLocked();
  }

  void Serve() {
    std::optional<Serving> serving;
    {
      const absl::MutexLock lock(&mutex_);
      CheckStartable();
      state_ = State::kServing;
    }
    serving.emplace(address(), options_, std::move(registry_));
    {
      const absl::MutexLock lock(&mutex_);
      SetAddress(serving->address());
      serving_ = &*serving;
    }
    // However it ends.
    const auto ended = absl::MakeCleanup([this] {
      const absl::MutexLock lock(&mutex_);
      serving_ = nullptr;
      state_ = State::kShutDown;
    });
    serving->Run();
  }

  void Stop() {
    const absl::MutexLock lock(&mutex_);
    if (serving_ != nullptr) serving_->Stop();
  }

  // Starts the manager first, if it is not started.
  const Proxy<Root>& StartedRoot() { return root(/*start=*/true); }
  const Proxy<Root>& root(bool start = false) {
    if (state_ == State::kShutDown) throw std::logic_error("this manager has shut down");
    {
      const std::scoped_lock lock(ForkSafeMutex<Connected>());
      if (connected_ != nullptr) return connected_->root;
    }
    if (maker_ != getpid()) {
      throw std::logic_error(
          "this manager was not started: start it before the processes that share it");
    }
    const absl::MutexLock lock(&mutex_);
    if (state_ == State::kInitial && start) StartLocked();
    if (state_ != State::kStarted) {
      throw std::logic_error("this manager is not started: call Start(), or make an object first");
    }
    return connected_->root;
  }

  // Calls `make`, whose value will be sent. REQUIRES: root() was called.
  AnyValue Make(absl::FunctionRef<AnyValue(Attachments&)> make) {
    AnyValue made;
    client()->WithAttachments([&](Attachments& attachments) { made = make(attachments); });
    return made;
  }

  void Shutdown() {
    if (connect_only_) {
      throw std::logic_error(
          "only the process that started the manager can shut it down: this one has only connected "
          "to it");
    }
    if (starter_ != getpid()) return;
    const absl::MutexLock lock(&mutex_);
    if (!process_) return;
    state_ = State::kShutDown;
    // If it has died, another manager may have its address, and must not be ended.
    if (!WaitFor(absl::ZeroDuration())) {
      try {
        connected_->root->shutdown.Timeout(options_.shutdown_timeout)();
      } catch (const std::runtime_error&) {
        // The manager is gone, or does not answer.
      }
    }
    addresses_.reset();
    if (!WaitFor(options_.shutdown_timeout)) {
      process_->Kill();
      WaitFor(absl::InfiniteDuration());
    }
    process_.reset();
  }

  bool Join(absl::Duration timeout) {
    if (starter_ != getpid()) return true;
    {
      const absl::MutexLock lock(&mutex_);
      if (!process_) return true;
    }
    return WaitFor(timeout);
  }

  Address address() {
    const std::scoped_lock lock(ForkSafeMutex<Connected>());
    return address_;
  }
  pid_t pid() {
    const std::shared_ptr<RpcClient> there = client();
    return there == nullptr ? 0 : there->server_pid();
  }

  void ConnectWhenServing() {
    for (const Deadline until = Deadline::After(options_.connect_timeout);;) {
      try {
        return Connect();
      } catch (const NotListening&) {
        if (!options_.wait_until_serving || until.expired()) throw;
      }
      remoteobj::SleepFor(absl::Milliseconds(10));
    }
  }
  void Connect() {
    auto client = RpcClient::Connect({.address = address(),
                                      .key = options_.authkey,
                                      .tls = options_.tls,
                                      .plaintext = options_.plaintext,
                                      .other_users = options_.other_users,
                                      .connect_timeout = options_.connect_timeout,
                                      .max_message_bytes = options_.max_message_bytes,
                                      .shared_memory = options_.shared_memory,
                                      .offer_object = &OfferToManager});
    const Reference root{
        client->Object(0, TypeName<Root>(), Deadline::After(options_.connect_timeout))};
    auto connected = std::make_unique<Connected>(Connected{std::move(client), Proxy<Root>(root)});
    const std::scoped_lock lock(ForkSafeMutex<Connected>());
    connected_.swap(connected);
  }

 private:
  enum class State { kInitial, kStarted, kServing, kShutDown };

  struct Connected {
    std::shared_ptr<RpcClient> client;
    Proxy<Root> root;
  };

  std::shared_ptr<RpcClient> client() {
    const std::scoped_lock lock(ForkSafeMutex<Connected>());
    return connected_ == nullptr ? nullptr : connected_->client;
  }
  void SetAddress(Address address) {
    const std::scoped_lock lock(ForkSafeMutex<Connected>());
    address_ = std::move(address);
  }

  void CheckStartable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (connect_only_) {
      throw std::logic_error("this Manager is connected to a running one, and can't start it");
    }
    if (state_ == State::kShutDown) throw std::logic_error("this manager has shut down");
    if (state_ != State::kInitial) throw std::logic_error("this manager was started already");
  }

  void StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    CheckStartable();
    const ProcessOptions run{.name = "manager", .daemon = true, .start = options_.start};
    if (options_.start == Start::kFork) {
      process_.emplace(run, [this, at = address()]() -> Generator<std::string> {
        BecomeManager();
        Serving serving(at, options_, std::move(registry_));
        co_yield serving.address().ToString();
        serving.Run();
      });
    } else {
      CheckSpawnable();
      process_.emplace(run, ServeSpawned, address().ToString(), options_.authkey,
                       options_.plaintext, options_.other_users, options_.shared_memory,
                       std::uint64_t{options_.max_message_bytes}, options_.quotas);
    }
    starter_ = getpid();
    try {
      addresses_.emplace(process_->result());
      auto first = addresses_->begin();
      if (first == addresses_->end()) {
        throw NotListening("the manager's process ended before it served");
      }
      SetAddress(Address::Parse(*first));
      Connect();
      state_ = State::kStarted;
    } catch (...) {
      state_ = State::kShutDown;
      addresses_.reset();
      process_->Kill();
      process_.reset();
      throw;
    }
  }

  void CheckSpawnable() const {
    const char* const what = options_.initializer                                ? "an initializer"
                             : options_.on_serving                               ? "on_serving"
                             : options_.tls                                      ? "TLS"
                             : !options_.keys.empty() || !options_.users.empty() ? "policies"
                                                                                 : nullptr;
    if (what == nullptr) return;
    throw std::logic_error(
        absl::StrCat("a manager with ", what,
                     " can't be started by Start::kSpawn or Start::kForkServer: its process has "
                     "nothing of this one's; have a function that makes the manager and calls "
                     "ServeForever() run in a spawned Process"));
  }

  // REQUIRES: it was started.
  bool WaitFor(absl::Duration timeout) {
    try {
      return process_->Join(timeout);
    } catch (const std::exception&) {
      return true;  // The way in which it ended does not matter.
    }
  }

  const ManagerOptions options_;
  const bool connect_only_;
  const pid_t maker_ = getpid();
  std::atomic<pid_t> starter_{0};
  std::atomic<State> state_{State::kInitial};  // Written under the mutex.
  // Held while the manager starts and ends, which takes long. Forked children must not need it.
  absl::Mutex mutex_;
  manager_internal::Registry registry_;
  Serving* serving_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::optional<Process<Generator<std::string>>> process_;
  std::optional<Generator<std::string>> addresses_;
  // Guarded by ForkSafeMutex<Connected>(). Set once.
  Address address_;
  std::unique_ptr<Connected> connected_;
};

Manager::Manager(std::string_view address, ManagerOptions options)
    : impl_(std::make_unique<Impl>(address.empty() ? NewAddress() : Address::Parse(address),
                                   std::move(options), /*connect_only=*/false)) {}
Manager::Manager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Manager::~Manager() = default;
Manager::Manager(Manager&&) noexcept = default;
Manager& Manager::operator=(Manager&&) noexcept = default;

Manager Manager::Connect(std::string_view address, ManagerOptions options) {
  auto impl = std::make_unique<Impl>(Address::Parse(address), std::move(options),
                                     /*connect_only=*/true);
  impl->ConnectWhenServing();
  return Manager(std::move(impl));
}

void Manager::Start() { impl_->Start(); }
void Manager::ServeForever() { impl_->Serve(); }
void Manager::Stop() { impl_->Stop(); }
void Manager::Shutdown() { impl_->Shutdown(); }
bool Manager::Join(absl::Duration timeout) { return impl_->Join(timeout); }
std::string Manager::address() const { return impl_->address().ToString(); }
pid_t Manager::pid() const { return impl_->pid(); }
Reference Manager::New(std::string_view type_id, const std::string& type, MakeArguments arguments) {
  const Proxy<Root>& root = impl_->StartedRoot();
  return root->create(std::string(type_id), type, impl_->Make(arguments));
}
Reference Manager::GetReference(const std::string& name) const { return impl_->root()->get(name); }
Reference Manager::GetOrNew(const std::string& name, std::string_view type_id,
                            const std::string& type, MakeArguments arguments) {
  const Proxy<Root>& root = impl_->StartedRoot();
  return root->get_or_create(name, std::string(type_id), type, impl_->Make(arguments));
}
void Manager::PublishReference(const std::string& name, const Reference& reference,
                               const PublishOptions& options) {
  const Proxy<Root>& root = impl_->StartedRoot();
  options.allow.empty() ? root->publish(name, reference)
                        : root->publish_for(name, reference, options.allow);
}
void Manager::Unpublish(const std::string& name) { impl_->StartedRoot()->unpublish(name); }
std::vector<std::string> Manager::Names() const { return impl_->root()->names(); }
// The twins
absl::StatusOr<Manager> Manager::TryConnect(std::string_view address, ManagerOptions options) {
  return Try([&] { return Connect(address, std::move(options)); });
}
absl::Status Manager::TryStart() {
  return Try([&] { Start(); });
}
absl::Status Manager::TryServeForever() {
  return Try([&] { ServeForever(); });
}
absl::Status Manager::TryShutdown() {
  return Try([&] { Shutdown(); });
}
absl::Status Manager::TryJoin(absl::Duration timeout) {
  return Try([&] {
    if (!Join(timeout)) throw DeadlineExceeded::After(timeout, "the manager still runs");
  });
}
absl::Status Manager::TryUnpublish(const std::string& name) {
  return Try([&] { Unpublish(name); });
}
absl::StatusOr<std::vector<std::string>> Manager::TryNames() const {
  return Try([&] { return Names(); });
}
absl::StatusOr<Inspection> Manager::TryInspect() const {
  return Try([&] { return Inspect(); });
}
absl::StatusOr<std::uint64_t> Manager::TryObjectCount() const {
  return Try([&] { return object_count(); });
}
Inspection Manager::Inspect() const { return impl_->root()->inspect(); }
std::uint64_t Manager::object_count() const { return impl_->root()->object_count(); }
Namespace Manager::Namespace() { return Create<remoteobj::Namespace>(); }
Lock Manager::Lock() { return Create<remoteobj::Lock>(); }
RLock Manager::RLock() { return Create<remoteobj::RLock>(); }
Semaphore Manager::Semaphore(std::int64_t value) { return Create<remoteobj::Semaphore>(value); }
BoundedSemaphore Manager::BoundedSemaphore(std::int64_t value) {
  return Create<remoteobj::BoundedSemaphore>(value);
}
Event Manager::Event() { return Create<remoteobj::Event>(); }
Condition Manager::Condition() { return Create<remoteobj::Condition>(); }
Barrier Manager::Barrier(std::int64_t parties, absl::Duration timeout) {
  return Create<remoteobj::Barrier>(parties, timeout);
}

Pool Manager::Pool(int processes, ProcessOptions options) {
  const std::string secret = manager_internal::NewServingSecret();
  remoteobj::Pool pool = Create<remoteobj::Pool>(processes, secret);
  pool.Start(secret, std::move(options));
  return pool;
}
absl::StatusOr<Pool> Manager::TryPool(int processes, ProcessOptions options) {
  return Try([&] { return Pool(processes, std::move(options)); });
}

void Manager::AddType(std::string type_id, manager_internal::RegisteredType type) {
  impl_->AddType(std::move(type_id), std::move(type));
}

namespace manager_internal {

Reference ShareHere(const std::string& type, std::shared_ptr<void> object) {
  return {ObjectServer::Current().Share(type, std::move(object))};
}

}  // namespace manager_internal

}  // namespace remoteobj
