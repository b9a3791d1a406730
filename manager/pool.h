// SPDX-License-Identifier: MIT
//
// A pool of processes that evaluate functions. Calls reach them by a manager.
//
//   remoteobj::Pool pool = manager.Pool(4);
//   int nine = pool->apply(Square, 3);                    // waits for it
//   remoteobj::Future<int> later = pool->apply_async(Square, 4);
//   std::vector<int> squares = pool->map(Square, std::vector{1, 2, 3});
//   for (int square : pool->imap(Square, numbers)) …      // in order, as they come
//
// The processes are forks of the one that made the pool. They end with it (with the thread that
// made it, as daemons do), or with its last copy of this proxy. Any process that has the proxy can
// use them. A function is one of this program: a function, or a lambda whose captures are trivially
// copyable; pass the rest as arguments. A call is evaluated only as a fork of this program has made
// it, for this pool, and once.
//
// A process that dies is replaced. The call that it was evaluating fails with ListenerDied, and is
// not retried; other calls are not affected.
//
// Threads:  thread-safe. Copies are the same pool.
// Errors:   what the functions throw, as its own type; ListenerDied as above; NotListening if the
//           pool was terminated, or the process that made it is gone; std::runtime_error for a
//           closed pool; BadValue in a process of another program, and for a call that four million
//           others of this program have overtaken.
#ifndef REMOTEOBJ_MANAGER_POOL_H_
#define REMOTEOBJ_MANAGER_POOL_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/try.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/process/options.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace manager_internal {

// The object that functions are passed to, in each process of a pool.
struct PoolWorker {
  int nothing = 0;
};
REMOTEOBJ_DESCRIBE(PoolWorker, nothing)

// A function, as it is passed to a PoolWorker.
template <typename F>
struct PoolTask {
  static_assert(std::is_trivially_copyable_v<F>,
                "remoteobj: what is given to a pool has captures that are not trivially copyable. "
                "They travel as bytes: capture numbers, not strings, containers or references, and "
                "pass the rest as arguments.");

  template <typename... A>
    requires std::is_invocable_v<const F&, A&...>
  decltype(auto) operator()(PoolWorker&, A&... arguments) const {
    return std::invoke(function, arguments...);
  }
  F function;
};

// The results of a function for many inputs. Empty if it returns void.
template <typename R>
using ResultsOf = std::conditional_t<std::is_void_v<R>, void,
                                     std::vector<std::conditional_t<std::is_void_v<R>, int, R>>>;

// Calls a function for a portion of the inputs.
template <typename F, typename A>
struct ForEachOf {
  using R = std::invoke_result_t<const F&, const A&>;

  ResultsOf<R> operator()(const std::vector<A>& inputs) const {
    if constexpr (std::is_void_v<R>) {
      for (const A& input : inputs) std::invoke(function, input);
    } else {
      ResultsOf<R> results;
      results.reserve(inputs.size());
      for (const A& input : inputs) results.push_back(std::invoke(function, input));
      return results;
    }
  }
  F function;
};

}  // namespace manager_internal

// The result of map_async.
template <typename R>
class MapFuture {
 public:
  using Results = manager_internal::ResultsOf<R>;
  explicit MapFuture(std::vector<Future<Results>> parts) : parts_(std::move(parts)) {}

  // Returns true if Get() would return at once.
  bool ready() {
    return std::ranges::all_of(parts_, [](auto& part) { return part.ready(); });
  }
  // Waits for all results. Throws the error of the first input that failed; or DeadlineExceeded,
  // after which Get() can be called again. REQUIRES: it has not returned or failed yet.
  Results Get(absl::Duration timeout = absl::InfiniteDuration()) {
    const Deadline deadline = Deadline::After(timeout);
    for (; done_ < parts_.size(); ++done_) {
      const absl::Duration left = std::max(deadline.left(), absl::ZeroDuration());
      if constexpr (std::is_void_v<R>) {
        parts_[done_].Get(left);
      } else {
        std::ranges::move(parts_[done_].Get(left), std::back_inserter(results_));
      }
    }
    if constexpr (!std::is_void_v<R>) return std::move(results_);
  }
  // The same, with a status. Never throws.
  auto TryGet(absl::Duration timeout = absl::InfiniteDuration()) {
    return Try([&] { return Get(timeout); });
  }

 private:
  std::vector<Future<Results>> parts_;
  std::size_t done_ = 0;
  std::conditional_t<std::is_void_v<R>, std::tuple<>, Results> results_ = {};
};

// The dot is the proxy, the arrow the pool.
class Pool final : public SharedProxyBase {
  using Worker = manager_internal::PoolWorker;
  template <typename F, typename A>
  using ResultFor = std::invoke_result_t<const F&, const A&>;

 public:
  static constexpr std::string_view kTypeId = "Pool";
  static std::string Type() { return "Pool"; }
  // For that many processes; one for each core of this machine if it is not positive. `secret` is
  // a NewServingSecret().
  static AnyValue Arguments(int processes, const std::string& secret);
  // Refers to no pool, until another proxy is assigned to it.
  Pool();
  explicit Pool(const Reference& reference);

  class Methods {
   public:
    // Calls function(arguments...) in one of the processes, and returns its result: a copy. Throws
    // what it throws, and the errors above.
    template <typename F, typename... A>
    auto apply(const F& function, const A&... arguments) const {
      return proxy_internal::PassToObject<Worker>(
          *pool_.session(), View(), absl::InfiniteDuration(), Task(function), arguments...);
    }
    // The same, with a status. Never throws.
    template <typename F, typename... A>
    auto TryApply(const F& function, const A&... arguments) const {
      return Try([&] { return apply(function, arguments...); });
    }
    // Sends the call, and returns at once with a Future, which throws what apply() would.
    template <typename F, typename... A>
    auto apply_async(const F& function, const A&... arguments) const {
      return proxy_internal::StartPassTo<Worker>(*pool_.session(), Task(function), arguments...);
    }

    // Returns function(input) for each of the inputs, in order. Inputs are sent in chunks of
    // `chunk_size`; with 0, each process gets about four chunks.
    template <typename F, std::ranges::input_range Inputs>
    auto map(const F& function, const Inputs& inputs, std::size_t chunk_size = 0) const {
      return map_async(function, inputs, chunk_size).Get();
    }
    // The same, with a status. Never throws.
    template <typename F, std::ranges::input_range Inputs>
    auto TryMap(const F& function, const Inputs& inputs, std::size_t chunk_size = 0) const {
      return Try([&] { return map(function, inputs, chunk_size); });
    }
    // Sends all inputs, and returns at once with a MapFuture.
    template <typename F, std::ranges::input_range Inputs>
    auto map_async(const F& function, const Inputs& inputs, std::size_t chunk_size = 0) const {
      using A = std::ranges::range_value_t<Inputs>;
      using R = ResultFor<std::decay_t<F>, A>;
      std::vector<A> all(std::ranges::begin(inputs), std::ranges::end(inputs));
      const std::size_t chunk = chunk_size != 0 ? chunk_size : ChunkOf(all.size());
      std::vector<Future<manager_internal::ResultsOf<R>>> parts;
      for (std::size_t at = 0; at < all.size(); at += chunk) {
        const auto from = all.begin() + static_cast<std::ptrdiff_t>(at);
        const auto size = std::min(chunk, all.size() - at);
        parts.push_back(
            Start(function, std::vector<A>(from, from + static_cast<std::ptrdiff_t>(size))));
      }
      return MapFuture<R>(std::move(parts));
    }
    // The same for tuples of arguments: function(get<0>(input), get<1>(input), ...).
    template <typename F, std::ranges::input_range Inputs>
    auto starmap(const F& function, const Inputs& inputs, std::size_t chunk_size = 0) const {
      return map(Applied<F>(function), inputs, chunk_size);
    }
    template <typename F, std::ranges::input_range Inputs>
    auto TryStarmap(const F& function, const Inputs& inputs, std::size_t chunk_size = 0) const {
      return Try([&] { return starmap(function, inputs, chunk_size); });
    }
    template <typename F, std::ranges::input_range Inputs>
    auto starmap_async(const F& function, const Inputs& inputs, std::size_t chunk_size = 0) const {
      return map_async(Applied<F>(function), inputs, chunk_size);
    }

    // Returns a Generator of the results, in order; imap_unordered as they come. Two chunks for
    // each process are in flight at a time. The loop throws the error of an input when it comes to
    // it; for a status, put the loop into remoteobj::Try.
    template <typename F, std::ranges::input_range Inputs>
    auto imap(const F& function, const Inputs& inputs, std::size_t chunk_size = 1) const {
      return Iterate(function, inputs, chunk_size, /*in_order=*/true);
    }
    template <typename F, std::ranges::input_range Inputs>
    auto imap_unordered(const F& function, const Inputs& inputs, std::size_t chunk_size = 1) const {
      return Iterate(function, inputs, chunk_size, /*in_order=*/false);
    }

    // The number of processes.
    std::uint64_t size() const;
    // The pool takes no more calls. Pending calls are evaluated.
    void close() const;
    // Pending calls fail. The processes end when the call that they evaluate returns, or with the
    // pool.
    void terminate() const;
    // Waits until all calls are done. Returns false at the time-out. Throws std::logic_error unless
    // the pool is closed.
    bool join(absl::Duration timeout = absl::InfiniteDuration()) const;

    // The same, with a status; of join() DeadlineExceeded at the time-out. Never throw.
    absl::StatusOr<std::uint64_t> TrySize() const;
    absl::Status TryClose() const;
    absl::Status TryTerminate() const;
    absl::Status TryJoin(absl::Duration timeout = absl::InfiniteDuration()) const;

    const Methods* operator->() const { return this; }

   private:
    friend class Pool;
    explicit Methods(const Pool& pool) : pool_(pool) {}

    // The argument of PassTo for `function`.
    template <typename F>
    static auto Task(const F& function) {
      return manager_internal::PoolTask<std::decay_t<const F&>>{function};
    }
    template <typename F>
    static auto Applied(const F& function) {
      return
          [function = std::decay_t<const F&>(function)](const auto& arguments) -> decltype(auto) {
            return std::apply(function, arguments);
          };
    }
    template <typename F, typename A>
    auto Start(const F& function, const std::vector<A>& inputs) const {
      using Function = std::decay_t<const F&>;
      return proxy_internal::StartPassTo<Worker>(
          *pool_.session(), Task(manager_internal::ForEachOf<Function, A>{function}), inputs);
    }
    std::size_t ChunkOf(std::size_t inputs) const {
      const std::size_t parts = 4 * std::max<std::size_t>(1, size());
      return std::max<std::size_t>(1, (inputs + parts - 1) / parts);
    }
    template <typename F, typename Inputs>
    auto Iterate(const F& function, const Inputs& inputs, std::size_t chunk_size,
                 bool in_order) const {
      using A = std::ranges::range_value_t<Inputs>;
      return Pool::ResultsOneByOne<std::decay_t<const F&>, A>(
          pool_, function, std::vector<A>(std::ranges::begin(inputs), std::ranges::end(inputs)),
          std::max<std::size_t>(1, chunk_size), in_order);
    }

    const Pool& pool_;
  };
  Methods operator->() const { return Methods(*this); }

 private:
  friend class Manager;
  // Functions are passed to the processes by it, signed.
  std::shared_ptr<proxy_internal::Session> session() const;
  // Starts the processes. They end with the last copy of this.
  void Start(const std::string& secret, ProcessOptions options);

  template <typename F, typename A>
  static Generator<ResultFor<F, A>> ResultsOneByOne(Pool pool, F function, std::vector<A> inputs,
                                                    std::size_t chunk_size, bool in_order) {
    using R = ResultFor<F, A>;
    static_assert(!std::is_void_v<R>, "remoteobj: a function that returns nothing: use map");
    const std::size_t most = 2 * std::max<std::size_t>(1, pool->size());
    std::deque<Future<std::vector<R>>> parts;
    for (std::size_t next = 0; next < inputs.size() || !parts.empty();) {
      while (next < inputs.size() && parts.size() < most) {
        const auto from = inputs.begin() + static_cast<std::ptrdiff_t>(next);
        const auto size = std::min(chunk_size, inputs.size() - next);
        parts.push_back(
            pool->Start(function, std::vector<A>(from, from + static_cast<std::ptrdiff_t>(size))));
        next += size;
      }
      auto part = parts.begin();
      if (!in_order) {
        part = std::ranges::find_if(parts, [](auto& one) { return one.ready(); });
        if (part == parts.end()) part = parts.begin();
      }
      std::vector<R> results;
      try {
        // Any may be the next: the others are polled.
        results = part->Get(in_order ? absl::InfiniteDuration() : absl::Milliseconds(1));
      } catch (const DeadlineExceeded& e) {
        if (in_order || RemoteErrorOf(e) != nullptr) throw;
        continue;
      }
      parts.erase(part);
      for (R& result : results) co_yield result;
    }
  }

  // Shared by copies in this process.
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_POOL_H_
