// SPDX-License-Identifier: MIT
//
// Values that an object of a manager yields, one by one, to a client.
//
//   struct Camera {
//     remoteobj::Generator<Frame> Frames();              // a coroutine
//   };
//   REMOTEOBJ_DESCRIBE(Camera, Frames)
//
//   for (const Frame& frame : camera->Frames()) …        // in any process
//
// The function runs in the manager, where the object's methods do, as soon as a value is asked for.
// It runs ahead of the client by 64 values or about a megabyte, and waits at its co_yield then; for
// a millisecond at most at a time where other calls of the object wait. A client that leaves its
// loop, or dies, ends it at its co_yield. The object lives as long as its values are wanted.
//
// Threads:  as a Generator: one at a time.
// Errors:   what the function throws, after the values that came before; and what goes wrong on the
//           way to the manager. BadValue for an object that is none of a manager's, or whose type
//           runs where the manager serves everybody (Run::kInServer).
#ifndef REMOTEOBJ_MANAGER_STREAM_H_
#define REMOTEOBJ_MANAGER_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "remoteobj/except/generator.h"
#include "remoteobj/manager/server/stream_object.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace manager_internal {

template <typename T>
class SourceOf final : public StreamSource {
 public:
  explicit SourceOf(Generator<T> values) : values_(std::move(values)) {}

  std::optional<AnyValue> Next() override {
    if (!at_) {
      at_.emplace(values_.begin());
    } else {
      ++*at_;
    }
    if (*at_ == values_.end()) return std::nullopt;
    return AnyValue::Of(**at_);
  }

 private:
  Generator<T> values_;
  std::optional<typename Generator<T>::iterator> at_;
};

// One portion is on its way while the other is used.
template <typename T>
Generator<T> ValuesOf(Proxy<StreamObject> stream) {
  Future<std::vector<AnyValue>> next = stream->next.Async();
  for (;;) {
    const std::vector<AnyValue> values = next.Get();
    if (values.empty()) co_return;
    next = stream->next.Async();
    for (const AnyValue& value : values) co_yield value.As<T>();
  }
}

}  // namespace manager_internal

template <typename T>
struct Codec<Generator<T>> {
  // Takes what it has to yield: a method's result is nobody else's.
  static void Encode(const Generator<T>& values, ValueWriter out) {
    auto source = std::make_unique<manager_internal::SourceOf<T>>(
        std::move(const_cast<Generator<T>&>(values)));
    Codec<Reference>::Encode(manager_internal::ShareStream(std::move(source)), out);
  }
  static Generator<T> Decode(const ValueReader& in) {
    return manager_internal::ValuesOf<T>(
        Proxy<manager_internal::StreamObject>(Codec<Reference>::Decode(in)));
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_STREAM_H_
