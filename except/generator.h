// SPDX-License-Identifier: MIT
//
// A function that yields values one by one.
//
//   remoteobj::Generator<int> Range(int n) {
//     for (int i = 0; i < n; ++i) co_yield i;
//   }
//   for (int i : Range(4)) std::cout << i;
//
// The function runs to its next co_yield when the next value is requested. It starts to run after
// the call has returned, so it should take its arguments by value. A subset of C++23's
// std::generator.
//
// Threads:  one at a time.
// Lifetime: destroying a generator before its end destroys the function's local variables, as if it
//           had returned at its co_yield.
// Errors:   begin() and operator++ throw what the function throws.
#ifndef REMOTEOBJ_EXCEPT_GENERATOR_H_
#define REMOTEOBJ_EXCEPT_GENERATOR_H_

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <type_traits>
#include <utility>

namespace remoteobj {

template <typename T>
class [[nodiscard]] Generator {
 public:
  using value_type = T;

  class promise_type {
   public:
    Generator get_return_object() {
      return Generator(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { throw; }

    // The yielded value lives in the function until that is resumed.
    auto yield_value(T& value) { return Waiting<T&>(*this, value); }
    auto yield_value(T&& value) { return Waiting<T&>(*this, value); }
    auto yield_value(const T& value)
      requires std::is_copy_constructible_v<T>
    {
      return Waiting<T>(*this, value);
    }

   private:
    friend class Generator;

    // The state of a function suspended at its co_yield, with the value or a copy of it.
    template <typename V>
    struct Waiting : std::suspend_always {
      template <typename From>
      Waiting(promise_type& its_promise, From& from) : promise(its_promise), value(from) {}
      void await_suspend(std::coroutine_handle<promise_type>) noexcept { promise.value_ = &value; }
      void await_resume() {
        if (promise.thrown_) std::rethrow_exception(std::exchange(promise.thrown_, nullptr));
      }
      promise_type& promise;
      V value;
    };

    T* value_ = nullptr;
    std::exception_ptr thrown_;
  };

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = T;

    T& operator*() const { return *handle_.promise().value_; }
    T* operator->() const { return handle_.promise().value_; }
    iterator& operator++() {
      handle_.resume();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) {
      return it.handle_.done();
    }

   private:
    friend class Generator;
    explicit iterator(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
  };

  Generator(Generator&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Generator& operator=(Generator&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Generator() {
    if (handle_) handle_.destroy();
  }

  // Runs the function to its first co_yield. REQUIRES: called once.
  iterator begin() {
    handle_.resume();
    return iterator(handle_);
  }
  std::default_sentinel_t end() const { return {}; }

  // Makes the co_yield at which the function is suspended throw this when it is resumed.
  // REQUIRES: it is suspended at one.
  void Throw(std::exception_ptr error) { handle_.promise().thrown_ = std::move(error); }

 private:
  explicit Generator(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace except_internal {

template <typename T>
inline constexpr bool kIsGenerator = false;
template <typename T>
inline constexpr bool kIsGenerator<Generator<T>> = true;

}  // namespace except_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_GENERATOR_H_
