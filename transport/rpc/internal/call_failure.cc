// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/call_failure.h"

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/no_memory.h"

namespace remoteobj::transport_internal {
namespace {

std::exception_ptr NoMemoryError(const std::string& address, const std::string& what) {
  return std::make_exception_ptr(NoMemory(absl::StrCat(
      "the server at ", address, " has no memory for the call or for its result: ", what)));
}

std::exception_ptr BadCallError(const std::string& what) {
  return std::make_exception_ptr(BadValue(absl::StrCat("the server refused the call: ", what)));
}

}  // namespace

std::exception_ptr ErrorOf(const kj::Exception& e, const std::string& address) {
  const std::string what = e.getDescription().cStr();
  switch (e.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      return nullptr;
    case kj::Exception::Type::OVERLOADED:
      return NoMemoryError(address, what);
    case kj::Exception::Type::FAILED:
    case kj::Exception::Type::UNIMPLEMENTED:
      break;
  }
  return BadCallError(what);
}

std::exception_ptr ErrorOf(const schema::Failure::Reader& failure, const std::string& address) {
  const std::string text = failure.getText().cStr();
  switch (failure.getKind()) {
    case schema::Failure::Kind::STALE:
      return std::make_exception_ptr(StaleReference(text));
    case schema::Failure::Kind::REFUSED:
      return std::make_exception_ptr(NotListening(
          "the listener closed before it evaluated the call (call again when a process listens)"));
    case schema::Failure::Kind::NO_MEMORY:
      return NoMemoryError(address, text);
    case schema::Failure::Kind::NOT_ALLOWED:
      return std::make_exception_ptr(NotAllowed(text, failure.getName().cStr()));
    case schema::Failure::Kind::QUOTA_EXCEEDED:
      return std::make_exception_ptr(
          QuotaExceeded(text, failure.getName().cStr(), failure.getLimit()));
  }
  return BadCallError(text);  // A kind of a later version.
}

}  // namespace remoteobj::transport_internal
