// SPDX-License-Identifier: MIT
//
// How outcomes become values of C++ types, or exceptions.
#ifndef REMOTEOBJ_PROXY_INTERNAL_RECEIVE_H_
#define REMOTEOBJ_PROXY_INTERNAL_RECEIVE_H_

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "remoteobj/proxy/internal/by_value.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::proxy_internal {

// Returns the outcome's value, or throws its error.
template <typename R>
R ReadAs(const OutcomeReader& outcome) {
  if constexpr (std::is_void_v<R>) {
    ThrowIfError(outcome);
  } else {
    static_assert(
        kReceivable<R>,
        "remoteobj: this type (R here, or what it is made of) can't be received by value: "
        "it has no codec (see REMOTEOBJ_DESCRIBE and remoteobj::Codec), can't be moved, is a view "
        "of memory that something else owns, or is described and has no default constructor. If "
        "it is described, its members can still be reached: remote->it->member");
    if constexpr (kReceivable<R>) {
      return Decode<R>(ValueIn(outcome));
    }
  }
}

// `deliver` is called with a reader of the outcome; its value is returned.
template <typename R, std::invocable<ReadOutcome> F>
R Receive(const F& deliver) {
  if constexpr (std::is_void_v<R>) {
    deliver([](const OutcomeReader& outcome) { ReadAs<R>(outcome); });
  } else if constexpr (!kReceivable<R>) {
    constexpr R (*kRefused)(const OutcomeReader&) = &ReadAs<R>;  // Its assertion says why.
    static_cast<void>(kRefused);
  } else {
    std::optional<R> value;
    deliver([&](const OutcomeReader& outcome) { value.emplace(ReadAs<R>(outcome)); });
    return *std::move(value);
  }
}

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_RECEIVE_H_
