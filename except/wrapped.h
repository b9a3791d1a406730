// SPDX-License-Identifier: MIT
//
// A function whose errors and results are kept by an Except.
//
//   auto wrapped = exc.Wrap(Add);
//   if (fork() == 0) {
//     wrapped(5, 6);
//     _exit(0);
//   }
//   …
//   std::optional<int> eleven = wrapped.result();  // empty until it has returned
//
// A call runs the function in the default group with raises = false, and returns what a context
// returns. A function that returns a Generator is run to its end in that call, which returns
// nothing; result() yields the values so far and waits for more until the function has ended:
//
//   auto wrapped = exc.Wrap(Range);
//   …                                              // another process calls wrapped(4)
//   for (int i : wrapped.result()) std::cout << i;
//
// Threads:  thread-safe, if the function is.
// Lifetime: copies share their results, also with copies in other processes, and outlive the Except
//           that made them.
// Errors:   result() throws BadValue if another program, with other types, wrote into the log.
// Not here: results of a type without codec: such a function can be called, but has no result().
//           Functions with several signatures, such as generic lambdas.
#ifndef REMOTEOBJ_EXCEPT_WRAPPED_H_
#define REMOTEOBJ_EXCEPT_WRAPPED_H_

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {
namespace except_internal {

// Returns an id that no other process uses.
std::uint64_t NewWrapId();

template <typename T>
Generator<T> ReadYields(std::shared_ptr<ErrorStore> store, std::uint64_t id,
                        absl::Duration timeout) {
  const std::unique_ptr<ErrorStore::Yields> yields = store->ReadYields(id);
  while (const std::optional<std::string> packed = yields->Next(Deadline::After(timeout))) {
    co_yield Unpack<T>(*packed);
  }
}

// Records that the function has ended, by returning or by an exception.
class FinishedAtEnd {
 public:
  FinishedAtEnd(ErrorStore& store, std::uint64_t id) : store_(store), id_(id) {}
  ~FinishedAtEnd();
  FinishedAtEnd(const FinishedAtEnd&) = delete;
  FinishedAtEnd& operator=(const FinishedAtEnd&) = delete;

 private:
  ErrorStore& store_;
  const std::uint64_t id_;
};

// The id of values kept by SetResult().
inline constexpr std::uint64_t kSetResult = 0;

}  // namespace except_internal

template <typename T>
void ErrorGatherer::SetResult(const T& value) const {
  store_->AppendResult(except_internal::kReturn, except_internal::kSetResult, Pack(value));
}

template <typename T>
std::optional<T> ErrorGatherer::PopResult() const {
  const std::optional<std::string> packed = store_->TakeReturn(except_internal::kSetResult);
  return packed ? std::optional(Unpack<T>(*packed)) : std::nullopt;
}

template <typename F>
class Wrapped {
  using Function = decltype(std::function(std::declval<F>()));

 public:
  // The function's return type.
  using Result = std::remove_cvref_t<typename Function::result_type>;

  template <typename... Args>
    requires std::invocable<const F&, Args...>
  auto operator()(Args&&... args) const {
    return except_internal::Run(*store_, kDefaultGroup, settings_,
                                [&] { return Call(std::forward<Args>(args)...); });
  }

  // Returns the function's last result; empty before it has returned.
  std::optional<Result> result() const
    requires(Codable<Result> && !except_internal::kIsGenerator<Result>)
  {
    const std::optional<std::string> packed = store_->LastReturn(id_);
    return packed ? std::optional(Unpack<Result>(*packed)) : std::nullopt;
  }

  // Returns the values yielded by all calls, oldest first. Throws DeadlineExceeded if the next
  // value does not arrive within `timeout`. Give one: the death of the process that should yield it
  // can't be noticed here.
  Result result(absl::Duration timeout = absl::InfiniteDuration()) const
    requires except_internal::kIsGenerator<Result>
  {
    return except_internal::ReadYields<typename Result::value_type>(store_, id_, timeout);
  }

 private:
  friend class ErrorGatherer;
  template <typename G>
  Wrapped(const ErrorGatherer& errors, G&& f)
      : store_(errors.store_),
        settings_(errors.With({.raises = false})),
        id_(except_internal::NewWrapId()),
        f_(std::forward<G>(f)) {}

  template <typename... Args>
  auto Call(Args&&... args) const {
    if constexpr (except_internal::kIsGenerator<Result>) {
      const except_internal::FinishedAtEnd finished(*store_, id_);
      for (auto&& value : std::invoke(f_, std::forward<Args>(args)...)) {
        store_->AppendResult(except_internal::kYield, id_, Pack(value));
      }
    } else if constexpr (Codable<Result>) {
      Result result = std::invoke(f_, std::forward<Args>(args)...);
      store_->AppendResult(except_internal::kReturn, id_, Pack(result));
      return result;
    } else {
      return std::invoke(f_, std::forward<Args>(args)...);
    }
  }

  std::shared_ptr<except_internal::ErrorStore> store_;
  except_internal::Settings settings_;
  std::uint64_t id_;
  F f_;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_WRAPPED_H_
