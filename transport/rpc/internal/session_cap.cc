// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/session_cap.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "capnp/capability.h"
#include "kj/async.h"
#include "kj/debug.h"
#include "kj/exception.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"
#include "remoteobj/transport/wire/message.capnp.h"

namespace remoteobj::transport_internal {
namespace {

template <typename Context>
void SetFailure(Context& context, schema::Failure::Kind kind, const char* text,
                const char* name = "", std::uint64_t limit = 0) {
  auto failure = context.getResults().initFailure();
  failure.setKind(kind);
  failure.setText(text);
  failure.setName(name);
  failure.setLimit(limit);
}

// Calls `work`. Returns true, or reports in the results of `context` that it failed.
template <typename Context, typename Work>
bool OrFailure(Context& context, Work&& work) {
  try {
    work();
    return true;
  } catch (const StaleReference& e) {
    SetFailure(context, schema::Failure::Kind::STALE, e.what());
  } catch (const std::bad_alloc& e) {
    SetFailure(context, schema::Failure::Kind::NO_MEMORY, e.what());
  } catch (const NotAllowed& e) {
    SetFailure(context, schema::Failure::Kind::NOT_ALLOWED, e.what(), e.policy().c_str());
  } catch (const QuotaExceeded& e) {
    SetFailure(context, schema::Failure::Kind::QUOTA_EXCEEDED, e.what(), e.quota().c_str(),
               e.limit());
  }
  return false;
}

class ReceiptCap final : public schema::Receipt::Server {
 public:
  ReceiptCap(std::shared_ptr<Link> link, std::unique_ptr<RpcAnswer> answer)
      : link_(std::move(link)), answer_(std::move(answer)) {}

  kj::Promise<void> received(ReceivedContext) override {
    if (answer_ != nullptr) answer_->Received();
    answer_.reset();
    return kj::READY_NOW;
  }

 private:
  const std::shared_ptr<Link> link_;
  std::unique_ptr<RpcAnswer> answer_;
};

class ObjectCap final : public schema::Object::Server {
 public:
  ObjectCap(std::shared_ptr<Link> link, std::shared_ptr<Referent> object)
      : link_(std::move(link)), object_(std::move(object)) {}

  kj::Promise<void> call(CallContext context) override {
    if (link_->session == nullptr) KJ_FAIL_REQUIRE("the client has gone");
    auto params = context.getParams();
    auto request = std::make_unique<HeapMessage>();
    CopyTo(*request, params.getRequest());
    SetDeadline(*request, params.getLeft());
    const std::uint64_t number = params.getCall();
    // Otherwise the first of the two calls could not be cancelled, and would outlive the client.
    KJ_REQUIRE(!link_->waiting.contains(number), "a call of this number is not answered yet");
    context.releaseParams();

    auto waiting = std::make_shared<Waiting>();
    const bool begun = OrFailure(context, [&] {
      waiting->answer = link_->session->Begin(object_, std::move(request), DoneFor(waiting));
    });
    link_->after_call();
    if (!begun) return kj::READY_NOW;
    if (waiting->answer->ready()) {
      OrFailure(context, [&] { Reply(link_, *waiting, context); });
      return kj::READY_NOW;
    }
    auto ready = kj::newPromiseAndFulfiller<void>();
    waiting->fulfiller = kj::mv(ready.fulfiller);
    link_->waiting[number] = waiting;
    return ready.promise.then([link = link_, number, waiting, context]() mutable {
      const auto at = link->waiting.find(number);
      if (at != link->waiting.end() && at->second == waiting) link->waiting.erase(at);
      if (waiting->answer == nullptr) KJ_FAIL_REQUIRE("the call was given up");
      OrFailure(context, [&] { Reply(link, *waiting, context); });
    });
  }

 private:
  // The function is called by any thread. It must not destroy the answer there, and so does not own
  // it.
  std::function<void()> DoneFor(const std::shared_ptr<Waiting>& waiting) {
    return [server = &link_->server, weak = std::weak_ptr<Waiting>(waiting)] {
      const auto fulfill = [weak] {
        const std::shared_ptr<Waiting> waiting = weak.lock();
        if (waiting != nullptr && waiting->fulfiller.get() != nullptr) {
          waiting->fulfiller->fulfill();
        }
      };
      if (RpcServer::current() == server) {
        fulfill();
      } else {
        server->Post(fulfill);
      }
    };
  }

  // The request's deadline is by the clock of the sender's machine.
  static void SetDeadline(HeapMessage& request, std::int64_t left) {
    In in = request.Read();
    const StructIn root = Root(in);
    if (root.Get<std::int64_t>(8) == 0) return;  // No deadline, or no room for one.
    const Deadline here = left == 0 ? Deadline::Never() : Deadline::After(absl::Nanoseconds(left));
    request.Set(root.at, 8, here.nanos());
  }

  static void Reply(const std::shared_ptr<Link>& link, Waiting& waiting, CallContext& context) {
    RpcAnswer& answer = *waiting.answer;
    if (answer.refused()) return SetFailure(context, schema::Failure::Kind::REFUSED, "");
    HeapMessage& outcome = answer.outcome();
    const std::size_t bytes = outcome.words().size_bytes();
    link->TakeOutcome(bytes);
    absl::Cleanup not_sent = [&] { link->Return(link->Written(bytes)); };
    const std::vector<std::shared_ptr<Referent>>& references = answer.references();
    auto results = context
                       .getResults(capnp::MessageSize{outcome.used() + 16,
                                                      static_cast<unsigned>(references.size() + 1)})
                       .initAnswer();
    results.setOutcome(OwnMessage(outcome.words()).Root<schema::Outcome>());
    if (!references.empty()) {
      auto list = results.initReferences(static_cast<unsigned>(references.size()));
      for (unsigned i = 0; i < references.size(); ++i) {
        list[i].setId(references[i]->id());
        list[i].setObject(kj::heap<ObjectCap>(link, references[i]));
      }
    }
    answer.Sent();
    if (answer.hands_over()) {
      results.setReceipt(kj::heap<ReceiptCap>(link, std::move(waiting.answer)));
    }
    std::move(not_sent).Cancel();
  }

  const std::shared_ptr<Link> link_;
  const std::shared_ptr<Referent> object_;
};

class SessionCap final : public schema::Session::Server {
 public:
  explicit SessionCap(std::shared_ptr<Link> link) : link_(std::move(link)) {}

  kj::Promise<void> closed(ClosedContext) override {
    KJ_REQUIRE(link_->asked.fulfiller->isWaiting(), "this was asked already");
    link_->asked.fulfiller->fulfill();
    return kj::mv(link_->closed.promise);
  }
  kj::Promise<void> object(ObjectContext context) override {
    if (link_->session == nullptr) KJ_FAIL_REQUIRE("the client has gone");
    OrFailure(context, [&] {
      const std::uint64_t id = context.getParams().getId();
      context.getResults(capnp::MessageSize{8, 1})
          .setObject(kj::heap<ObjectCap>(link_, link_->session->Find(id)));
      link_->kept->Arrived(id);
    });
    return kj::READY_NOW;
  }
  kj::Promise<void> cancel(CancelContext context) override {
    link_->Cancel(context.getParams().getCall());
    return kj::READY_NOW;
  }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> keep(KeepContext context) override {
    if (link_->session == nullptr) KJ_FAIL_REQUIRE("the client has gone");
    OrFailure(context, [&] {
      auto object = link_->session->Find(context.getParams().getId());
      link_->keep(std::move(object), link_->session->ChargeKept());
      context.getResults().setKept();
    });
    return kj::READY_NOW;
  }

 private:
  const std::shared_ptr<Link> link_;
};

}  // namespace

schema::Session::Client MakeSession(std::shared_ptr<Link> link) {
  return kj::heap<SessionCap>(std::move(link));
}

}  // namespace remoteobj::transport_internal
