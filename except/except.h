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
// Running a function so is called a context. It gives back what the function returns: nothing for a
// void function, else an optional, empty if an exception was swallowed. A reference is copied.
//
// Contexts nest. By default an exception is recorded once, by the innermost context whose types it
// matches, whatever Except and group the others have, and also if it was caught and thrown on
// between them. A context with {.catch_once = false} records it in any case, leaves it to others to
// record it as well, and lets it propagate.
//
// LocalExcept is the same within one process; what it throws again is the original exception.
//
// Threads:  thread-safe. Contexts run the function on the thread that calls them, and hold no lock.
// Lifetime: handles: copies record into the same place, which lives as long as one of them, in any
//           process. A record is safe as soon as the context has it, whatever becomes of the
//           process. An exception that was recorded may live until its thread's outermost context
//           has ended; the last one that left that, until the next such end.
// Errors:   an exception that can't be recorded (no memory) propagates, and a line on stderr says
//           so.
// Not here: what is no C++ exception passes through: the unwinding of a thread that is cancelled
//           (pthread_cancel), exceptions of other languages. Processes that die without throwing.
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

// Errors of contexts that name no group.
inline constexpr std::string_view kDefaultGroup = "";

// Which exceptions a context records and, with raises = false, swallows. Others pass through.
struct TypeFilter {
  except_internal::Matches matches = nullptr;
  std::string (*names)() = nullptr;
};

// Those of the named types, and of types derived from them.
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

// What an object or a context does otherwise than by default. A context's come before its object's.
struct ExceptOptions {
  std::optional<bool> raises = {};         // True: records, then lets the exception propagate.
  std::optional<bool> catch_once = {};     // True: of nested contexts only one records.
  std::optional<bool> log = {};            // False. True: what is recorded goes to glog, as ERROR;
                                           // its lock may be held for good in a forked child.
  std::optional<bool> log_traceback = {};  // False. True: with its traceback.
  std::optional<TypeFilter> types = {};    // All types.
};

template <typename F>
class Wrapped;

// What Except and LocalExcept have in common.
class ErrorGatherer {
 public:
  // Runs `f` in a context, and gives what it returns.
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

  // `f`, run in the default group with raises = false, whose results are kept. See wrapped.h.
  template <typename F>
  Wrapped<std::decay_t<F>> Wrap(F&& f) const {
    return Wrapped<std::decay_t<F>>(*this, std::forward<F>(f));
  }

  // Keeps a value beside the errors, for another process: it takes the last one that was kept,
  // once. Functions whose results are all kept: Wrap().
  template <typename T>
  void SetResult(const T& value) const;
  template <typename T>
  std::optional<T> PopResult() const;

  // Throws the last error, or the last one of a group, as its own type. Does nothing if there is
  // none.
  void RaiseAny() const;
  void RaiseAny(std::string_view group) const;

  // In the order in which they happened.
  std::vector<RemoteError> All() const;
  std::vector<RemoteError> Group(std::string_view group) const;
  std::optional<RemoteError> First() const;
  std::optional<RemoteError> First(std::string_view group) const;
  std::optional<RemoteError> Last() const;
  std::optional<RemoteError> Last(std::string_view group) const;
  std::size_t size() const;
  bool empty() const { return size() == 0; }

  // Forgets errors and results, in all processes. What is recorded meanwhile may be kept or not.
  void Clear() const;

  // Writes all errors to glog, as ERROR. By default with tracebacks if the options say so.
  void Log() const;
  void Log(bool with_traceback) const;

  // Over what there is when begin() is called.
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

// Of this process.
class LocalExcept : public ErrorGatherer {
 public:
  explicit LocalExcept(const ExceptOptions& options = {});
};

// Of this process and of all that are forked, and forked from those, after it was made.
class Except : public ErrorGatherer {
 public:
  explicit Except(const ExceptOptions& options = {});

 private:
  friend struct ExceptAccess;
  Except(const ExceptOptions& options, std::shared_ptr<SharedLog> log);

  std::shared_ptr<SharedLog> log_;
};

// Those which record these types only, unless a context names others:
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
