// SPDX-License-Identifier: MIT
//
// Access to the log and the options of an Except, for other modules.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_ACCESS_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_ACCESS_H_

#include <memory>
#include <string_view>
#include <utility>

#include "remoteobj/except/except.h"
#include "remoteobj/except/internal/records.h"

namespace remoteobj {

struct ExceptAccess {
  // Returns an Except whose errors are in `log`, beside other records.
  static Except Make(const ExceptOptions& options, std::shared_ptr<SharedLog> log) {
    return Except(options, std::move(log));
  }

  static SharedLog& Log(const Except& errors) { return *errors.log_; }

  static except_internal::Settings Defaults(const Except& errors) { return errors.defaults_; }

  static void Record(const Except& errors, ErrorInfo info, std::string_view group) {
    info.group = group;
    errors.store().Record(std::move(info), nullptr);
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_ACCESS_H_
