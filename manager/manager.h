// SPDX-License-Identifier: MIT
//
// A Manager is a process that owns objects which others share: on one machine or many.
//
//   remoteobj::Manager manager;                            // starts at the first use
//   auto counts = manager.Dict<std::string, int>();
//   auto jobs = manager.Queue<Job>(/*maxsize=*/10);
//   remoteobj::Process worker([&] {                        // proxies may be used anywhere
//     counts[jobs->get().name] += 1;                       // atomic, in the manager
//   });
//
// A manager that others find by its address, and what they find in it by name:
//
//   remoteobj::Manager here("tcp:0.0.0.0:7000", {.authkey = key});
//   here.Start();                                          // or ServeForever(), in this process
//   here.Publish("jobs", here.Queue<std::string>());
//
//   auto there = remoteobj::Manager::Connect("tcp:10.0.0.7:7000", {.authkey = key});
//   auto jobs = there.Get<remoteobj::Queue<std::string>>("jobs");
//
// Objects of your own types (described classes, whose methods run in the manager):
//
//   manager.Register<Foo>("Foo", {.exposed = {"bar"}});    // before it starts
//   remoteobj::Proxy<Foo> foo = manager.Create<Foo>("Foo");
//
// Such methods can call objects of clients, passed as a Proxy by a client that listens:
// foo->Watch(mine). They can return references to other objects (Share), and yield values
// (stream.h).
//
// Threads:  thread-safe, once it is started.
// Lifetime: the manager's process ends with this object, or with the process that started it. An
//           object lives as long as a process has a proxy of it, it has a name, or another object
//           contains it. The death of a process ends its proxies, locks and waiting calls. A proxy
//           that a fork has inherited counts from its first use there; until then another proxy
//           must keep the object.
// Errors:   AuthenticationError; NotListening if there is no manager; ListenerDied if it is lost
//           during a call; StaleReference for objects of a manager that was restarted;
//           std::logic_error for an operation in the wrong state, such as Register() after the
//           start. Each function that throws has a twin that returns a status, TryGet() for Get();
//           that of Dict(), Queue() and the like is TryCreate<Dict<K, V>>(), that of the
//           constructor remoteobj::Try([&] { return Manager(address); }).
// Not here: the types of objects: see the headers beside this one.
#ifndef REMOTEOBJ_MANAGER_MANAGER_H_
#define REMOTEOBJ_MANAGER_MANAGER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/except/try.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/array.h"
#include "remoteobj/manager/barrier.h"
#include "remoteobj/manager/caller.h"  // IWYU pragma: export
#include "remoteobj/manager/condition.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/event.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/namespace.h"
#include "remoteobj/manager/policy.h"
#include "remoteobj/manager/pool.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/quotas.h"
#include "remoteobj/manager/run.h"
#include "remoteobj/manager/semaphore.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/set.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/stream.h"  // IWYU pragma: export
#include "remoteobj/manager/value.h"
#include "remoteobj/process/options.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

class Tls;

// The key of this process and of those that it forks: 32 bytes, drawn when the program starts.
const std::string& ProcessAuthkey();

struct ManagerOptions {
  // Both sides prove to each other that they have it. It is never sent. Use 32 random bytes, not a
  // password: an eavesdropper can try keys offline. TCP requires a key; unix sockets do not.
  std::string authkey = ProcessAuthkey();
  // Called in the manager's process: before it serves, and once clients can connect, with its
  // address.
  std::function<void()> initializer = {};
  std::function<void(const std::string& address)> on_serving = {};
  // After Shutdown(), the manager is killed if it has not ended within this time.
  absl::Duration shutdown_timeout = absl::Seconds(1);
  // For connecting, and for connecting again after a lost connection.
  absl::Duration connect_timeout = absl::Seconds(10);
  // If nobody listens, Connect() tries again until connect_timeout, for a manager that is being
  // started. Otherwise it throws NotListening at once.
  bool wait_until_serving = false;
  // Connections by TCP are encrypted with keys that are derived from the shared key and from an
  // exchange of their own. This replaces that by TLS with certificates, within which the key is
  // proved as well; see remoteobj/transport/rpc/tls.h.
  std::shared_ptr<Tls> tls = {};
  // Connections by TCP are not encrypted: an attacker who can read or change packets on their
  // way reads the calls, or takes the connection over. Both sides must have the same.
  bool plaintext = false;
  // At a unix address. In a manager: other users of this machine may connect. In a client without a
  // key: the manager may be another user's. (Otherwise it must be this user's or root's.)
  bool other_users = false;
  // Calls to a manager on this machine go through shared memory, unless they have to wait.
  bool shared_memory = true;
  // The largest call, with its arguments, and the largest outcome. Use the same on both sides. A
  // larger one is not sent, and throws BadValue.
  std::size_t max_message_bytes = kMaxRpcMessageBytes;
  // In the manager's process, for the types with Run::kOnThread.
  int max_threads = 64;
  // How much of the manager one client may take.
  Quotas quotas = {};
  // Further keys, whose clients are restricted (policy.h). A key for TCP has at least 16 bytes.
  std::vector<RestrictedKey> keys = {};
  // For clients of these users by a unix socket that have no restricted key. See other_users.
  std::vector<UserPolicy> users = {};
  // For clients whose certificate has such a name and that have no restricted key. Needs `tls` with
  // TlsOptions::verify_clients. A policy for the manager's own certificate restricts the program
  // that starts it, too.
  std::vector<CertificatePolicy> certificates = {};
  // How Start() makes the process (remoteobj/process/spawn.h). A fork of a program with threads
  // inherits the locks that they hold. A manager by kSpawn or kForkServer does not, but has only
  // the built-in types, and neither initializer, on_serving nor TLS.
  remoteobj::Start start = remoteobj::Start::kFork;
};

// How objects of a user's type are made and called.
template <typename T, typename... A>
struct RegisterOptions {
  // The members that clients may use, at every step of a chain. Empty: all that are described.
  std::vector<std::string> exposed = {};
  // Makes an object. Empty: T(A...).
  std::function<std::unique_ptr<T>(A...)> factory = {};
  Run run = Run::kOnThread;
};

class Manager {
 public:
  // At a new address, known on this machine only.
  Manager() : Manager("", {}) {}
  explicit Manager(ManagerOptions options) : Manager("", std::move(options)) {}
  // At unix:PATH, unix-abstract:NAME or tcp:HOST:PORT; port 0 stands for any free one. A relative
  // path is made absolute here. A socket file at which nobody listens any more is replaced. Throws
  // std::invalid_argument for another address, and for TCP without a key of 16 bytes or more.
  explicit Manager(std::string_view address, ManagerOptions options = {});
  // Ends the manager if this object has started it.
  ~Manager();
  Manager(Manager&&) noexcept;
  Manager& operator=(Manager&&) noexcept;

  // A manager that runs somewhere else. Returns when it is connected and both sides have proved
  // that they have the key. Throws NotListening if no manager is there, after connect_timeout if
  // the options say wait_until_serving; AuthenticationError; ConnectionRefused;
  // std::invalid_argument for an address that is none.
  static Manager Connect(std::string_view address, ManagerOptions options = {});

  // Starts the process, and returns when it listens. If it can't listen, throws the error;
  // std::logic_error if it was started before. The process ignores SIGINT, SIGTERM and SIGHUP: it
  // ends by Shutdown(), or with the program.
  void Start();
  // Serves in this process and thread, until Stop() or until a client ends the manager.
  void ServeForever();
  // Ends ServeForever(), from any other thread. Does nothing if it does not run.
  void Stop();
  // Ends the process: asks it to end, then kills it. Does nothing the second time, and in a forked
  // child. Throws std::logic_error for a manager that was only connected to.
  void Shutdown();
  // Waits for the process to end. Returns false at the time-out. Does not wait in a process that
  // has not started it.
  bool Join(absl::Duration timeout = absl::InfiniteDuration());

  // The same, with a status; of Join() DeadlineExceeded at the time-out. Never throw; the codes are
  // those of CurrentExceptionToStatus().
  static absl::StatusOr<Manager> TryConnect(std::string_view address, ManagerOptions options = {});
  absl::Status TryStart();
  absl::Status TryServeForever();
  absl::Status TryShutdown();
  absl::Status TryJoin(absl::Duration timeout = absl::InfiniteDuration());

  // Its address, with the chosen port once it is started.
  std::string address() const;
  // The manager's process, or 0.
  pid_t pid() const;

  // Registers a type, which is made by T(A...) or by the factory. Call it before the start: throws
  // std::logic_error afterwards, and in a manager that was connected to.
  template <typename T, typename... A>
  void Register(std::string type_id, RegisterOptions<T, A...> options = {});
  // The same, with a status. Never throws.
  template <typename T, typename... A>
  absl::Status TryRegister(std::string type_id, RegisterOptions<T, A...> options = {}) {
    return Try([&] { Register<T, A...>(std::move(type_id), std::move(options)); });
  }

  // These start the manager if it is not started. Operations of a const Manager do not; they throw
  // std::logic_error.

  // A new object of a built-in type (Create<remoteobj::Queue<int>>(10)) or of a user's type. It is
  // kept by the proxy that this returns. Throws what its constructor throws; std::invalid_argument
  // for a type that is not registered; QuotaExceeded; NotAllowed.
  template <SharedType P, typename... A>
  P Create(const A&... arguments) {
    return P(New(P::kTypeId, P::Type(),
                 [&](Attachments& offers) { return ArgumentsOf<P>(offers, arguments...); }));
  }
  template <typename T, typename... A>
  Proxy<T> Create(std::string_view type_id, const A&... arguments) {
    return Proxy<T>(New(type_id, TypeName<T>(),
                        [&](Attachments& offers) { return Arguments(offers, arguments...); }));
  }
  // The same, with a status. Never throw.
  template <SharedType P, typename... A>
  absl::StatusOr<P> TryCreate(const A&... arguments) {
    return Try([&] { return Create<P>(arguments...); });
  }
  template <typename T, typename... A>
  absl::StatusOr<Proxy<T>> TryCreate(std::string_view type_id, const A&... arguments) {
    return Try([&] { return Create<T>(type_id, arguments...); });
  }

  // Publishes an object by name, and keeps it until Unpublish(). Throws std::invalid_argument if
  // another object has the name.
  template <typename P>
  void Publish(const std::string& name, const P& proxy, const PublishOptions& options = {}) {
    PublishReference(name, {proxy.referent()}, options);
  }
  // Releases the name's reference to its object. Throws std::out_of_range if no object has the
  // name.
  void Unpublish(const std::string& name);
  // The published names that this client may get, sorted.
  std::vector<std::string> Names() const;
  // P is, for example, Queue<int> or Proxy<Foo>. Throws std::out_of_range if no object has the
  // name, BadValue if it is of another type.
  template <typename P>
  P Get(const std::string& name) const {
    return P(GetReference(name));
  }
  // The object of that name, or a new one, which is published.
  template <SharedType P, typename... A>
  P GetOrCreate(const std::string& name, const A&... arguments) {
    return P(GetOrNew(name, P::kTypeId, P::Type(),
                      [&](Attachments& offers) { return ArgumentsOf<P>(offers, arguments...); }));
  }

  // A snapshot of objects, clients and waiting calls. Costs time in proportion to their number.
  Inspection Inspect() const;
  // The number of objects, without those of the manager itself.
  std::uint64_t object_count() const;

  // The same, with a status. Never throw.
  template <typename P>
  absl::Status TryPublish(const std::string& name, const P& proxy,
                          const PublishOptions& options = {}) {
    return Try([&] { Publish(name, proxy, options); });
  }
  template <typename P>
  absl::StatusOr<P> TryGet(const std::string& name) const {
    return Try([&] { return Get<P>(name); });
  }
  template <SharedType P, typename... A>
  absl::StatusOr<P> TryGetOrCreate(const std::string& name, const A&... arguments) {
    return Try([&] { return GetOrCreate<P>(name, arguments...); });
  }
  absl::Status TryUnpublish(const std::string& name);
  absl::StatusOr<std::vector<std::string>> TryNames() const;
  absl::StatusOr<Inspection> TryInspect() const;
  absl::StatusOr<std::uint64_t> TryObjectCount() const;

  // New objects of the built-in types, which are documented in the headers beside this one.
  // `contents` may be in braces, manager.Dict<std::string, int>({{"a", 1}}), or any range, such as
  // a std::map.
  template <typename K, typename V>
  remoteobj::Dict<K, V> Dict() {
    return Create<remoteobj::Dict<K, V>>();
  }
  template <typename K, typename V>
  remoteobj::Dict<K, V> Dict(const typename remoteobj::Dict<K, V>::Contents& contents) {
    return Create<remoteobj::Dict<K, V>>(contents);
  }
  template <typename K, typename V, std::ranges::input_range R>
  remoteobj::Dict<K, V> Dict(const R& contents) {
    return Dict<K, V>(
        typename remoteobj::Dict<K, V>::Contents(std::begin(contents), std::end(contents)));
  }
  template <typename T>
  remoteobj::List<T> List() {
    return Create<remoteobj::List<T>>();
  }
  template <typename T>
  remoteobj::List<T> List(const typename remoteobj::List<T>::Contents& contents) {
    return Create<remoteobj::List<T>>(contents);
  }
  template <typename T, std::ranges::input_range R>
  remoteobj::List<T> List(const R& contents) {
    return List<T>(typename remoteobj::List<T>::Contents(std::begin(contents), std::end(contents)));
  }
  template <typename T>
  remoteobj::Set<T> Set() {
    return Create<remoteobj::Set<T>>();
  }
  template <typename T>
  remoteobj::Set<T> Set(const typename remoteobj::Set<T>::Contents& contents) {
    return Create<remoteobj::Set<T>>(contents);
  }
  template <typename T, std::ranges::input_range R>
  remoteobj::Set<T> Set(const R& contents) {
    return Set<T>(typename remoteobj::Set<T>::Contents(std::begin(contents), std::end(contents)));
  }
  template <typename T>
  remoteobj::Value<T> Value(const T& value) {
    return Create<remoteobj::Value<T>>(value);
  }
  template <typename T>
  remoteobj::Array<T> Array(const std::vector<T>& contents) {
    return Create<remoteobj::Array<T>>(contents);
  }
  remoteobj::Namespace Namespace();

  // A queue of at most `maxsize` items; without a limit if `maxsize` is not positive.
  template <typename T>
  remoteobj::Queue<T> Queue(std::int64_t maxsize = 0) {
    return Create<remoteobj::Queue<T>>(maxsize);
  }
  template <typename T>
  remoteobj::JoinableQueue<T> JoinableQueue(std::int64_t maxsize = 0) {
    return Create<remoteobj::JoinableQueue<T>>(maxsize);
  }
  remoteobj::Lock Lock();
  remoteobj::RLock RLock();
  remoteobj::Semaphore Semaphore(std::int64_t value = 1);
  remoteobj::BoundedSemaphore BoundedSemaphore(std::int64_t value = 1);
  remoteobj::Event Event();
  // With an RLock of its own, or an existing Lock or RLock.
  remoteobj::Condition Condition();
  template <SharedType L>
  remoteobj::Condition Condition(const L& lock) {
    return Create<remoteobj::Condition>(lock);
  }
  remoteobj::Barrier Barrier(std::int64_t parties,
                             absl::Duration timeout = absl::InfiniteDuration());
  // Starts that many processes here; one for each core if it is not positive. Throws
  // std::system_error if they can't be started.
  remoteobj::Pool Pool(int processes = 0, ProcessOptions options = {});
  // The same, with a status. Never throws.
  absl::StatusOr<remoteobj::Pool> TryPool(int processes = 0, ProcessOptions options = {});

 private:
  class Impl;
  explicit Manager(std::unique_ptr<Impl> impl);

  // All but GetReference start the manager if it is not started. Objects of this process in the
  // arguments go by `offers`.
  using MakeArguments = absl::FunctionRef<AnyValue(Attachments& offers)>;
  Reference New(std::string_view type_id, const std::string& type, MakeArguments arguments);
  Reference GetReference(const std::string& name) const;
  Reference GetOrNew(const std::string& name, std::string_view type_id, const std::string& type,
                     MakeArguments arguments);
  void PublishReference(const std::string& name, const Reference& reference,
                        const PublishOptions& options);
  void AddType(std::string type_id, manager_internal::RegisteredType type);

  template <typename... A>
  static AnyValue Arguments(Attachments& offers, const A&... arguments) {
    return AnyValue(
        [&](ValueWriter out) {
          transport_internal::EncodeArguments<std::decay_t<const A&>...>(out.List(sizeof...(A)), 0,
                                                                         arguments...);
        },
        offers);
  }
  // The encoded arguments of a constructor; P::Arguments() encodes them if P has it.
  template <typename P, typename... A>
  static AnyValue ArgumentsOf(Attachments& offers, const A&... arguments) {
    if constexpr (requires { P::Arguments(arguments..., offers); }) {
      return P::Arguments(arguments..., offers);
    } else if constexpr (requires { P::Arguments(arguments...); }) {
      return P::Arguments(arguments...);
    } else {
      return Arguments(offers, arguments...);
    }
  }

  std::unique_ptr<Impl> impl_;
};

namespace manager_internal {
Reference ShareHere(const std::string& type, std::shared_ptr<void> object);
}  // namespace manager_internal

// For methods of a manager's objects: adds an existing object to the manager, so that a reference
// to it can be returned. T is a registered type.
template <typename T>
Proxy<T> Share(std::shared_ptr<T> object) {
  return Proxy<T>(manager_internal::ShareHere(TypeName<T>(), std::move(object)));
}

template <typename T, typename... A>
void Manager::Register(std::string type_id, RegisterOptions<T, A...> options) {
  manager_internal::RegisteredType type{.name = TypeName<T>(),
                                        .info = &proxy_internal::TypeOf<T>()};
  type.make =
      [factory = std::move(options.factory)](const ListReader& arguments) -> std::shared_ptr<void> {
    if (arguments.size() != sizeof...(A)) {
      throw BadValue(TypeName<T>() + " is made of " + std::to_string(sizeof...(A)) +
                     " arguments, not of " + std::to_string(arguments.size()));
    }
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      std::tuple<std::decay_t<A>...> received{Decode<std::decay_t<A>>(arguments[I])...};
      if (factory) return std::shared_ptr<T>(factory(std::get<I>(std::move(received))...));
      if constexpr (std::is_constructible_v<T, A...>) {
        return std::make_shared<T>(std::get<I>(std::move(received))...);
      } else {
        throw std::logic_error(TypeName<T>() +
                               " is registered without a factory, and is not made "
                               "of these arguments");
        return std::shared_ptr<T>();
      }
    }(std::index_sequence_for<A...>());
  };
  if (!options.exposed.empty()) {
    type.exposed.emplace(options.exposed.begin(), options.exposed.end());
  }
  type.run = options.run;
  AddType(std::move(type_id), std::move(type));
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_MANAGER_H_
