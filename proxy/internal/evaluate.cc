// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/internal/evaluate.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/traceback.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/internal/thread_end.h"

namespace remoteobj::proxy_internal {
namespace {

using transport_internal::Identity;
using transport_internal::MadeOnce;
using transport_internal::Self;

struct PassedFunctionsMutex;
struct PassedFunctions {
  std::set<const PassedFunction*> known;

  static PassedFunctions& Get() {
    return MadeOnce([] { return new PassedFunctions; });
  }
};

// Code travels between forks of one image only. In another one, be it of the same program, the same
// address may be something else; so what travels is mixed with a number that each image draws.
std::uint64_t ImageMark() {
  return MadeOnce([] {
    std::random_device random;
    return new const std::uint64_t(std::uint64_t{random()} << 32 | random());
  });
}

const PassedFunction& FindPassedFunction(std::uint64_t code) {
  const auto* function = reinterpret_cast<const PassedFunction*>(code ^ ImageMark());
  PassedFunctions& functions = PassedFunctions::Get();
  const std::scoped_lock lock(transport_internal::ForkSafeMutex<PassedFunctionsMutex>());
  if (!functions.known.contains(function)) {
    throw BadValue(
        "PassTo names a function that this process does not have: code travels only "
        "between forks of one process");
  }
  return *function;
}

// The place that the chain has reached.
struct Cursor {
  void* object = nullptr;
  const TypeInfo* type = nullptr;
  const MemberInfo* method = nullptr;  // The object's method that the next operation calls.
  bool read_only = false;
  bool here = false;    // Seen as a base: its methods are called without virtual dispatch.
  bool itself = false;  // The object on which the last call was made.
  const MemberTable& (*inherited)() = nullptr;  // The methods of the base as which it is seen.
  // The object on which an inherited method is called: that base.
  void* callee = nullptr;
  const TypeInfo* callee_type = nullptr;
};

// Limits::read_only of the thread's current evaluation.
constinit thread_local const std::string* read_only_by = nullptr;

class ReadOnlyBy {
 public:
  explicit ReadOnlyBy(const std::string* policy) : before_(std::exchange(read_only_by, policy)) {}
  ~ReadOnlyBy() { read_only_by = before_; }
  ReadOnlyBy(const ReadOnlyBy&) = delete;
  ReadOnlyBy& operator=(const ReadOnlyBy&) = delete;

 private:
  const std::string* const before_;
};

// Throws NotAllowed if a policy makes everything const. REQUIRES: the operation may change
// something.
void RefuseByPolicy() {
  if (read_only_by != nullptr) throw NotAllowed::By(*read_only_by, "to change anything");
}

// Ends a child that a method has forked and that returns from the method. The caller waits for the
// parent, which still evaluates the call.
void EndIfForked(Identity evaluating) {
  if (Self() != evaluating) _exit(0);
}

class Evaluation {
 public:
  // Evaluates the chain that ends before the operation `end`.
  Evaluation(const RequestReader& request, std::size_t end, OutcomeWriter& outcome,
             const Limits& limits)
      : request_(request),
        end_(end),
        outcome_(outcome),
        check_(limits.check),
        read_only_(limits.read_only != nullptr) {}

  // Does the operations from `i` on, on the cursor.
  void Step(std::size_t i, const Cursor& cursor);

 private:
  class Result;

  // The type's function, or NotDescribed.
  template <typename F>
  F Need(F function, const Cursor& on, std::string_view what) const {
    if (function == nullptr) {
      throw NotDescribed(absl::StrCat(on.type->name(), " has no ", std::string(what)));
    }
    return function;
  }

  ListReader Arguments(const OperationReader& operation, std::size_t size) const {
    const ListReader arguments = operation.Arguments();
    if (arguments.size() != size) {
      throw BadValue(
          absl::StrCat("an operation with ", arguments.size(), " arguments, not ", size));
    }
    return arguments;
  }

  void Attribute(std::size_t i, const OperationReader& operation, const Cursor& cursor);
  void CheckLast(std::size_t i) const;
  void CheckWritable(const Cursor& cursor) const;
  Cursor FindAttribute(const OperationReader& operation, const Cursor& cursor) const;
  void Done(const Cursor& cursor);
  void Give(std::size_t i, bool value);
  void Finish(std::size_t i);

  const RequestReader& request_;
  const std::size_t end_;
  OutcomeWriter& outcome_;
  const CheckOperation* const check_;
  const bool read_only_;
};

// Continues the chain with the result of a call.
class Evaluation::Result final : public CallResult {
 public:
  Result(Evaluation& evaluation, std::size_t next, const Cursor& called)
      : evaluation_(evaluation), next_(next), called_(called) {}

  void Nothing() override {
    EndIfForked(evaluating_);
    evaluation_.Finish(next_);
  }
  void Value(void* value, const TypeInfo& type) override {
    EndIfForked(evaluating_);
    evaluation_.Step(next_, {.object = value, .type = &type});
  }
  void Reference(void* object, const TypeInfo& type, bool read_only) override {
    EndIfForked(evaluating_);
    // A call that returns its object leaves the cursor as it was, seen as a base included.
    if (object != called_.object || &type != called_.type) {
      return evaluation_.Step(next_, {.object = object, .type = &type, .read_only = read_only});
    }
    const bool inherited = called_.callee != nullptr;
    evaluation_.Step(next_, {.object = inherited ? called_.callee : object,
                             .type = inherited ? called_.callee_type : &type,
                             .read_only = called_.read_only,
                             .here = called_.here,
                             .itself = true,
                             .inherited = called_.inherited});
  }

 private:
  Evaluation& evaluation_;
  const std::size_t next_;
  const Cursor& called_;  // Outlives the call.
  const Identity evaluating_ = Self();
};

void Evaluation::Step(std::size_t i, const Cursor& cursor) {
  if (read_only_ && !cursor.read_only) {
    Cursor as_const = cursor;
    as_const.read_only = true;
    return Step(i, as_const);
  }
  if (i == end_) return Done(cursor);
  const OperationReader operation = request_[i];
  const OperationKind kind = operation.kind();
  if (cursor.method != nullptr && kind != OperationKind::kCall && kind != OperationKind::kExists) {
    throw NotDescribed(absl::StrCat(cursor.type->name(), "::", std::string(cursor.method->name),
                                    " is a method: it can only be called"));
  }
  if (check_ != nullptr && cursor.method == nullptr && !NamesMember(kind)) {
    (*check_)(*cursor.type, operation);  // Attribute() checks what is behind a pointer instead.
  }
  switch (kind) {
    case OperationKind::kGetAttribute:
    case OperationKind::kSetAttribute:
    case OperationKind::kDeleteAttribute:
      // Through a pointer or an optional to what it holds, if that is what has members.
      if (cursor.type->target == nullptr || cursor.type->members != nullptr) {
        return Attribute(i, operation, cursor);
      }
      if (!cursor.type->present(cursor.object)) {
        throw BadValue(absl::StrCat("there is no ", std::string(operation.name()), " in an empty ",
                                    cursor.type->name()));
      }
      return cursor.type->target(
          cursor.object, cursor.read_only, [&](void* object, const TypeInfo& type, bool read_only) {
            Attribute(i, operation,
                      {.object = object, .type = &type, .read_only = read_only_ || read_only});
          });
    case OperationKind::kGetItem:
      return Need(cursor.type->item, cursor, "items")(
          cursor.object, Arguments(operation, 1)[0],
          [&](void* object, const TypeInfo& type, bool read_only) {
            Step(i + 1,
                 {.object = object, .type = &type, .read_only = cursor.read_only || read_only});
          });
    case OperationKind::kSetItem: {
      CheckLast(i);
      CheckWritable(cursor);
      const ListReader arguments = Arguments(operation, 2);
      Need(cursor.type->set_item, cursor, "items that can be set")(cursor.object, arguments[0],
                                                                   arguments[1]);
      return Finish(i + 1);
    }
    case OperationKind::kDeleteItem:
      CheckLast(i);
      CheckWritable(cursor);
      Need(cursor.type->delete_item, cursor, "items that can be deleted")(
          cursor.object, Arguments(operation, 1)[0]);
      return Finish(i + 1);
    case OperationKind::kCall: {
      if (cursor.method == nullptr) {
        throw NotDescribed(
            absl::StrCat(cursor.type->name(), " is not a method: it can't be called"));
      }
      if (cursor.method->is_static) RefuseByPolicy();
      Result result(*this, i + 1, cursor);
      return cursor.method->invoke(cursor.callee == nullptr ? cursor.object : cursor.callee,
                                   operation.Arguments(), operation.hint(),
                                   {.here = cursor.here, .read_only = cursor.read_only}, result);
    }
    case OperationKind::kContains:
      return Give(i + 1, Need(cursor.type->contains, cursor, "items to look for")(
                             cursor.object, Arguments(operation, 1)[0]));
    case OperationKind::kLength: {
      std::uint64_t length = Need(cursor.type->length, cursor, "length")(cursor.object);
      return Step(i + 1, {.object = &length, .type = &TypeOf<std::uint64_t>()});
    }
    case OperationKind::kPassTo: {
      const ListReader arguments = operation.Arguments();
      if (arguments.size() < 2) throw BadValue("PassTo without a function");
      const PassedFunction& function = FindPassedFunction(arguments[0].AsUInt(UINT64_MAX));
      if (&function.type() != cursor.type) {
        throw NotDescribed(absl::StrCat("a function that takes ", function.type().name(),
                                        " was passed ", cursor.type->name()));
      }
      CheckWritable(cursor);
      Result result(*this, i + 1, cursor);
      return function.run(cursor.object, arguments, result);
    }
    case OperationKind::kSuper: {
      void* object = cursor.object;
      const BaseInfo* const base = FindBase(*cursor.type, operation.name(), object);
      if (base == nullptr) {
        throw NotDescribed(absl::StrCat(cursor.type->name(), " has no described base ",
                                        std::string(operation.name())));
      }
      return Step(i + 1, {.object = object,
                          .type = &base->type(),
                          .read_only = cursor.read_only,
                          .here = true,
                          .inherited = base->inherited});
    }
    case OperationKind::kNext:
      break;  // Ends a chain; it is in none.
    case OperationKind::kExists: {
      const bool method = cursor.method != nullptr;
      return Give(i + 1,
                  method || cursor.type->present == nullptr || cursor.type->present(cursor.object));
    }
  }
}

// Gets, sets or deletes the attribute.
void Evaluation::Attribute(std::size_t i, const OperationReader& operation, const Cursor& cursor) {
  if (check_ != nullptr) (*check_)(*cursor.type, operation);
  const Cursor member = FindAttribute(operation, cursor);
  if (operation.kind() == OperationKind::kGetAttribute) return Step(i + 1, member);
  CheckLast(i);
  if (member.method != nullptr) {
    throw NotDescribed(absl::StrCat(member.type->name(), "::", std::string(operation.name()),
                                    " is a method: it can only be called"));
  }
  if (member.read_only) {
    RefuseByPolicy();
    throw NotDescribed(absl::StrCat(cursor.type->name(), "::", std::string(operation.name()),
                                    " can't be changed: it is const"));
  }
  if (operation.kind() == OperationKind::kSetAttribute) {
    Need(member.type->assign, member, "assignment")(member.object, Arguments(operation, 1)[0]);
  } else {
    Need(member.type->remove, member, "way to be absent, so it can't be deleted")(member.object);
  }
  Finish(i + 1);
}

// Before anything is changed: the operation that changes it is the last.
void Evaluation::CheckLast(std::size_t i) const {
  if (i + 1 != end_) throw BadValue("an operation after one that returns nothing");
}

void Evaluation::CheckWritable(const Cursor& cursor) const {
  if (!cursor.read_only) return;
  RefuseByPolicy();
  throw NotDescribed(absl::StrCat("this ", cursor.type->name(), " can't be changed: it is const"));
}

Cursor Evaluation::FindAttribute(const OperationReader& operation, const Cursor& cursor) const {
  const TypeInfo* type = cursor.type;
  void* object = cursor.object;
  const MemberInfo* info = FindMember(type, operation.name(), operation.hint(), object);
  if (info == nullptr) {
    throw NotDescribed(absl::StrCat(cursor.type->name(), " has no described member ",
                                    std::string(operation.name())));
  }
  if (info->invoke != nullptr) {
    Cursor method{.object = object,
                  .type = type,
                  .method = info,
                  .read_only = cursor.read_only,
                  .here = cursor.here,
                  .inherited = cursor.inherited};
    if (type != cursor.type && cursor.inherited != nullptr) {
      // The base as which the object is seen has it from a base of its own, but may override it.
      if (const MemberInfo* const own = cursor.inherited().Find(operation.name())) {
        method.method = own;
        method.callee = cursor.object;
        method.callee_type = cursor.type;
      }
    }
    return method;
  }
  return {.object = info->address(object),
          .type = &info->type(),
          .read_only = info->read_only || cursor.read_only};
}

void Evaluation::Done(const Cursor& cursor) {
  if (cursor.method != nullptr) {
    throw NotDescribed(absl::StrCat(cursor.type->name(), "::", std::string(cursor.method->name),
                                    " is a method: it can only be called"));
  }
  if (cursor.itself) return outcome_.Itself();
  Need(cursor.type->encode, cursor, "codec, so it can't be sent by value")(cursor.object,
                                                                           outcome_.Value());
}

void Evaluation::Give(std::size_t i, bool value) {
  Step(i, {.object = &value, .type = &TypeOf<bool>()});
}

// Ends a chain whose last operation has no result.
void Evaluation::Finish(std::size_t i) {
  CheckLast(i - 1);
  outcome_.Value().Null();
}

}  // namespace

namespace {

// The parts that all chains of a request share.
struct Task {
  void* object;
  const TypeInfo& type;
  const RequestReader& request;
  Limits limits;
  Identity evaluating = Self();
};

// REQUIRES: within a TracebackScope.
void EvaluateOne(const Task& task, std::size_t begin, std::size_t end, OutcomeWriter& outcome) {
  const ReadOnlyBy read_only(task.limits.read_only);
  try {
    if (end - begin > kMaxOperations) {
      throw BadValue(absl::StrCat("a chain of ", end - begin, " operations; at most ",
                                  kMaxOperations, " are evaluated"));
    }
    Evaluation(task.request, end, outcome, task.limits)
        .Step(begin, {.object = task.object, .type = &task.type, .itself = begin == end});
  } catch (const LeftEvaluation&) {
    throw;
  } catch (...) {
    if (transport_internal::ThreadEnds()) throw;  // The channel tells the caller.
    EndIfForked(task.evaluating);
    outcome.Error(CaptureCurrentException());
  }
}

}  // namespace

void EvaluateChain(void* object, const TypeInfo& type, const RequestReader& request,
                   std::size_t begin, std::size_t end, OutcomeWriter& outcome, Limits limits) {
  const TracebackScope scope;
  EvaluateOne({object, type, request, limits}, begin, end, outcome);
}

void Evaluate(void* object, const TypeInfo& type, const RequestReader& request,
              OutcomeWriter& outcome, Limits limits) {
  const TracebackScope scope;
  const Task task{object, type, request, limits};
  const std::size_t chains = request.chains();
  if (chains == 1) return EvaluateOne(task, 0, request.size(), outcome);
  if (chains > kMaxChains) {
    return outcome.Error({.type = "remoteobj::BadValue",
                          .message = absl::StrCat("a batch of ", chains, " operations; at most ",
                                                  kMaxChains, " are evaluated")});
  }
  const OutcomesWriter outcomes = outcome.Many(chains);
  for (std::size_t i = 0, begin = 0; i < chains; ++i) {
    const std::size_t end = request.EndOfChain(begin);
    OutcomeWriter one = outcomes[i];
    EvaluateOne(task, begin, end, one);
    begin = end + 1;
  }
}

void CheckPassed(const ListReader& arguments, std::size_t size, std::size_t captured_bytes) {
  if (arguments.size() != 2 + size) throw BadValue("PassTo with the wrong arguments");
  if (arguments[1].DataBytes() != captured_bytes) throw BadValue("PassTo with the wrong captures");
}

std::uint64_t RegisterPassedFunction(const PassedFunction* function) {
  PassedFunctions& functions = PassedFunctions::Get();
  const std::scoped_lock lock(transport_internal::ForkSafeMutex<PassedFunctionsMutex>());
  functions.known.insert(function);
  return reinterpret_cast<std::uint64_t>(function) ^ ImageMark();
}

MemberTable::MemberTable(std::vector<MemberInfo> members)
    : members_(std::move(members)), by_name_(members_.size()) {
  std::iota(by_name_.begin(), by_name_.end(), std::uint16_t{0});
  // The first of two members of one name is found.
  std::ranges::stable_sort(by_name_, {}, [this](std::uint16_t i) { return members_[i].name; });
}

const MemberInfo* MemberTable::Find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(by_name_, name, {},
                                           [this](std::uint16_t i) { return members_[i].name; });
  return at != by_name_.end() && members_[*at].name == name ? &members_[*at] : nullptr;
}

const MemberInfo* FindMember(const TypeInfo*& type, std::string_view name, std::uint16_t hint,
                             void*& object) {
  if (type->members == nullptr) return nullptr;
  const MemberTable& members = type->members();
  if (hint != 0 && hint <= members.size() && members[hint - 1].name == name) {
    return &members[hint - 1];
  }
  if (const MemberInfo* const member = members.Find(name)) return member;
  for (const BaseInfo& base : type->bases()) {
    void* part = base.cast(object);
    const TypeInfo* part_type = &base.type();
    if (const MemberInfo* member = FindMember(part_type, name, hint, part)) {
      object = part;
      type = part_type;
      return member;
    }
  }
  return nullptr;
}

const BaseInfo* FindBase(const TypeInfo& type, std::string_view name, void*& object) {
  if (type.bases == nullptr) return nullptr;
  for (const BaseInfo& base : type.bases()) {
    void* part = base.cast(object);
    const BaseInfo* found = base.type().name() == name ? &base : FindBase(base.type(), name, part);
    if (found == nullptr) continue;
    object = part;
    return found;
  }
  return nullptr;
}

void ThrowArgumentCount(std::string_view method, std::size_t got, std::size_t most) {
  throw BadValue(absl::StrCat(std::string(method), " can't be called with ", got,
                              " arguments; it takes at most ", most));
}

void ThrowReadOnly(std::string_view method) {
  RefuseByPolicy();
  throw NotDescribed(
      absl::StrCat(std::string(method), " is not a const method, and its object is const"));
}

void ThrowEmpty(std::string_view method, const std::string& type) {
  throw std::out_of_range(absl::StrCat(std::string(method), "() of an empty ", type));
}

void CheckBytes(std::string_view method, std::uint64_t count, std::size_t bytes_each,
                const std::string& type) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
  if (count > kMostBytes / bytes_each) {
    throw std::length_error(absl::StrCat(std::string(method), "(", count, ") of a ", type,
                                         ", with ", bytes_each,
                                         " bytes each: another process can ask for 1 GiB at most"));
  }
}

void ThrowIndex(std::int64_t index, std::size_t size) {
  throw std::out_of_range(absl::StrCat("no item ", index, " in a sequence of ", size));
}

}  // namespace remoteobj::proxy_internal
