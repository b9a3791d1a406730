// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/batch.h"

#include <algorithm>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace proxy_internal {

BatchedCalls::BatchedCalls(Size expected) {
  chains_.reserve(expected.chains);
  operations_.reserve(expected.operations);
}

BatchedCalls::~BatchedCalls() {
  for (const Chain& chain : chains_) chain.result->~AnyResult();
}

void BatchedCalls::BeginChain(Session& session, absl::Duration timeout, const View& prefix) {
  if (sessions_.empty() || sessions_.back().get() != &session) {
    if (!sessions_.empty() &&
        (session.referent() == nullptr || sessions_[0]->referent() == nullptr)) {
      throw std::invalid_argument(
          "a batch has operations on one object, or on objects of one manager: send it before "
          "another's");
    }
    sessions_.push_back(session.shared_from_this());
  }
  timeout_ = std::min(timeout_, timeout);
  // An earlier chain whose Add() threw may have left operations behind.
  const std::size_t begin = BeginOf(chains_.size());
  if (operations_.size() != begin)
    operations_.erase(operations_.begin() + static_cast<std::ptrdiff_t>(begin), operations_.end());
  for (std::size_t i = 0; i < prefix.size(); ++i) operations_.push_back(prefix[i]);
}

// The chain after the operation at `at` begins at the session's object.
void BatchedCalls::WriteObject(const OperationsWriter& out, std::size_t at,
                               const Session& session) const {
  if (session.referent() == sessions_[0]->referent()) return;
  Codec<Reference>::Encode({session.referent()}, out.Arguments(at, 1)[0]);
}

void BatchedCalls::Send(absl::Duration timeout) {
  if (chains_.empty()) return BeginWithNothing();
  const auto write = [this](const OperationsWriter& out) {
    const bool several = sessions_.size() > 1;
    std::size_t at = 0;
    const Operation* operation = operations_.data();
    for (const Chain& chain : chains_) {
      if (&chain != &chains_.front()) {
        out.Set(at, OperationKind::kNext, {}, 0);
        if (several) WriteObject(out, at, *chain.session);
        ++at;
      }
      for (const Operation* const end = operations_.data() + chain.end; operation != end;
           ++operation) {
        WriteOperation(out, at++, operation->step(), operation->operands.get());
      }
    }
  };
  const auto print = [this] { return PrintCall(); };
  const std::size_t size = chains_.back().end + chains_.size() - 1;
  Begin(sessions_[0], CallSpec{size, write, print, std::min(timeout, timeout_)});
}

void BatchedCalls::ReadChain(std::size_t i, const OutcomeReader& outcome) {
  AnyResult& result = *chains_[i].result;
  result.Receive(outcome, [&] { return PrintChain(i); });
  if (all_.error() == nullptr) all_.Fail(result.error());
}

void BatchedCalls::Receive(const OutcomeReader& outcome) {
  try {
    if (chains_.size() == 1) return ReadChain(0, outcome);
    ThrowIfError(outcome);
    if (outcome.kind() != OutcomeKind::kMany) {
      throw BadValue("the listener answered a batch with one outcome instead of one per operation");
    }
    outcome.Each(chains_.size(),
                 [this](std::size_t i, const OutcomeReader& one) { ReadChain(i, one); });
  } catch (...) {
    Fail();
  }
}

void BatchedCalls::Fail() {
  all_.Fail(CurrentExceptionNaming([this] { return Print(); }));
  for (const Chain& chain : chains_) chain.result->Fail(all_.error());
}

View BatchedCalls::ViewOf(std::size_t i) const {
  View view;
  for (std::size_t at = BeginOf(i); at < chains_[i].end; ++at) {
    view = std::move(view).Extend(operations_[at]);
  }
  return view;
}

std::string BatchedCalls::PrintChain(std::size_t i) const {
  return chains_[i].session->Named(ViewOf(i).ToString());
}

std::string BatchedCalls::PrintCall() const {
  return chains_.size() == 1 ? ViewOf(0).ToString()
                             : absl::StrCat("a batch of ", chains_.size(), " operations");
}

}  // namespace proxy_internal

Future<void> Batch::Send(absl::Duration timeout) {
  if (calls_ == nullptr) calls_ = std::make_shared<proxy_internal::BatchedCalls>(expected_);
  calls_->Send(timeout);
  expected_ = calls_->size();
  const auto calls = std::exchange(calls_, nullptr);
  return Future<void>(calls, &calls->all());
}

}  // namespace remoteobj
