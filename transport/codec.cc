// SPDX-License-Identifier: MIT
#include "remoteobj/transport/codec.h"

#include <string>

namespace remoteobj {
namespace {

constexpr std::int64_t kTicksPerSecond = 4'000'000'000;
const absl::Duration kTick = absl::Nanoseconds(0.25);

}  // namespace

void Codec<absl::Duration>::Encode(absl::Duration value, ValueWriter out) {
  if (value == absl::InfiniteDuration() || value == -absl::InfiniteDuration()) {
    out.Float(value > absl::ZeroDuration() ? HUGE_VAL : -HUGE_VAL);
    return;
  }
  absl::Duration rest;
  std::int64_t seconds = absl::IDivDuration(value, absl::Seconds(1), &rest);
  ListWriter list = out.List(2);
  list[0].Int(seconds);
  list[1].Int(absl::IDivDuration(rest, kTick, &rest));
}

absl::Duration Codec<absl::Duration>::Decode(const ValueReader& in) {
  if (in.kind() == ValueKind::kFloat) {
    const double infinite = in.AsFloat();
    if (!std::isinf(infinite)) in.Fail("seconds and quarter nanoseconds, or infinity");
    return infinite > 0 ? absl::InfiniteDuration() : -absl::InfiniteDuration();
  }
  const ListReader list = in.AsList();
  if (list.size() != 2) in.Fail("seconds and quarter nanoseconds");
  using Limits = std::numeric_limits<std::int64_t>;
  return absl::Seconds(list[0].AsInt(Limits::min(), Limits::max())) +
         list[1].AsInt(1 - kTicksPerSecond, kTicksPerSecond - 1) * kTick;
}

void Codec<absl::Status>::Encode(const absl::Status& value, ValueWriter out) {
  ListWriter list = out.List(2);
  list[0].Int(static_cast<int>(value.code()));
  list[1].Text(std::string_view(value.message().data(), value.message().size()));
}

absl::Status Codec<absl::Status>::Decode(const ValueReader& in) {
  const ListReader list = in.AsList();
  if (list.size() != 2) in.Fail("the code and the message of a status");
  return absl::Status(static_cast<absl::StatusCode>(list[0].AsInt(0, 16)), list[1].AsText());
}

}  // namespace remoteobj
