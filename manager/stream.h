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
// The coroutine runs in the manager, where the object's methods do, from the time when the client
// asks for the first value. It runs ahead of the client by 64 values or about a megabyte, then is
// suspended at its co_yield; also after each millisecond, if other calls of the object wait. It is
// destroyed there if the client leaves its loop or dies. The Generator keeps the object alive.
//
// Threads:  as a Generator: one at a time.
// Errors:   what the coroutine throws, after the values before that; the errors of a call to a
//           manager; BadValue if the object is not a manager's, or its type has Run::kInServer.
#ifndef REMOTEOBJ_MANAGER_STREAM_H_
#define REMOTEOBJ_MANAGER_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "remoteobj/except/generator.h"
#include "remoteobj/manager/server/stream_object.h"
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

// Receives a stream's values, in portions. The next portion is requested while one is used.
class StreamReader {
 public:
  explicit StreamReader(const Reference& stream);
  ~StreamReader();
  StreamReader(StreamReader&&) noexcept;

  // Waits for a portion. Returns nothing at the end. Throws what the coroutine threw.
  std::vector<AnyValue> Next();

 private:
  struct Requested;
  std::unique_ptr<Requested> requested_;
};

template <typename T>
Generator<T> ValuesOf(StreamReader stream) {
  for (;;) {
    const std::vector<AnyValue> values = stream.Next();
    if (values.empty()) co_return;
    for (const AnyValue& value : values) co_yield value.As<T>();
  }
}

}  // namespace manager_internal

template <typename T>
struct Codec<Generator<T>> {
  // Moves the coroutine out: the result of a method has no other user.
  static void Encode(const Generator<T>& values, ValueWriter out) {
    auto source = std::make_unique<manager_internal::SourceOf<T>>(
        std::move(const_cast<Generator<T>&>(values)));
    Codec<Reference>::Encode(manager_internal::ShareStream(std::move(source)), out);
  }
  static Generator<T> Decode(const ValueReader& in) {
    return manager_internal::ValuesOf<T>(
        manager_internal::StreamReader(Codec<Reference>::Decode(in)));
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_STREAM_H_
