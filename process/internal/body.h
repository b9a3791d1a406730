// SPDX-License-Identifier: MIT
//
// The function's side of a task: writes results, yields and errors into the log, and reads commands
// from the control block.
//
// Threads:  Run() and everything it calls run on one thread.
// Forks:    a fork made by the function ends with its copy of the function, and writes nothing into
//           the log.
// Errors:   Run() writes them into the log, and throws nothing.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_BODY_H_
#define REMOTEOBJ_PROCESS_INTERNAL_BODY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/process/internal/control.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/shared_memory/shared_log.h"
#include "remoteobj/transport/wire/internal/stored.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::process_internal {

class Body final : public transport_internal::Interruption {
 public:
  // `errors` may be null. `owner` is the process that reads. REQUIRES: all of them outlive the
  // Body.
  Body(SharedLog& log, const Except* errors, std::uint64_t max_backlog,
       transport_internal::Identity owner);
  ~Body();

  // Runs `call`, which calls Return() at its end, and records its end. Returns false if it threw.
  bool Run(absl::FunctionRef<void(Body&)> call);

  // If false, Yield() and Return() need no value.
  bool SendsResults() const {
    return control_.without_results.load(std::memory_order_relaxed) == 0;
  }
  void Yield(std::string_view packed);
  void Return(std::string_view packed);
  // From then on stop requests set the token, and throw nothing.
  std::stop_token Token();

  // Returns false in a fork of this process, which must not write into the log.
  bool SpeaksForProcess() const { return process_ == transport_internal::Self(); }

  bool stop_requested() const { return control_.stop.load(std::memory_order_relaxed) != 0; }
  void SetDoing(Doing doing) {
    if (SpeaksForProcess()) control_.doing.store(doing, std::memory_order_relaxed);
  }
  // The Body that runs on this thread, or null.
  static Body* Current();

 private:
  void Tell() override;
  void RecordError() noexcept;
  [[noreturn]] void EndFork(bool threw);
  std::optional<ErrorInfo> NextMail();

  SharedLog& log_;
  Control& control_;
  const Except* const errors_;
  const std::uint64_t max_backlog_;
  const transport_internal::Identity owner_;
  const transport_internal::Identity process_ = transport_internal::Self();
  std::uint64_t mail_read_ = 0;
  std::uint32_t stops_told_ = 0;
  bool unread_ = false;  // The owner has died.
  std::optional<std::stop_source> stop_;
  std::jthread watcher_;  // Sets the token, if there is one.
};

// The result of calling F with copies of A; F may take a std::stop_token first.
template <bool kTakesToken, typename F, typename... A>
struct CallResult : std::invoke_result<F, A...> {};
template <typename F, typename... A>
struct CallResult<true, F, A...> : std::invoke_result<F, std::stop_token, A...> {};

template <typename F, typename... A>
inline constexpr bool kTakesToken = !std::is_invocable_v<F, A...>;

template <typename F, typename... A>
concept Callable = std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...> ||
                   std::is_invocable_v<std::decay_t<F>, std::stop_token, std::decay_t<A>...>;

template <typename F, typename... A>
using ReturnOf = std::decay_t<typename CallResult<kTakesToken<F, A...>, F, A...>::type>;

template <typename F, typename... A>
using ResultOf = transport_internal::Stored<ReturnOf<std::decay_t<F>, std::decay_t<A>...>>;

// Makes the call, and passes its result or yields to the body.
template <typename F, typename... A>
void CallIn(Body& body, std::tuple<F, A...>& call) {
  using R = ResultOf<F, A...>;
  const auto invoke = [&]() -> decltype(auto) {
    return std::apply(
        [&](auto& function, auto&... arguments) -> decltype(auto) {
          if constexpr (kTakesToken<F, A...>) {
            return std::invoke(std::move(function), body.Token(), std::move(arguments)...);
          } else {
            return std::invoke(std::move(function), std::move(arguments)...);
          }
        },
        call);
  };
  if constexpr (std::is_void_v<R>) {
    invoke();
    body.Return({});
  } else if constexpr (except_internal::kIsGenerator<R>) {
    R generator = invoke();
    for (auto it = generator.begin(); it != generator.end(); ++it) {
      if (body.SendsResults()) body.Yield(Pack(*it));
      try {
        InterruptionPoint();
      } catch (...) {
        generator.Throw(std::current_exception());
      }
    }
    body.Return({});
  } else {
    const auto& result = invoke();
    body.Return(body.SendsResults() ? Pack(result) : std::string());
  }
}

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_BODY_H_
