// SPDX-License-Identifier: MIT
#include "remoteobj/process/process_died.h"

#include <signal.h>
#include <string.h>

#include <exception>
#include <tuple>
#include <typeinfo>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {
namespace {

std::string TextOf(const std::string& name, const ProcessDied::End& end,
                   const ProcessDied::Traces& traces) {
  std::string text = absl::StrCat("process ", name, " (pid ", end.pid, ") ");
  if (end.signal) {
    absl::StrAppend(&text, "was ended by signal ", *end.signal, " (", strsignal(*end.signal), ")");
  } else if (end.exit_code) {
    absl::StrAppend(&text, "ended with exit code ", *end.exit_code,
                    *end.exit_code == 0 ? ", but its function had not returned" : "");
  } else {
    absl::StrAppend(&text, "has ended, and something else has taken its exit code");
  }
  if (!traces.doing.empty()) absl::StrAppend(&text, ", ", traces.doing);
  if (!traces.limit.empty()) absl::StrAppend(&text, ", by ", traces.limit);
  if (!traces.last_words.empty()) absl::StrAppend(&text, ": ", traces.last_words);
  if (!traces.stack.empty()) {
    absl::StrAppend(&text, "\nStack (innermost frame last):\n  ",
                    absl::StrJoin(traces.stack, "\n  "));
  }
  if (!traces.error_output.empty()) {
    absl::StrAppend(&text, "\nThe end of its stderr:\n", traces.error_output);
  }
  return text;
}

std::string FieldsOf(const std::exception& e) {
  const auto& died = dynamic_cast<const ProcessDied&>(e);
  return Pack(std::tuple(died.name(), died.pid(), died.exit_code(), died.signal(), died.doing(),
                         died.last_words(), died.stack(), died.error_output(), died.limit()));
}

[[noreturn]] void RethrowProcessDied(ErrorInfo info) {
  using Fields = std::tuple<std::string, pid_t, std::optional<int>, std::optional<int>, std::string,
                            std::string, std::vector<std::string>, std::string, std::string>;
  auto [name, pid, exit_code, signal, doing, last_words, stack, error_output, limit] =
      Unpack<Fields>(info.fields);
  ProcessDied error(name, {pid, exit_code, signal},
                    {doing, last_words, stack, error_output, limit});
  throw except_internal::Rethrown<ProcessDied>(std::move(error), std::move(info));
}

[[maybe_unused]] const bool registered =
    except_internal::Register(typeid(ProcessDied), {&FieldsOf, &RethrowProcessDied});

}  // namespace

ProcessDied::ProcessDied(const std::string& name, End end, Traces traces)
    : CallErrorOf(TextOf(name, end, traces)),
      end_(end),
      name_(std::make_shared<const std::string>(name)),
      traces_(std::make_shared<const Traces>(std::move(traces))) {}

}  // namespace remoteobj
