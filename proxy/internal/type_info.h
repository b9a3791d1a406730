// SPDX-License-Identifier: MIT
//
// The type information of the evaluator: a table of functions, made once for each type
// that can be reached from a described class (by type_info_of.h).
#ifndef REMOTEOBJ_PROXY_INTERNAL_TYPE_INFO_H_
#define REMOTEOBJ_PROXY_INTERNAL_TYPE_INFO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::proxy_internal {

struct TypeInfo;

// Continues with the result of a step, which lives until the function returns.
using Next = absl::FunctionRef<void(void* object, const TypeInfo& type, bool read_only)>;

// Receives the result of a call.
class CallResult {
 public:
  virtual void Nothing() = 0;
  virtual void Value(void* value, const TypeInfo& type) = 0;
  // A reference, which may be to the object itself.
  virtual void Reference(void* object, const TypeInfo& type, bool read_only) = 0;

 protected:
  ~CallResult() = default;
};

// How the object of a method call was reached.
struct Through {
  bool here = false;       // It is a base: call without virtual dispatch.
  bool read_only = false;  // Through a const object: const methods only.
};

struct MemberInfo {
  std::string_view name;
  // The type and the address of a data member. Null for a method.
  const TypeInfo& (*type)() = nullptr;
  void* (*address)(void* object) = nullptr;
  bool read_only = false;
  // Calls a method. `overload` is its place among the chosen signatures, from 1, or 0 for
  // the first that fits.
  void (*invoke)(void* object, const ListReader& arguments, std::uint16_t overload, Through through,
                 CallResult& result) = nullptr;
  bool is_static = false;  // A static member function.
};

// The members of a class, in the order of their description.
class MemberTable {
 public:
  explicit MemberTable(std::vector<MemberInfo> members);

  std::size_t size() const { return members_.size(); }
  const MemberInfo& operator[](std::size_t i) const { return members_[i]; }
  auto begin() const { return members_.begin(); }
  auto end() const { return members_.end(); }
  // Null if there is none.
  const MemberInfo* Find(std::string_view name) const;

 private:
  const std::vector<MemberInfo> members_;
  std::vector<std::uint16_t> by_name_;  // Their places, sorted.
};

struct BaseInfo {
  const TypeInfo& (*type)();
  void* (*cast)(void* object);
  // The methods that the base has from bases of its own, to be called on it without virtual
  // dispatch. Null if it has none.
  const MemberTable& (*inherited)();
};

// The operations of a type. A function is null if the type has no such operation.
struct TypeInfo {
  const std::string& (*name)();

  void (*encode)(const void* object, ValueWriter out) = nullptr;
  void (*assign)(void* object, const ValueReader& value) = nullptr;

  // Items: of a map by key, of a sequence by index.
  void (*item)(void* object, const ValueReader& key, Next next) = nullptr;
  void (*set_item)(void* object, const ValueReader& key, const ValueReader& value) = nullptr;
  void (*delete_item)(void* object, const ValueReader& key) = nullptr;
  bool (*contains)(const void* object, const ValueReader& key) = nullptr;
  std::size_t (*length)(const void* object) = nullptr;

  // An optional or a smart pointer.
  bool (*present)(const void* object) = nullptr;
  void (*remove)(void* object) = nullptr;
  // The object that it holds. REQUIRES: present.
  void (*target)(void* object, bool read_only, Next next) = nullptr;

  // A described class.
  const MemberTable& (*members)() = nullptr;
  const std::vector<BaseInfo>& (*bases)() = nullptr;
};

// The member of that name in the class or, after it, in its bases; `object` and `type` become the
// part that has it. Null if there is none.
const MemberInfo* FindMember(const TypeInfo*& type, std::string_view name, std::uint16_t hint,
                             void*& object);

// The base of that name, or the base's base; `object` becomes that part. Null if there is none.
const BaseInfo* FindBase(const TypeInfo& type, std::string_view name, void*& object);

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_TYPE_INFO_H_
