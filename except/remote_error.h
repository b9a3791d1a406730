// SPDX-License-Identifier: MIT
//
// Exceptions that another process threw.
//
//   try {
//     remote->data->at("missing");
//   } catch (const std::out_of_range& e) {                 // as its own type
//     const remoteobj::RemoteError* remote_error = remoteobj::RemoteErrorOf(e);
//     LOG(ERROR) << *remote_error;                         // with its origin
//   }
//
// An exception is rethrown as its own type if this program knows that type: those of the standard
// library and of this library, absl::BadStatusOrAccess, and registered types:
//
//   REMOTEOBJ_REGISTER_ERROR(app::CameraLost)
//
// A registered type is reconstructed from its described members if it is described, otherwise from
// its what(). A member `static constexpr absl::StatusCode kStatusCode` of it is the code of the
// statuses that it becomes. Any other type is rethrown as its nearest known base if that is more
// specific than std::runtime_error, otherwise as a RemoteError.
//
// Threads:  immutable values; registering and looking up are thread-safe.
// Errors:   none of its own: an error whose fields can't be sent keeps its type name and message.
#ifndef REMOTEOBJ_EXCEPT_REMOTE_ERROR_H_
#define REMOTEOBJ_EXCEPT_REMOTE_ERROR_H_

#include <exception>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {

class RemoteError : public std::runtime_error {
 public:
  explicit RemoteError(ErrorInfo info);

  // The name of the type in C++, and its what().
  const std::string& type() const { return info_->type; }
  const std::string& message() const { return info_->message; }
  // The stack at the throw, innermost frame last (see traceback.h); empty if it was not captured.
  const std::vector<std::string>& traceback() const { return info_->traceback; }
  // The exceptions it was nested around (std::throw_with_nested), nearest first.
  const std::vector<ErrorInfo>& causes() const { return info_->causes; }
  pid_t pid() const { return info_->pid; }
  const std::string& process() const { return info_->process; }
  const std::string& thread() const { return info_->thread; }
  const std::string& group() const { return info_->group; }
  absl::Time time() const { return absl::FromUnixNanos(info_->time_ns); }
  std::uint64_t sequence() const { return info_->sequence; }
  const ErrorInfo& info() const { return *info_; }

 private:
  std::shared_ptr<const ErrorInfo> info_;  // Shared, so that copying an exception can't fail.
};

// For people: the traceback, innermost frame last; then type, message and origin; then the causes.
std::ostream& operator<<(std::ostream& out, const RemoteError& error);

// Returns the origin of an exception of another process; null for a local one. Valid as long as
// `e`.
const RemoteError* RemoteErrorOf(const std::exception& e);

// Returns the exception being handled, for a message. REQUIRES: an exception is being handled.
ErrorInfo CaptureCurrentException();

// Throws the exception of a message as its own type, or as RemoteError.
[[noreturn]] void Rethrow(ErrorInfo info);

// Returns the exception being handled as a status. REQUIRES: an exception is being handled.
//
//   exception                                    absl::StatusCode
//   CallError                                    its status_code()
//   absl::BadStatusOrAccess                      its status
//   StopRequested                                kCancelled
//   a registered type with a kStatusCode         that, as for those of manager/errors.h
//   std::out_of_range                            kOutOfRange
//   std::invalid_argument                        kInvalidArgument
//   std::logic_error, and its other subclasses   kFailedPrecondition
//   std::bad_alloc                               kResourceExhausted
//   std::system_error                            the code for its errno
//   any other                                    kUnknown, with the name of the type
absl::Status CurrentExceptionToStatus();

namespace except_internal {

// Returns what(), or "" if that is null.
inline const char* WhatOf(const std::exception& e) {
  const char* const what = e.what();
  return what == nullptr ? "" : what;
}

class RemoteErrorCarrier : public transport_internal::ThrownByObject {
 public:
  explicit RemoteErrorCarrier(ErrorInfo info) : error_(std::move(info)) {}
  const RemoteError& error() const { return error_; }

 private:
  RemoteError error_;
};

// An E of another process, with its origin.
template <typename E>
class Rethrown final : public E, public RemoteErrorCarrier {
 public:
  Rethrown(E error, ErrorInfo info) : E(std::move(error)), RemoteErrorCarrier(std::move(info)) {}
  const char* what() const noexcept override { return error().message().c_str(); }
};

// Serializes and reconstructs exceptions of one type.
struct ErrorType {
  // Returns the fields, packed; empty if there are none.
  std::string (*fields)(const std::exception&);
  // Throws the reconstructed exception.
  void (*rethrow)(ErrorInfo);
  absl::StatusCode status_code = absl::StatusCode::kUnknown;
};

bool Register(const std::type_info& type, ErrorType how);

template <typename E>
std::string FieldsOf(const std::exception& e) {
  if constexpr (Described<E>) {
    return Pack(dynamic_cast<const E&>(e));
  } else {
    return {};
  }
}

template <typename E>
void RethrowAs(ErrorInfo info) {
  static_assert(std::is_base_of_v<std::exception, E> && !std::is_final_v<E>,
                "remoteobj: a registered error derives from std::exception and is not final");
  if constexpr (Described<E>) {
    E error = Unpack<E>(info.fields);
    throw Rethrown<E>(std::move(error), std::move(info));
  } else if constexpr (std::is_constructible_v<E, const std::string&>) {
    E error(info.message);
    throw Rethrown<E>(std::move(error), std::move(info));
  } else {
    static_assert(std::is_default_constructible_v<E>,
                  "remoteobj: a registered error is described (REMOTEOBJ_DESCRIBE), or can be made "
                  "from a string, or from nothing");
    throw Rethrown<E>(E(), std::move(info));
  }
}

template <typename E>
bool RegisterType() {
  if constexpr (requires { E::kStatusCode; }) {
    return Register(typeid(E), {&FieldsOf<E>, &RethrowAs<E>, E::kStatusCode});
  } else {
    return Register(typeid(E), {&FieldsOf<E>, &RethrowAs<E>});
  }
}

}  // namespace except_internal

#define REMOTEOBJ_REGISTER_ERROR(...)                                             \
  [[maybe_unused]] static const bool REMOTEOBJ_REGISTER_ERROR_NAME(__COUNTER__) = \
      ::remoteobj::except_internal::RegisterType<__VA_ARGS__>();
#define REMOTEOBJ_REGISTER_ERROR_NAME(number) REMOTEOBJ_REGISTER_ERROR_NAME_(number)
#define REMOTEOBJ_REGISTER_ERROR_NAME_(number) remoteobj_registered_error_##number

}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_REMOTE_ERROR_H_
