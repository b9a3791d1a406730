// SPDX-License-Identifier: MIT
//
// A value of any type, kept in its encoded form, by a program that need not know the type.
//
//   std::map<remoteobj::AnyValue, remoteobj::AnyValue> dictionary;      // of anything
//   remoteobj::AnyValue one = remoteobj::AnyValue::Of(1);
//   int back = one.As<int>();
//
// Two are equal if they were encoded alike: keys of one C++ type are equal if the keys are, except
// that the order of an unordered container is part of the encoding, and -0.0 is not 0.0.
// References to objects that a value holds keep their objects alive as long as the value. An object
// of this process becomes one by the attachments that are given.
//
// Threads:  immutable values.
// Errors:   BadValue for what is malformed, or does not hold a T.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_ANY_VALUE_H_
#define REMOTEOBJ_TRANSPORT_WIRE_ANY_VALUE_H_

#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "remoteobj/transport/wire/attachments.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/flat.h"

namespace remoteobj {

class AnyValue {
 public:
  // Null.
  AnyValue();

  template <typename T>
  static AnyValue Of(const T& value, Attachments& offers = Attachments::None()) {
    return AnyValue([&](ValueWriter out) { Encode<std::decay_t<const T&>>(value, out); }, offers);
  }
  // Copies all that the value leads to, and nothing else.
  static AnyValue Copy(const ValueReader& in);
  explicit AnyValue(absl::FunctionRef<void(ValueWriter)> write,
                    Attachments& offers = Attachments::None());

  // Throws BadValue if it is no T.
  template <typename T>
  T As() const {
    std::optional<T> value;
    Read([&](const ValueReader& in) { value.emplace(Decode<T>(in)); });
    return *std::move(value);
  }
  void Read(absl::FunctionRef<void(const ValueReader&)> read) const;
  void Write(ValueWriter out) const;

  // The value as a person would write it, cut short.
  std::string DebugString() const;
  // In memory, without the objects that it refers to.
  std::size_t bytes() const { return words_.size() * sizeof(transport_internal::Word); }
  // The objects that it refers to, once for each reference.
  const std::vector<std::shared_ptr<Referent>>& references() const { return references_; }

  friend bool operator==(const AnyValue& a, const AnyValue& b) { return a.words_ == b.words_; }
  friend auto operator<=>(const AnyValue& a, const AnyValue& b) {
    if (a.words_ == b.words_) return std::strong_ordering::equal;
    return a.words_ < b.words_ ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  template <typename H>
  friend H AbslHashValue(H h, const AnyValue& value) {
    return H::combine_contiguous(std::move(h), value.words_.data(), value.words_.size());
  }

 private:
  void Keep(std::span<const transport_internal::Word> words);

  // A message without its root pointer: the Value, and behind it what its pointer leads to.
  absl::InlinedVector<transport_internal::Word, 6> words_;
  std::vector<std::shared_ptr<Referent>> references_;
};

template <>
struct Codec<AnyValue> {
  static void Encode(const AnyValue& value, ValueWriter out) { value.Write(out); }
  static AnyValue Decode(const ValueReader& in) { return AnyValue::Copy(in); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_ANY_VALUE_H_
