// SPDX-License-Identifier: MIT
#include "remoteobj/except/remote_error.h"

#include <cxxabi.h>
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <any>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/except/traceback.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj {
namespace except_internal {
namespace {

using transport_internal::ForkSafeMutex;
using transport_internal::MadeOnce;

// Returns the category of this name; a stand-in if this program does not know it.
const std::error_category& CategoryCalled(const std::string& name) {
  for (const std::error_category* known : {&std::generic_category(), &std::system_category(),
                                           &std::iostream_category(), &std::future_category()}) {
    if (name == known->name()) return *known;
  }
  class Unknown final : public std::error_category {
   public:
    const char* name() const noexcept override { return "remote"; }
    std::string message(int value) const override { return absl::StrCat("error ", value); }
  };
  return MadeOnce([] { return new const Unknown; });
}

using Code = std::pair<std::string, int>;

template <typename E>
std::string CodeOf(const std::exception& e) {
  const std::error_code& code = dynamic_cast<const E&>(e).code();
  return Pack(Code(code.category().name(), code.value()));
}

std::error_code ToCode(const ErrorInfo& info) {
  const auto [category, value] = Unpack<Code>(info.fields);
  return std::error_code(value, CategoryCalled(category));
}

[[noreturn]] void RethrowSystemError(ErrorInfo info) {
  std::system_error error(ToCode(info), info.message);
  throw Rethrown<std::system_error>(std::move(error), std::move(info));
}

[[noreturn]] void RethrowIosFailure(ErrorInfo info) {
  std::ios_base::failure error(info.message, ToCode(info));
  throw Rethrown<std::ios_base::failure>(std::move(error), std::move(info));
}

[[noreturn]] void RethrowFutureError(ErrorInfo info) {
  std::future_error error(static_cast<std::future_errc>(ToCode(info).value()));
  throw Rethrown<std::future_error>(std::move(error), std::move(info));
}

std::string FilesystemFields(const std::exception& e) {
  const auto& error = dynamic_cast<const std::filesystem::filesystem_error&>(e);
  return Pack(std::tuple(std::string(error.code().category().name()), error.code().value(),
                         error.path1().string(), error.path2().string()));
}

[[noreturn]] void RethrowFilesystemError(ErrorInfo info) {
  using Fields = std::tuple<std::string, int, std::string, std::string>;
  const auto [category, value, path1, path2] = Unpack<Fields>(info.fields);
  std::filesystem::filesystem_error error(info.message, path1, path2,
                                          std::error_code(value, CategoryCalled(category)));
  throw Rethrown<std::filesystem::filesystem_error>(std::move(error), std::move(info));
}

std::string StatusFields(const std::exception& e) {
  return Pack(dynamic_cast<const absl::BadStatusOrAccess&>(e).status());
}

[[noreturn]] void RethrowBadStatusOrAccess(ErrorInfo info) {
  absl::BadStatusOrAccess error(Unpack<absl::Status>(info.fields));
  throw Rethrown<absl::BadStatusOrAccess>(std::move(error), std::move(info));
}

std::string ListenerDiedFields(const std::exception& e) {
  const auto& error = dynamic_cast<const ListenerDied&>(e);
  return Pack(
      std::tuple(error.end().pid, error.end().exit_code, error.end().signal, error.evaluating()));
}

[[noreturn]] void RethrowListenerDied(ErrorInfo info) {
  using Fields = std::tuple<pid_t, std::optional<int>, std::optional<int>, bool>;
  const auto [pid, exit_code, signal, evaluating] = Unpack<Fields>(info.fields);
  ListenerDied error(info.message, {pid, exit_code, signal}, evaluating);
  throw Rethrown<ListenerDied>(std::move(error), std::move(info));
}

std::string DeadlineExceededFields(const std::exception& e) {
  return Pack(dynamic_cast<const DeadlineExceeded&>(e).waited());
}

[[noreturn]] void RethrowDeadlineExceeded(ErrorInfo info) {
  // Channels write this error without fields.
  const auto waited =
      info.fields.empty() ? std::nullopt : Unpack<std::optional<absl::Duration>>(info.fields);
  DeadlineExceeded error(info.message, waited);
  throw Rethrown<DeadlineExceeded>(std::move(error), std::move(info));
}

std::string NotAllowedFields(const std::exception& e) {
  return Pack(dynamic_cast<const NotAllowed&>(e).policy());
}

[[noreturn]] void RethrowNotAllowed(ErrorInfo info) {
  NotAllowed error(info.message, Unpack<std::string>(info.fields));
  throw Rethrown<NotAllowed>(std::move(error), std::move(info));
}

std::string QuotaExceededFields(const std::exception& e) {
  const auto& error = dynamic_cast<const QuotaExceeded&>(e);
  return Pack(std::tuple(error.quota(), error.limit()));
}

[[noreturn]] void RethrowQuotaExceeded(ErrorInfo info) {
  const auto [quota, limit] = Unpack<std::tuple<std::string, std::uint64_t>>(info.fields);
  QuotaExceeded error(info.message, quota, limit);
  throw Rethrown<QuotaExceeded>(std::move(error), std::move(info));
}

struct RegisteredTypes;

class Registry {
 public:
  static Registry& Get() {
    return MadeOnce([] { return new Registry; });
  }

  bool Add(const std::type_info& type, ErrorType how) {
    const std::scoped_lock lock(ForkSafeMutex<RegisteredTypes>());
    types_[TypeName(type)] = how;
    return true;
  }

  std::optional<ErrorType> Find(const std::string& name) {
    const std::scoped_lock lock(ForkSafeMutex<RegisteredTypes>());
    const auto at = types_.find(name);
    return at == types_.end() ? std::nullopt : std::optional(at->second);
  }

 private:
  template <typename... E>
  void AddAll() {
    (Add(typeid(E), ErrorType{&FieldsOf<E>, &RethrowAs<E>}), ...);
  }

  Registry() {
    AddAll<std::exception, std::bad_exception, std::bad_alloc, std::bad_array_new_length,
           std::bad_cast, std::bad_any_cast, std::bad_typeid, std::bad_function_call,
           std::bad_optional_access, std::bad_variant_access, std::bad_weak_ptr>();
    AddAll<std::logic_error, std::domain_error, std::invalid_argument, std::length_error,
           std::out_of_range, std::runtime_error, std::overflow_error, std::range_error,
           std::underflow_error>();
    AddAll<NotListening, BadValue, NotDescribed, NotExposed, AuthenticationError, ConnectionRefused,
           StaleReference>();
    Add(typeid(std::system_error), {&CodeOf<std::system_error>, &RethrowSystemError});
    Add(typeid(std::ios_base::failure), {&CodeOf<std::ios_base::failure>, &RethrowIosFailure});
    Add(typeid(std::future_error), {&CodeOf<std::future_error>, &RethrowFutureError});
    Add(typeid(std::filesystem::filesystem_error), {&FilesystemFields, &RethrowFilesystemError});
    Add(typeid(absl::BadStatusOrAccess), {&StatusFields, &RethrowBadStatusOrAccess});
    Add(typeid(ListenerDied), {&ListenerDiedFields, &RethrowListenerDied});
    Add(typeid(DeadlineExceeded), {&DeadlineExceededFields, &RethrowDeadlineExceeded});
    Add(typeid(NotAllowed), {&NotAllowedFields, &RethrowNotAllowed});
    Add(typeid(QuotaExceeded), {&QuotaExceededFields, &RethrowQuotaExceeded});
  }

  std::map<std::string, ErrorType> types_;  // Guarded by ForkSafeMutex<RegisteredTypes>().
};

std::string ThreadName() {
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  return name;
}

// Returns the nearest registered base, breadth first, that is more specific than std::exception and
// std::runtime_error; empty if there is none.
std::string NearestKnownBase(const std::type_info& type) {
  std::deque<const std::type_info*> bases = {&type};
  for (; !bases.empty(); bases.pop_front()) {
    if (const auto* one = dynamic_cast<const abi::__si_class_type_info*>(bases.front())) {
      bases.push_back(one->__base_type);
    } else if (const auto* some = dynamic_cast<const abi::__vmi_class_type_info*>(bases.front())) {
      for (unsigned i = 0; i < some->__base_count; ++i) {
        const abi::__base_class_type_info& base = some->__base_info[i];
        if (base.__is_public_p()) bases.push_back(base.__base_type);
      }
    }
    if (bases.front() == &type) continue;
    const std::string name = TypeName(*bases.front());
    if (name == "std::exception" || name == "std::runtime_error") continue;
    if (Registry::Get().Find(name)) return name;
  }
  return {};
}

// Returns the code that the type of `e`, or else its nearest known base, was registered with.
absl::StatusCode RegisteredCodeOf(const std::exception& e) {
  const RemoteError* remote = RemoteErrorOf(e);
  auto how = Registry::Get().Find(remote == nullptr ? TypeName(typeid(e)) : remote->type());
  if (!how) {
    how =
        Registry::Get().Find(remote == nullptr ? NearestKnownBase(typeid(e)) : remote->info().base);
  }
  return how ? how->status_code : absl::StatusCode::kUnknown;
}

// Fills in the exception being handled, which is no std::exception.
void DescribeOther(ErrorInfo& info) {
  info.type = TypeName(*abi::__cxa_current_exception_type());
  info.traceback = CurrentTraceback();
  try {
    throw;
  } catch (const std::string& text) {
    info.message = text;
  } catch (const char* text) {
    info.message = text == nullptr ? "" : text;
  } catch (int number) {
    info.message = absl::StrCat(number);
  } catch (...) {
    // Only its type is known.
  }
}

// Fills in `e`, which is being handled, and its causes.
void Describe(const std::exception& e, ErrorInfo& info, int depth) {
  constexpr int kMaxCauses = 16;
  if (const RemoteError* remote = RemoteErrorOf(e)) {
    // It came from another process, and is passed on unchanged.
    const std::string group = info.group;
    info = remote->info();
    info.group = group;
    return;
  }
  info.type = TypeName(typeid(e));
  info.traceback = CurrentTraceback();
  // The type that std::throw_with_nested derives from E is an E with causes to the receiver.
  constexpr std::string_view kNested = "std::_Nested_exception<";
  if (info.type.starts_with(kNested)) {
    info.type = info.type.substr(kNested.size(), info.type.size() - kNested.size() - 1);
    // For a const lvalue.
    constexpr std::string_view kConst = " const";
    if (info.type.ends_with(kConst)) info.type.resize(info.type.size() - kConst.size());
  }
  info.message = WhatOf(e);
  auto how = Registry::Get().Find(info.type);
  if (!how) {
    info.base = NearestKnownBase(typeid(e));
    if (!info.base.empty()) how = Registry::Get().Find(info.base);
  }
  if (how) {
    try {
      info.fields = how->fields(e);
    } catch (...) {
      // Without its fields the receiver makes it a RemoteError.
    }
  }
  const auto* nested = dynamic_cast<const std::nested_exception*>(&e);
  if (nested == nullptr || nested->nested_ptr() == nullptr || depth == kMaxCauses) return;
  ErrorInfo cause;
  try {
    nested->rethrow_nested();
  } catch (const std::exception& inner) {
    Describe(inner, cause, depth + 1);
  } catch (...) {
    DescribeOther(cause);
  }
  std::vector<ErrorInfo> further = std::exchange(cause.causes, {});
  info.causes.push_back(std::move(cause));
  for (ErrorInfo& one : further) info.causes.push_back(std::move(one));
}

}  // namespace

bool Register(const std::type_info& type, ErrorType how) { return Registry::Get().Add(type, how); }

}  // namespace except_internal

RemoteError::RemoteError(ErrorInfo info)
    : std::runtime_error(absl::StrCat(info.type, ": ", info.message)),
      info_(std::make_shared<const ErrorInfo>(std::move(info))) {}

std::ostream& operator<<(std::ostream& out, const RemoteError& error) {
  if (!error.traceback().empty()) {
    out << "Traceback (innermost frame last):\n";
    for (const std::string& frame : error.traceback()) out << "  " << frame << "\n";
  }
  out << error.type() << ": " << error.message();
  if (error.pid() != 0) {
    // Converted to text: the stream's locale may group the digits of a number.
    out << " (in process " << error.process() << ", pid " << absl::StrCat(error.pid())
        << ", thread " << error.thread();
    if (!error.group().empty()) out << ", group " << error.group();
    out << ")";
  }
  for (const ErrorInfo& cause : error.causes()) {
    out << "\n  caused by " << cause.type << ": " << cause.message;
    for (const std::string& frame : cause.traceback) out << "\n    " << frame;
  }
  return out;
}

const RemoteError* RemoteErrorOf(const std::exception& e) {
  if (const auto* itself = dynamic_cast<const RemoteError*>(&e)) return itself;
  const auto* carrier = dynamic_cast<const except_internal::RemoteErrorCarrier*>(&e);
  return carrier == nullptr ? nullptr : &carrier->error();
}

ErrorInfo CaptureCurrentException() {
  ErrorInfo info;
  info.pid = getpid();
  info.process = program_invocation_short_name;
  info.thread = except_internal::ThreadName();
  // Not by Abseil: its clock takes a lock, which a forked child may find taken.
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  info.time_ns = now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
  try {
    throw;
  } catch (const std::exception& e) {
    except_internal::Describe(e, info, 0);
  } catch (...) {
    except_internal::DescribeOther(info);
  }
  return info;
}

void Rethrow(ErrorInfo info) {
  auto how = except_internal::Registry::Get().Find(info.type);
  if (!how && !info.base.empty()) how = except_internal::Registry::Get().Find(info.base);
  if (how) {
    ErrorInfo copy = info;
    try {
      how->rethrow(std::move(copy));
    } catch (const except_internal::RemoteErrorCarrier&) {
      throw;
    } catch (...) {
      // Its fields did not fit. Its name and message are thrown as a RemoteError.
    }
  }
  throw RemoteError(std::move(info));
}

namespace {

absl::StatusCode CodeOf(const std::exception& e) {
  using absl::StatusCode;
  if (const auto* of_a_call = dynamic_cast<const CallError*>(&e)) return of_a_call->status_code();
  if (dynamic_cast<const std::bad_alloc*>(&e)) return StatusCode::kResourceExhausted;
  if (dynamic_cast<const StopRequested*>(&e)) return StatusCode::kCancelled;
  const StatusCode registered = except_internal::RegisteredCodeOf(e);
  if (registered != StatusCode::kUnknown) return registered;
  if (dynamic_cast<const std::out_of_range*>(&e)) return StatusCode::kOutOfRange;
  if (dynamic_cast<const std::invalid_argument*>(&e)) return StatusCode::kInvalidArgument;
  if (dynamic_cast<const std::logic_error*>(&e)) return StatusCode::kFailedPrecondition;
  if (const auto* of_the_system = dynamic_cast<const std::system_error*>(&e)) {
    const std::error_condition condition = of_the_system->code().default_error_condition();
    if (condition.category() == std::generic_category()) {
      return absl::ErrnoToStatusCode(condition.value());
    }
  }
  return StatusCode::kUnknown;
}

}  // namespace

absl::Status CurrentExceptionToStatus() {
  try {
    throw;
  } catch (const absl::BadStatusOrAccess& e) {
    return e.status();
  } catch (const std::exception& e) {
    const absl::StatusCode code = CodeOf(e);
    if (code != absl::StatusCode::kUnknown) return {code, except_internal::WhatOf(e)};
    const RemoteError* remote = RemoteErrorOf(e);
    return absl::UnknownError(
        absl::StrCat(remote == nullptr ? TypeName(typeid(e)) : remote->type(), ": ",
                     remote == nullptr ? except_internal::WhatOf(e) : remote->message()));
  } catch (...) {
    const ErrorInfo info = CaptureCurrentException();
    return absl::UnknownError(
        absl::StrCat(info.type, info.message.empty() ? "" : ": ", info.message));
  }
}

}  // namespace remoteobj
