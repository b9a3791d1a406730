// SPDX-License-Identifier: MIT
//
// Many operations in one message: on one object, or on several built-in objects of one manager.
//
//   remoteobj::Batch batch;
//   batch.Set(remote->on, true);
//   remoteobj::Future<int> count = batch.Call(remote->Inc);
//   remoteobj::Future<int> a = batch.Get(remote->data["a"]);
//   batch.Send().Get();                    // all are evaluated; throws what the first one threw
//   int sum = count.Get() + a.Get();
//
//   batch.Call(dict->erase, "a");          // objects of a manager, several of them if wanted
//   batch.Call(list->push_back, 5);
//   batch.Send().Get();
//
// A call through memory takes half a microsecond, and between machines a hundred, of which most is
// the way there and back. In a batch an operation takes a tenth of a microsecond. The operations
// are evaluated in their order, under the object's lock: nobody else's come between. Each has an
// outcome of its own; one that fails keeps none of the others back.
//
// Send() returns at once, unless the maximum number of calls is in flight; then it blocks until one
// completes. So the next batch can be built and sent while one is evaluated. In the process that
// listens, Send() evaluates the operations itself.
//
// Threads:  a Batch is thread-compatible. Its futures may be got in several threads.
// Lifetime: a batch copies the values that are added. Operations that were not sent when the batch
//           is destroyed are not evaluated.
// Errors:   std::invalid_argument for a view on another object than the first one's, unless both
//           are a manager's. In a batch of two operations or more, WouldWait for one that would
//           have to wait, as a get() on an empty queue: the others go on. A future has what its
//           operation has thrown; what concerns the message (NotListening, ListenerDied,
//           DeadlineExceeded, a BadValue that says it is too large, or that the outcomes are) all
//           have in common. std::logic_error for the future of an operation that was not sent, and
//           in a fork of the process that has sent it. BadValue for more than a million operations.
// Not here: several objects one of which is of a user's type: BadValue. Lambdas: one is a batch in
//           itself (PassTo).
#ifndef REMOTEOBJ_PROXY_BATCH_H_
#define REMOTEOBJ_PROXY_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/internal/pending_results.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/methods.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/proxy/views.h"

namespace remoteobj {

namespace proxy_internal {

// The operations of one message, and their results.
class BatchedCalls final : public PendingResults {
 public:
  struct Size {
    std::size_t chains = 0;
    std::size_t operations = 0;
  };

  explicit BatchedCalls(Size expected);
  ~BatchedCalls() override;

  // Adds a chain: `prefix`, and then the operations.
  template <typename R, typename... O>
  Result<R>* Add(Session& session, absl::Duration timeout, const View& prefix, O&&... operations) {
    BeginChain(session, timeout, prefix);
    (operations_.push_back(std::forward<O>(operations)), ...);
    auto* const result = new (memory_.allocate(sizeof(Result<R>), alignof(Result<R>))) Result<R>;
    chains_.push_back({result, operations_.size(), &session});
    return result;
  }

  void Send(absl::Duration timeout);

  Size size() const { return {chains_.size(), operations_.size()}; }
  // The error of the first operation that failed.
  Result<void>& all() { return all_; }

 private:
  struct Chain {
    AnyResult* result;  // In memory_.
    std::size_t end;    // The end of its operations.
    Session* session;   // In sessions_.
  };

  void BeginChain(Session& session, absl::Duration timeout, const View& prefix);
  void WriteObject(const OperationsWriter& out, std::size_t at, const Session& session) const;
  void ReadChain(std::size_t i, const OutcomeReader& outcome);
  View ViewOf(std::size_t i) const;
  std::string PrintChain(std::size_t i) const;
  std::size_t BeginOf(std::size_t i) const { return i == 0 ? 0 : chains_[i - 1].end; }

  void Receive(const OutcomeReader& outcome) override;
  void Fail() override;
  std::string PrintCall() const override;

  std::vector<std::shared_ptr<Session>> sessions_;  // One per object; the first carries it.
  absl::Duration timeout_ = absl::InfiniteDuration();
  std::vector<Operation> operations_;  // The operations of all chains.
  std::vector<Chain> chains_;
  std::pmr::monotonic_buffer_resource memory_;
  Result<void> all_;
};

}  // namespace proxy_internal

class Batch {
 public:
  Batch() = default;
  Batch(Batch&&) noexcept = default;
  Batch& operator=(Batch&&) noexcept = default;

  // The value of a view: of a member, an item, or a call (remote->Inc.Lazy()).
  template <typename D, typename M>
  Future<M> Get(const proxy_internal::Readable<D, M>& view) {
    const D& self = static_cast<const D&>(view);
    return Add<M>(self, self.prefix(), self.last());
  }

  // Sets a member or an item.
  template <typename D, typename M, typename U = M>
  Future<void> Set(const proxy_internal::Settable<D, M>& view, U&& value) {
    view.template CheckSettable<U>();
    const D& self = static_cast<const D&>(view);
    return Add<void>(self, self.prefix(), view.Setting(std::forward<U>(value)));
  }

  // Makes what can be absent absent: an optional or a pointer, an item.
  template <typename D, typename M>
  Future<void> Delete(const proxy_internal::Settable<D, M>& view) {
    view.CheckDeletable();
    const D& self = static_cast<const D&>(view);
    return Add<void>(self, self.prefix(), view.Deleting());
  }

  // Calls a method. The future of one that returns *this has no value.
  template <typename D, typename C, typename E, typename... A>
  auto Call(const proxy_internal::Callable<D, C, E>& method, A&&... arguments) {
    using Method = proxy_internal::Callable<D, C, E>;
    using Received =
        proxy_internal::ReceivedAs<typename Method::template PartsFor<A...>::Result, C>;
    using R = std::conditional_t<std::is_same_v<Received, Proxy<C>>, void, Received>;
    const D& self = static_cast<const D&>(method);
    return Add<R>(self, self.prefix(), self.last(),
                  Method::CallOperation(std::forward<A>(arguments)...));
  }

  // The number of operations in the batch.
  std::size_t size() const { return calls_ == nullptr ? 0 : calls_->size().chains; }

  // Sends the operations; the batch is empty then, and can be used again. The returned future
  // throws the error of the first operation that failed. Destroying it and all futures of the
  // operations may cancel what has not been evaluated yet. If Send throws, nothing was sent, and
  // the batch is unchanged.
  [[nodiscard]] Future<void> Send(absl::Duration timeout = absl::InfiniteDuration());
  // The same, with a status. Never throws.
  [[nodiscard]] absl::StatusOr<Future<void>> TrySend(
      absl::Duration timeout = absl::InfiniteDuration()) {
    return proxy_internal::Try<Future<void>>([&] { return Send(timeout); });
  }

 private:
  template <typename R, typename D, typename... O>
  Future<R> Add(const D& view, const View& prefix, O&&... operations) {
    if (calls_ == nullptr) {
      calls_ = std::make_shared<proxy_internal::BatchedCalls>(expected_);
    }
    auto* const result =
        calls_->Add<R>(view.session(), view.timeout(), prefix, std::forward<O>(operations)...);
    return Future<R>(calls_, result);
  }

  std::shared_ptr<proxy_internal::BatchedCalls> calls_;  // Null if there are none.
  proxy_internal::BatchedCalls::Size expected_;          // The size of the last batch.
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_BATCH_H_
