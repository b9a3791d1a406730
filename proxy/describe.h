// SPDX-License-Identifier: MIT
//
// Describes a class once: what is named here, and nothing else, can be reached from another
// process.
//
//   namespace app {
//   struct Config { int timeout = 3; std::string name; };
//   REMOTEOBJ_DESCRIBE(Config, timeout, name)
//   }
//
// The macro stands in the namespace of the class, after it. Its arguments are data members and
// methods, up to 300. A described class also travels by value, as its described data members.
//
//   REMOTEOBJ_DESCRIBE(Calc, (Add, int(int, int), double(double, double)), Clear)
//       An overloaded method, with the signatures that are wanted. Default arguments may be left
//       out by callers where the method is not overloaded. A const signature, (at, int(int) const),
//       chooses the const overload.
//   REMOTEOBJ_DESCRIBE_DERIVED(Robot, (Machine, Named), Walk)
//       A class with described bases: their members can be reached, too, and by Super.
//   REMOTEOBJ_DESCRIBE_TEMPLATE((typename T, int N), (Grid<T, N>), cells, at)
//       A class template; with bases, REMOTEOBJ_DESCRIBE_DERIVED_TEMPLATE(parameters, type, bases,
//       members...).
//   class Safe { ... REMOTEOBJ_FRIEND(Safe) };
//       Lets the description name private members.
//
// Threads:  no state.
// Lifetime: a proxy of a class uses its description. A library that describes classes, or passes
//           functions to objects, must not be unloaded (dlclose) while such a proxy is used.
// Errors:   at compile time: a member that is not there, is overloaded, or has a type with no
// codec.
#ifndef REMOTEOBJ_PROXY_DESCRIBE_H_
#define REMOTEOBJ_PROXY_DESCRIBE_H_

#include <string_view>

#include "remoteobj/except/type_name.h"
#include "remoteobj/proxy/internal/containers.h"
#include "remoteobj/proxy/internal/describe_macros.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/for_each.h"
#include "remoteobj/transport/wire/codec.h"

#define REMOTEOBJ_DESCRIBE(type, ...) \
  REMOTEOBJ_DESCRIBE_([[maybe_unused]] inline, RemoteobjDescribe, (type), (), __VA_ARGS__)

#define REMOTEOBJ_DESCRIBE_DERIVED(type, bases, ...) \
  REMOTEOBJ_DESCRIBE_([[maybe_unused]] inline, RemoteobjDescribe, (type), bases, __VA_ARGS__)

#define REMOTEOBJ_DESCRIBE_TEMPLATE(parameters, type, ...)                                 \
  REMOTEOBJ_DESCRIBE_(template <REMOTEOBJ_UNWRAP parameters>, RemoteobjDescribe, type, (), \
                      __VA_ARGS__)

#define REMOTEOBJ_DESCRIBE_DERIVED_TEMPLATE(parameters, type, bases, ...)                     \
  REMOTEOBJ_DESCRIBE_(template <REMOTEOBJ_UNWRAP parameters>, RemoteobjDescribe, type, bases, \
                      __VA_ARGS__)

#define REMOTEOBJ_FRIEND(type) friend auto RemoteobjDescribe(::remoteobj::Tag<type>);

namespace remoteobj {

// A described class by value: a record of its described data members, its bases' first. Members
// that only the sender has are ignored; a member that it lacks is a BadValue.
template <typename T>
  requires Described<T>
struct Codec<T> {
  static void Encode(const T& value, ValueWriter out) {
    std::size_t count = 0;
    proxy_internal::ForEachDataMember<T>([&](auto, auto) { ++count; });
    const RecordWriter record = out.Record(TypeName<T>(), count);
    std::size_t i = 0;
    proxy_internal::ForEachDataMember<T>([&]<typename C, typename E>(Tag<C>, Tag<E>) {
      using Traits = proxy_internal::MemberTraits<C, E>;
      const auto& member = static_cast<const C&>(value).*typename E::PointerTo{}(Tag<C>{});
      transport_internal::EncodePart<proxy_internal::ValueOf<typename Traits::Member>>(
          proxy_internal::Load(member), record.Field(i++, Traits::kName),
          [](const BadValue& e) { throw e.Within("." + std::string(Traits::kName)); });
    });
  }

  static T Decode(const ValueReader& in) {
    static_assert(std::is_default_constructible_v<T>,
                  "remoteobj: this described class (the T named here) is received by value, "
                  "for which it needs a default constructor");
    const RecordReader record = in.AsRecord();
    T value{};
    std::size_t i = 0;
    proxy_internal::ForEachDataMember<T>([&]<typename C, typename E>(Tag<C>, Tag<E>) {
      using Traits = proxy_internal::MemberTraits<C, E>;
      proxy_internal::StoreMember<C, E>(
          static_cast<C&>(value),
          remoteobj::Decode<proxy_internal::ValueOf<typename Traits::Member>>(
              record.Field(i++, Traits::kName)));
    });
    return value;
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_DESCRIBE_H_
