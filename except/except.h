// SPDX-License-Identifier: MIT
//
// Gathers errors by group, from any number of processes.
//
//   remoteobj::Except exc;                        // shared with processes forked after this line
//   if (fork() == 0) {
//     exc("init", [&] { DoInit(); });             // records what it throws, and lets it propagate
//     exc("work", {.raises = false}, [&] { DoWork(); });         // records, and that is all
//     _exit(0);
//   }
//   …
//   exc.RaiseAny("work");                         // throws the last of that group, if there is one
//   for (const remoteobj::RemoteError& e : exc) std::cout << e << "\n";
//
// A call of an Except runs the function in a context. It returns nothing for a void function, else
// a std::optional of the function's result, empty if an exception was swallowed. A reference is
// copied.
//
// Contexts nest. By default an exception is recorded once, by the innermost context whose types it
// matches, independent of the Except and the group of each context, and also if it was caught and
// rethrown between them. A context with {.catch_once = false} always records it and lets it
// propagate, and outer contexts may record it as well.
//
// LocalExcept does the same within one process; it rethrows the original exception.
//
// Threads:  thread-safe. Contexts run the function on the thread that calls them, and hold no lock.
// Lifetime: a handle: copies record into the same place, which lives as long as one of them, in any
//           process. A record survives the process as soon as the context has made it. Each thread
//           keeps recorded exceptions alive until its outermost context exits; one that propagates
//           out of it is kept until the next exit.
// Errors:   an exception that can't be recorded (no memory) propagates, and is reported on stderr.
// Not here: unwinding that is no C++ exception passes through: the cancellation of a thread
//           (pthread_cancel), exceptions of other languages. Processes that die without throwing
//           (process/).
#ifndef REMOTEOBJ_EXCEPT_EXCEPT_H_
#define REMOTEOBJ_EXCEPT_EXCEPT_H_

#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "remoteobj/except/internal/context.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/type_name.h"

namespace remoteobj {

// The group of contexts that name none.
inline constexpr std::string_view kDefaultGroup = "";

// The exceptions that a context records and, with raises = false, swallows. Others pass through.
struct TypeFilter {
  except_internal::Matches matches = nullptr;
  std::string (*names)() = nullptr;
};

// Exceptions of these types, and of types derived from them.
template <typename... E>
TypeFilter Types() {
  static_assert(sizeof...(E) > 0, "remoteobj: name at least one type");
  return {.matches = +[] { return (except_internal::CurrentIsA<E>() || ...); },
          .names =
              +[] {
                std::string names;
                ((names += (names.empty() ? "" : ", ") + TypeName<E>()), ...);
                return names;
              }};
}

// Overrides of the defaults. The options of a context take precedence over those of its Except.
struct ExceptOptions {
  // Lets a recorded exception propagate. Default: true.
  std::optional<bool> raises = {};
  // Records an exception in one of several nested contexts only. Default: true.
  std::optional<bool> catch_once = {};
  // Also logs what is recorded, by glog as ERROR. Not in a forked child, which may find glog's lock
  // taken for good. Default: false.
  std::optional<bool> log = {};
  // Logs it with its traceback. Default: false.
  std::optional<bool> log_traceback = {};
  // Default: all types.
  std::optional<TypeFilter> types = {};
};

template <typename F>
class Wrapped;

// The common interface of Except and LocalExcept.
class ErrorGatherer {
 public:
  // Runs `f` in a context, and returns its result as described above.
  template <std::invocable F>
  auto operator()(std::string_view group, const ExceptOptions& options, F&& f) const {
    return except_internal::Run(*store_, group, With(options), std::forward<F>(f));
  }
  template <std::invocable F>
  auto operator()(const ExceptOptions& options, F&& f) const {
    return (*this)(kDefaultGroup, options, std::forward<F>(f));
  }
  template <std::invocable F>
  auto operator()(std::string_view group, F&& f) const {
    return (*this)(group, ExceptOptions(), std::forward<F>(f));
  }
  template <std::invocable F>
  auto operator()(F&& f) const {
    return (*this)(kDefaultGroup, ExceptOptions(), std::forward<F>(f));
  }

  // Returns a callable that runs `f` in the default group with raises = false, and keeps its
  // results. See wrapped.h.
  template <typename F>
  Wrapped<std::decay_t<F>> Wrap(F&& f) const {
    return Wrapped<std::decay_t<F>>(*this, std::forward<F>(f));
  }

  // SetResult() keeps a value beside the errors, PopResult() removes and returns the last one, in
  // any process. Wrap() keeps all results of a function.
  template <typename T>
  void SetResult(const T& value) const;
  template <typename T>
  std::optional<T> PopResult() const;

  // Throws the last error, or the last one of a group, as its own type. Does nothing if there is
  // none.
  void RaiseAny() const;
  void RaiseAny(std::string_view group) const;

  // All errors, or those of a group, oldest first.
  std::vector<RemoteError> All() const;
  std::vector<RemoteError> Group(std::string_view group) const;
  std::optional<RemoteError> First() const;
  std::optional<RemoteError> First(std::string_view group) const;
  std::optional<RemoteError> Last() const;
  std::optional<RemoteError> Last(std::string_view group) const;
  std::size_t size() const;
  bool empty() const { return size() == 0; }

  // Forgets errors and results, in all processes. Records made at the same time may be kept or not.
  void Clear() const;

  // Writes all errors to glog, as ERROR; with tracebacks if `log_traceback` of the options is set,
  // or as the argument says.
  void Log() const;
  void Log(bool with_traceback) const;

  // Iterates over the errors that exist when begin() is called.
  class iterator;
  iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

  friend std::ostream& operator<<(std::ostream& out, const ErrorGatherer& errors);

 protected:
  ErrorGatherer(const char* name, const ExceptOptions& options,
                std::shared_ptr<except_internal::ErrorStore> store);
  ~ErrorGatherer() = default;
  ErrorGatherer(const ErrorGatherer&) = default;
  ErrorGatherer& operator=(const ErrorGatherer&) = default;

  except_internal::ErrorStore& store() const { return *store_; }

 private:
  template <typename F>
  friend class Wrapped;
  friend struct ExceptAccess;

  except_internal::Settings With(const ExceptOptions& options) const;

  const char* name_;
  except_internal::Settings defaults_;
  std::string (*type_names_)() = nullptr;
  std::shared_ptr<except_internal::ErrorStore> store_;
};

class ErrorGatherer::iterator {
 public:
  using iterator_concept = std::forward_iterator_tag;
  using difference_type = std::ptrdiff_t;
  using value_type = RemoteError;

  iterator() = default;
  const RemoteError& operator*() const { return (*errors_)[at_]; }
  const RemoteError* operator->() const { return &**this; }
  iterator& operator++() {
    ++at_;
    return *this;
  }
  iterator operator++(int) {
    iterator before = *this;
    ++at_;
    return before;
  }
  friend bool operator==(const iterator&, const iterator&) = default;
  friend bool operator==(const iterator& it, std::default_sentinel_t) {
    return it.at_ == it.errors_->size();
  }

 private:
  friend ErrorGatherer;
  explicit iterator(std::vector<RemoteError> errors)
      : errors_(std::make_shared<const std::vector<RemoteError>>(std::move(errors))) {}

  std::shared_ptr<const std::vector<RemoteError>> errors_;
  std::size_t at_ = 0;
};

// Errors of this process.
class LocalExcept : public ErrorGatherer {
 public:
  explicit LocalExcept(const ExceptOptions& options = {});
};

// Errors of this process and of all its descendants that are forked after it was made.
class Except : public ErrorGatherer {
 public:
  explicit Except(const ExceptOptions& options = {});

 private:
  friend struct ExceptAccess;
  Except(const ExceptOptions& options, std::shared_ptr<SharedLog> log);

  std::shared_ptr<SharedLog> log_;
};

// An Except that records these types only, unless a context names others:
//
//   remoteobj::ExceptFor<std::invalid_argument, std::out_of_range> picky;
template <typename Base, typename... E>
class Picky : public Base {
 public:
  explicit Picky(ExceptOptions options = {}) : Base(Filtered(std::move(options))) {}

 private:
  static ExceptOptions Filtered(ExceptOptions options) {
    options.types = Types<E...>();
    return options;
  }
};

template <typename... E>
using ExceptFor = Picky<Except, E...>;
template <typename... E>
using LocalExceptFor = Picky<LocalExcept, E...>;

}  // namespace remoteobj

#include "remoteobj/except/wrapped.h"  // IWYU pragma: export

#endif  // REMOTEOBJ_EXCEPT_EXCEPT_H_
