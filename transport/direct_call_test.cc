// SPDX-License-Identifier: MIT
#include "remoteobj/transport/direct_call.h"

#include <string>

#include "gtest/gtest.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {
namespace {

void WriteName(RequestWriter request) {
  request.Operations(1).Set(0, OperationKind::kGetAttribute, "name", 0);
}

void AnswerName(const RequestReader& request, OutcomeWriter& outcome) {
  Encode(request[0].name(), outcome.Value());
}

TEST(CallDirectlyTest, EvaluatesInTheCallersThread) {
  std::string result;
  CallDirectly(WriteName, AnswerName,
               [&](const OutcomeReader& in) { result = Decode<std::string>(in.Value()); });
  EXPECT_EQ(result, "name");
}

TEST(CallDirectlyTest, BadValueIsAnOutcome) {
  ErrorInfo error;
  CallDirectly(
      WriteName, [](const RequestReader&, OutcomeWriter&) { throw BadValue("no"); },
      [&](const OutcomeReader& in) { error = in.Error(); });
  EXPECT_EQ(error.type, "remoteobj::BadValue");
  EXPECT_EQ(error.message, "no");
}

TEST(StartDirectlyTest, KeepsTheOutcome) {
  const auto call = StartDirectly(WriteName, AnswerName);
  EXPECT_TRUE(call->ready());
  std::string result;
  call->Finish([&](const OutcomeReader& in) { result = Decode<std::string>(in.Value()); },
               Deadline::Passed());
  EXPECT_EQ(result, "name");
}

}  // namespace
}  // namespace remoteobj
