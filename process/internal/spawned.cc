// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/spawned.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "remoteobj/except/internal/access.h"
#include "remoteobj/process/internal/close_all_but.h"
#include "remoteobj/process/internal/fork_server.h"
#include "remoteobj/process/internal/process_task.h"
#include "remoteobj/process/internal/signals.h"
#include "remoteobj/process/spawn.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/wire/packed.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

namespace {

// The memory, and the options without the types, which are code.
using SentExcept = std::tuple<std::uint64_t, bool, bool, bool, bool>;

}  // namespace

void Codec<Except>::Encode(const Except& errors, ValueWriter out) {
  const except_internal::Settings settings = ExceptAccess::Defaults(errors);
  if (settings.matches != nullptr) {
    throw BadValue(
        "an Except that records some types only can't be sent: give the types where it is "
        "used");
  }
  Codec<SentExcept>::Encode(
      {out.attachments().SendDescriptor(ExceptAccess::Log(errors).memory_fd()), settings.raises,
       settings.catch_once, settings.log, settings.log_traceback},
      out);
}

Except Codec<Except>::Decode(const ValueReader& in) {
  const auto [memory, raises, catch_once, log, log_traceback] = Codec<SentExcept>::Decode(in);
  return ExceptAccess::Make(
      {.raises = raises, .catch_once = catch_once, .log = log, .log_traceback = log_traceback},
      std::make_shared<SharedLog>(in.attachments().TakeDescriptor(memory), -1));
}

namespace process_internal {
namespace {

std::atomic<bool> initialized{false};

struct FunctionsMutex;
struct Functions {
  std::map<std::string, SpawnedCall, std::less<>> calls;
  std::map<const void*, std::string> names;

  static Functions& Get() {
    return transport_internal::MadeOnce([] { return new Functions; });
  }
};

// The job description, without the descriptors.
struct Description {
  // Memory, processor time in seconds (a double, since it may be infinite), files, size of files.
  using Limits = std::tuple<std::uint64_t, double, std::uint64_t, std::uint64_t>;
  using Fields = std::tuple<std::string, std::string, std::string, bool, std::uint64_t, Output,
                            transport_internal::Identity, bool, Limits, Sandbox>;

  std::string name = {};
  std::string function = {};   // Its registered name.
  std::string arguments = {};  // Packed.
  bool daemon = true;
  std::uint64_t max_backlog = 0;
  Output output = Output::kInherit;
  transport_internal::Identity owner = 0;
  bool shares_errors = false;  // The last descriptor is that of an Except.
  Limits limits = {};
  Sandbox sandbox = Sandbox::kNone;

  std::string ToBytes() const {
    return Pack(Fields(name, function, arguments, daemon, max_backlog, output, owner, shares_errors,
                       limits, sandbox));
  }
  static Description FromBytes(std::string_view bytes) {
    return std::apply(
        [](auto&&... fields) { return Description{std::forward<decltype(fields)>(fields)...}; },
        Unpack<Fields>(bytes));
  }
};

std::string ReadWhole(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) throw std::system_error(errno, std::generic_category(), "fstat");
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n <= 0) throw std::system_error(errno, std::generic_category(), "read");
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

// Returns the descriptors that a variable names, and unsets it; empty if there is no such variable.
std::vector<int> TakeVariable(const char* variable) {
  std::vector<int> descriptors;
  // Not of a program that gains privileges by being executed: its caller would choose the function.
  const char* const text = secure_getenv(variable);
  if (text == nullptr) return descriptors;
  for (const auto part : absl::StrSplit(text, ',')) {
    int fd = -1;
    if (!absl::SimpleAtoi(part, &fd)) return {};
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    descriptors.push_back(fd);
  }
  unsetenv(variable);
  return descriptors;
}

}  // namespace

bool Register(const void* function, std::string_view name, SpawnedCall call) {
  Functions& functions = Functions::Get();
  const std::scoped_lock lock(transport_internal::ForkSafeMutex<FunctionsMutex>());
  const auto [at, fresh] = functions.calls.emplace(std::string(name), call);
  if (!fresh && at->second != call) {
    std::fprintf(stderr,
                 "remoteobj: two functions are registered to be spawned under one name:\n%s\n",
                 std::string(name).c_str());
    std::abort();
  }
  functions.names.emplace(function, name);
  return true;
}

Dispatch::Dispatch(const ProcessOptions& options, const std::string& name, const void* function,
                   std::string arguments, const std::vector<int>& descriptors, const SharedLog& log,
                   int lifeline) {
  if (!initialized.load(std::memory_order_relaxed)) {
    throw std::logic_error(
        absl::StrCat("process ", name,
                     " can't be spawned: call remoteobj::Init(&argc, &argv) first in main(); "
                     "otherwise main() would run in it instead of its function"));
  }
  Description description{
      .name = name,
      .arguments = std::move(arguments),
      .daemon = options.daemon,
      .max_backlog = options.max_backlog,
      .output = options.output,
      .owner = transport_internal::Self(),
      .shares_errors = options.errors.has_value(),
      .limits = {options.limits.memory, absl::ToDoubleSeconds(options.limits.cpu),
                 options.limits.files, options.limits.file_size},
      .sandbox = options.sandbox};
  {
    Functions& functions = Functions::Get();
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<FunctionsMutex>());
    const auto at = functions.names.find(function);
    if (at == functions.names.end()) {
      throw std::logic_error(
          absl::StrCat("process ", name,
                       " can't be spawned: its function is not registered; write "
                       "REMOTEOBJ_REGISTER_FUNCTION after it"));
    }
    description.function = at->second;
  }
  memory_ = transport_internal::NewMemoryFile("remoteobj-start");
  descriptors_ = {memory_.get(), log.memory_fd(), log.wake_fd()};
  if (lifeline >= 0) descriptors_.push_back(lifeline);
  descriptors_.insert(descriptors_.end(), descriptors.begin(), descriptors.end());
  if (options.errors) descriptors_.push_back(ExceptAccess::Log(*options.errors).memory_fd());
  const std::string bytes = description.ToBytes();
  transport_internal::ResizeMemoryFile(memory_.get(), static_cast<off_t>(bytes.size()),
                                       "the arguments of a process");
  for (std::string_view rest = bytes; !rest.empty();) {
    const ssize_t n = write(memory_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      throw std::system_error(errno, std::generic_category(), "remoteobj: write of arguments");
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

void RunDispatched(const std::vector<int>& descriptors) {
  if (descriptors.size() < 3) _exit(EXIT_FAILURE);
  CloseAllBut(descriptors);
  // Both live as long as the process.
  auto& log = *new SharedLog(descriptors[1], descriptors[2]);
  const Description description = Description::FromBytes(ReadWhole(descriptors[0]));
  ProcessOptions options;
  options.daemon = description.daemon;
  options.max_backlog = description.max_backlog;
  options.output = description.output;
  double cpu;
  std::tie(options.limits.memory, cpu, options.limits.files, options.limits.file_size) =
      description.limits;
  options.limits.cpu = absl::Seconds(cpu);
  options.sandbox = description.sandbox;
  close(descriptors[0]);
  const std::size_t taken = options.daemon ? 4 : 3;
  if (descriptors.size() < taken) _exit(EXIT_FAILURE);
  ProcessAttachments attachments(
      {descriptors.begin() + static_cast<std::ptrdiff_t>(taken), descriptors.end()});
  std::optional<Except> errors;
  if (description.shares_errors) {
    const int fd = attachments.TakeDescriptor(descriptors.size() - taken - 1);
    errors = ExceptAccess::Make({}, std::make_shared<SharedLog>(fd, -1));
  }
  RunAsProcess(log, options, description.name, options.daemon ? descriptors[3] : -1,
               description.owner, errors ? &*errors : nullptr, [&](Body& body) {
                 SpawnedCall call = nullptr;
                 {
                   Functions& functions = Functions::Get();
                   const std::scoped_lock lock(transport_internal::ForkSafeMutex<FunctionsMutex>());
                   const auto at = functions.calls.find(description.function);
                   if (at != functions.calls.end()) call = at->second;
                 }
                 if (call == nullptr) {
                   throw std::logic_error(
                       absl::StrCat("the spawned program has no function ", description.function));
                 }
                 call(body, description.arguments, attachments);
               });
}

pid_t SpawnThisProgram(const char* variable, const std::vector<int>& descriptors, int out,
                       int err) {
  // The new process would ignore the variable (TakeVariable), and run main().
  if (getauxval(AT_SECURE) != 0 || getuid() != geteuid() || getgid() != getegid()) {
    throw std::system_error(EPERM, std::generic_category(),
                            "remoteobj: a program that gains privileges by being executed "
                            "(set-user-ID, capabilities), or whose effective user is not its real "
                            "one, can't be spawned; use Start::kFork");
  }
  std::vector<char*> environment;
  const std::string prefix = absl::StrCat(variable, "=");
  // environ is null after clearenv().
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    if (std::string_view(*each).substr(0, prefix.size()) != prefix) environment.push_back(*each);
  }
  std::string assignment = prefix + absl::StrJoin(descriptors, ",");
  environment.push_back(assignment.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Duplicating a descriptor onto itself keeps it open in the new image.
  for (const int fd : descriptors) posix_spawn_file_actions_adddup2(&actions, fd, fd);
  if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  if (err >= 0) posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const sigset_t ignored = IgnoredSinceStart();
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  char* const arguments[] = {program_invocation_name, nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(),
                            "remoteobj: posix_spawn of this program");
  }
  return pid;
}

}  // namespace process_internal

void Init(int* /*argc*/, char*** /*argv*/) {
  using process_internal::TakeVariable;
  process_internal::initialized.store(true, std::memory_order_relaxed);
  if (const auto descriptors = TakeVariable(process_internal::kDispatchVariable);
      !descriptors.empty()) {
    process_internal::RunDispatched(descriptors);
  }
  if (const auto descriptors = TakeVariable(process_internal::kForkServerVariable);
      !descriptors.empty()) {
    if (descriptors.size() < 2) _exit(EXIT_FAILURE);
    process_internal::CloseAllBut(descriptors);
    process_internal::RunForkServer(descriptors[0], descriptors[1]);
  }
}

}  // namespace remoteobj
