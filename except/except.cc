// SPDX-License-Identifier: MIT
#include "remoteobj/except/except.h"

#include <sys/random.h>

#include <algorithm>
#include <exception>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/internal/context.h"
#include "remoteobj/except/internal/uncancelled.h"
#include "remoteobj/transport/internal/log_line.h"

namespace remoteobj {
namespace except_internal {

std::uint64_t NewWrapId() {
  std::uint64_t id = 0;
  if (getrandom(&id, sizeof id, 0) != sizeof id) {
    std::random_device device;
    id = std::uint64_t{device()} << 32 | device();
  }
  return id;
}

FinishedAtEnd::~FinishedAtEnd() {
  const Uncancelled uncancelled;
  try {
    store_.AppendResult(kFinished, id_, {});
  } catch (const std::exception& e) {
    // Not by glog: a forked child may find its lock taken.
    transport_internal::LogLine(
        transport_internal::LogSeverity::kError,
        absl::StrCat("remoteobj: the end of a generator could not be recorded: ", WhatOf(e)));
  }
}

namespace {

Settings Merged(const Settings& defaults, const ExceptOptions& options) {
  return {.raises = options.raises.value_or(defaults.raises),
          .catch_once = options.catch_once.value_or(defaults.catch_once),
          .log = options.log.value_or(defaults.log),
          .log_traceback = options.log_traceback.value_or(defaults.log_traceback),
          .matches = options.types ? options.types->matches : defaults.matches};
}

// The first or the last element, if there is one.
std::optional<RemoteError> FirstOf(const std::vector<RemoteError>& errors) {
  return errors.empty() ? std::nullopt : std::optional(errors.front());
}
std::optional<RemoteError> LastOf(const std::vector<RemoteError>& errors) {
  return errors.empty() ? std::nullopt : std::optional(errors.back());
}

}  // namespace
}  // namespace except_internal

using except_internal::FirstOf;
using except_internal::LastOf;

ErrorGatherer::ErrorGatherer(const char* name, const ExceptOptions& options,
                             std::shared_ptr<except_internal::ErrorStore> store)
    : name_(name),
      defaults_(except_internal::Merged({}, options)),
      type_names_(options.types ? options.types->names : nullptr),
      store_(std::move(store)) {}

except_internal::Settings ErrorGatherer::With(const ExceptOptions& options) const {
  return except_internal::Merged(defaults_, options);
}

void ErrorGatherer::RaiseAny() const {
  if (const auto last = Last()) store_->Raise(*last);
}

void ErrorGatherer::RaiseAny(std::string_view group) const {
  if (const auto last = Last(group)) store_->Raise(*last);
}

std::vector<RemoteError> ErrorGatherer::All() const { return store_->All(); }

std::vector<RemoteError> ErrorGatherer::Group(std::string_view group) const {
  std::vector<RemoteError> errors = All();
  std::erase_if(errors, [&](const RemoteError& error) { return error.group() != group; });
  return errors;
}

std::optional<RemoteError> ErrorGatherer::First() const { return FirstOf(All()); }
std::optional<RemoteError> ErrorGatherer::First(std::string_view group) const {
  return FirstOf(Group(group));
}
std::optional<RemoteError> ErrorGatherer::Last() const { return LastOf(All()); }
std::optional<RemoteError> ErrorGatherer::Last(std::string_view group) const {
  return LastOf(Group(group));
}

std::size_t ErrorGatherer::size() const { return All().size(); }

void ErrorGatherer::Clear() const { store_->Clear(); }

void ErrorGatherer::Log() const { Log(defaults_.log_traceback); }

void ErrorGatherer::Log(bool with_traceback) const {
  for (const RemoteError& error : All()) except_internal::WriteToGlog(error, with_traceback);
}

ErrorGatherer::iterator ErrorGatherer::begin() const { return iterator(All()); }

std::ostream& operator<<(std::ostream& out, const ErrorGatherer& errors) {
  const std::vector<RemoteError> all = errors.All();
  const auto yes_or_no = [](bool value) { return value ? "true" : "false"; };
  out << "<" << errors.name_ << " raises=" << yes_or_no(errors.defaults_.raises)
      << " catch_once=" << yes_or_no(errors.defaults_.catch_once)
      << " types=" << (errors.type_names_ == nullptr ? "any" : errors.type_names_()) << ">";
  if (all.empty()) return out << ": no errors";
  struct InGroup {
    std::size_t count = 0;
    const RemoteError* last = nullptr;
  };
  std::map<std::string_view, InGroup> groups;
  for (const RemoteError& error : all) {
    InGroup& group = groups[error.group()];
    ++group.count;
    group.last = &error;
  }
  for (const auto& [name, group] : groups) {
    out << "\n  " << (name == kDefaultGroup ? "(default group)" : name) << ": "
        << absl::StrCat(group.count) << ", last " << group.last->type() << ": "
        << group.last->message();
  }
  return out;
}

LocalExcept::LocalExcept(const ExceptOptions& options)
    : ErrorGatherer("LocalExcept", options, except_internal::MakeLocalStore()) {}

Except::Except(const ExceptOptions& options) : Except(options, std::make_shared<SharedLog>()) {}

Except::Except(const ExceptOptions& options, std::shared_ptr<SharedLog> log)
    : ErrorGatherer("Except", options, except_internal::MakeSharedStore(log)),
      log_(std::move(log)) {}

}  // namespace remoteobj
