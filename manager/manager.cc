// SPDX-License-Identifier: MIT
#include "remoteobj/manager/manager.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <stdexcept>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/manager/internal/built_in_types.h"
#include "remoteobj/manager/internal/manager_service.h"
#include "remoteobj/manager/internal/object_server.h"
#include "remoteobj/manager/internal/root.h"
#include "remoteobj/process/process.h"
#include "remoteobj/transport/address.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/crypto.h"
#include "remoteobj/transport/internal/rpc_client.h"
#include "remoteobj/transport/internal/rpc_server.h"

namespace remoteobj {
namespace {

using manager_internal::ObjectServer;
using manager_internal::Root;
using transport_internal::RpcClient;
using transport_internal::RpcServer;

std::string RandomBytes(std::size_t size) {
  std::string bytes(size, '\0');
  transport_internal::FillRandom(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// Before main, so that all forks of the program have the same.
[[maybe_unused]] const std::string& authkey_at_start = ProcessAuthkey();

Address NewAddress() {
  return Address::Parse(
      absl::StrCat("unix-abstract:remoteobj-", absl::BytesToHexString(RandomBytes(16))));
}

}  // namespace

const std::string& ProcessAuthkey() {
  static const std::string* const key = new std::string(RandomBytes(32));
  return *key;
}

class Manager::Impl {
 public:
  Impl(Address address, ManagerOptions options, bool connect_only)
      : options_(std::move(options)), connect_only_(connect_only), address_(std::move(address)) {
    if (!connect_only_) manager_internal::AddBuiltInTypes(registry_);
  }
  ~Impl() {
    try {
      if (process_) Shutdown();
    } catch (const std::exception&) {
      // It is killed then.
    }
  }

  void AddType(std::string type_id, manager_internal::RegisteredType type) {
    const absl::MutexLock lock(&mutex_);
    if (connect_only_) {
      throw std::logic_error(
          "types are registered where the manager is started, not where one "
          "connects to it");
    }
    if (state_ != State::kInitial) {
      throw std::logic_error("types are registered before the manager is started");
    }
    registry_.Add(std::move(type_id), std::move(type));
  }

  void Start() {
    const absl::MutexLock lock(&mutex_);
    StartLocked();
  }

  void Serve() {
    {
      const absl::MutexLock lock(&mutex_);
      CheckStartable();
      state_ = State::kServing;
    }
    Serving serving(*this);
    {
      const absl::MutexLock lock(&mutex_);
      address_ = serving.rpc.address();
      serving_ = &serving.rpc;
    }
    // However it ends.
    const auto ended = absl::MakeCleanup([this] {
      const absl::MutexLock lock(&mutex_);
      serving_ = nullptr;
      state_ = State::kShutDown;
    });
    serving.Run();
  }

  void Stop() {
    const absl::MutexLock lock(&mutex_);
    if (serving_ != nullptr) serving_->Stop();
  }

  const Proxy<Root>& root() {
    const absl::MutexLock lock(&mutex_);
    if (state_ == State::kShutDown) throw std::logic_error("this manager has shut down");
    if (!root_ && !connect_only_ && maker_ != getpid()) {
      throw std::logic_error(
          "this manager was not started: start it before the processes that share it");
    }
    if (!root_) connect_only_ ? Connect() : StartLocked();
    return *root_;
  }

  // Calls `make`, whose value is to be sent. REQUIRES: root() was called.
  AnyValue Make(absl::FunctionRef<AnyValue()> make) {
    std::shared_ptr<RpcClient> client;
    {
      const absl::MutexLock lock(&mutex_);
      client = client_;
    }
    AnyValue made;
    client->WithReferences([&] { made = make(); });
    return made;
  }

  void Shutdown() {
    const absl::MutexLock lock(&mutex_);
    if (connect_only_) {
      throw std::logic_error("a manager that was only connected to is not this one's to end");
    }
    if (!process_) return;
    state_ = State::kShutDown;
    // If it has died another may be at its address by now, which is not to be asked.
    if (!WaitFor(absl::ZeroDuration())) {
      try {
        (*root_)->shutdown.Timeout(options_.shutdown_timeout)();
      } catch (const std::runtime_error&) {
        // It is gone, or does not answer.
      }
    }
    addresses_.reset();
    if (!WaitFor(options_.shutdown_timeout)) {
      process_->Terminate();
      if (!WaitFor(options_.shutdown_timeout)) process_->Kill();
      WaitFor(absl::InfiniteDuration());
    }
    process_.reset();
  }

  bool Join(absl::Duration timeout) {
    {
      const absl::MutexLock lock(&mutex_);
      if (!process_) return true;
    }
    return WaitFor(timeout);
  }

  std::string address() {
    const absl::MutexLock lock(&mutex_);
    return address_.ToString();
  }
  pid_t pid() {
    const absl::MutexLock lock(&mutex_);
    return client_ == nullptr ? 0 : client_->server_pid();
  }

  void Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    client_ = RpcClient::Connect({.address = address_,
                                  .key = options_.authkey,
                                  .tls = options_.tls,
                                  .connect_timeout = options_.connect_timeout,
                                  .shared_memory = options_.shared_memory});
    root_.emplace(
        Reference{client_->Object(0, TypeName<Root>(), Deadline::After(options_.connect_timeout))});
  }
  void ConnectNow() {
    const absl::MutexLock lock(&mutex_);
    Connect();
  }

 private:
  enum class State { kInitial, kStarted, kServing, kShutDown };

  // All that serves, in the process and thread that does.
  struct Serving {
    explicit Serving(Impl& impl)
        : options(impl.options_),
          server(std::move(impl.registry_),
                 {.max_threads = static_cast<std::size_t>(std::max(1, options.max_threads))}),
          service(server),
          rpc(service, {.address = impl.address_,
                        .key = options.authkey,
                        .tls = options.tls,
                        .other_users = options.other_users,
                        .shared_memory = options.shared_memory}) {
      server.OnShutdown([this] { rpc.Stop(); });
      if (options.initializer) options.initializer();
    }
    void Run() {
      if (options.on_serving) options.on_serving(rpc.address().ToString());
      rpc.Run();
    }

    const ManagerOptions& options;
    ObjectServer server;
    manager_internal::ManagerService service;
    RpcServer rpc;
  };

  void CheckStartable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (connect_only_) throw std::logic_error("this manager runs somewhere else");
    if (state_ == State::kShutDown) throw std::logic_error("this manager has shut down");
    if (state_ != State::kInitial) throw std::logic_error("this manager was started already");
  }

  void StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    CheckStartable();
    const auto serve = [this]() -> Generator<std::string> {
      // Only shutdown ends it, not a Ctrl-C that is meant for the program.
      signal(SIGINT, SIG_IGN);
      // Some builds of Abseil look for deadlocks at each lock, which costs as much as a call does.
      absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
      Serving serving(*this);
      co_yield serving.rpc.address().ToString();
      serving.Run();
    };
    process_.emplace(RunOptions{.name = "manager", .daemon = true}, serve);
    state_ = State::kStarted;
    try {
      addresses_.emplace(process_->result());
      auto first = addresses_->begin();
      if (first == addresses_->end()) throw NotListening("the manager ended as it began");
      address_ = Address::Parse(*first);
      Connect();
    } catch (...) {
      state_ = State::kShutDown;
      addresses_.reset();
      process_->Kill();
      process_.reset();
      throw;
    }
  }

  // REQUIRES: it was started.
  bool WaitFor(absl::Duration timeout) {
    try {
      return process_->Join(timeout);
    } catch (const std::exception&) {
      return true;  // How it ended is of no interest.
    }
  }

  const ManagerOptions options_;
  const bool connect_only_;
  const pid_t maker_ = getpid();
  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kInitial;
  Address address_;
  manager_internal::Registry registry_;
  RpcServer* serving_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::optional<Process<Generator<std::string>>> process_;
  std::optional<Generator<std::string>> addresses_;
  std::shared_ptr<RpcClient> client_ ABSL_GUARDED_BY(mutex_);
  std::optional<Proxy<Root>> root_ ABSL_GUARDED_BY(mutex_);
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
  impl->ConnectNow();
  return Manager(std::move(impl));
}

void Manager::Start() { impl_->Start(); }
void Manager::ServeForever() { impl_->Serve(); }
void Manager::Stop() { impl_->Stop(); }
void Manager::Shutdown() { impl_->Shutdown(); }
bool Manager::Join(absl::Duration timeout) { return impl_->Join(timeout); }
std::string Manager::address() const { return impl_->address(); }
pid_t Manager::pid() const { return impl_->pid(); }
Reference Manager::New(std::string_view type_id, const std::string& type,
                       MakeArguments arguments) const {
  const Proxy<Root>& root = impl_->root();
  return root->create(std::string(type_id), type, impl_->Make(arguments));
}
Reference Manager::GetReference(const std::string& name) const { return impl_->root()->get(name); }
Reference Manager::GetOrNew(const std::string& name, std::string_view type_id,
                            const std::string& type, MakeArguments arguments) const {
  const Proxy<Root>& root = impl_->root();
  return root->get_or_create(name, std::string(type_id), type, impl_->Make(arguments));
}
void Manager::PublishReference(const std::string& name, const Reference& reference) const {
  impl_->root()->publish(name, reference);
}
void Manager::Unpublish(const std::string& name) const { impl_->root()->unpublish(name); }
std::vector<std::string> Manager::Names() const { return impl_->root()->names(); }
Inspection Manager::Inspect() const { return impl_->root()->inspect(); }
std::uint64_t Manager::object_count() const { return impl_->root()->object_count(); }
void Manager::AddType(std::string type_id, manager_internal::RegisteredType type) {
  impl_->AddType(std::move(type_id), std::move(type));
}

namespace manager_internal {

Reference ShareHere(const std::string& type, std::shared_ptr<void> object) {
  return {ObjectServer::Current().Share(type, std::move(object))};
}

}  // namespace manager_internal
}  // namespace remoteobj
