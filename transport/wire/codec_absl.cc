// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/codec_absl.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace remoteobj {
namespace {

constexpr std::int64_t kTicksPerSecond = 4'000'000'000;

absl::Duration Tick() { return absl::Nanoseconds(1) / 4; }

std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }

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
  list[1].Int(absl::IDivDuration(rest, Tick(), &rest));
}

absl::Duration Codec<absl::Duration>::Decode(const ValueReader& in) {
  if (in.kind() == ValueKind::kFloat) {
    const double infinite = in.AsFloat();
    if (!std::isinf(infinite)) in.Fail("a duration: only an infinite one is a float");
    return infinite > 0 ? absl::InfiniteDuration() : -absl::InfiniteDuration();
  }
  const ListReader list = in.AsList();
  if (list.size() != 2) in.Fail("a list of two: seconds and quarters of a nanosecond");
  using Limits = std::numeric_limits<std::int64_t>;
  return absl::Seconds(list[0].AsInt(Limits::min(), Limits::max())) +
         list[1].AsInt(1 - kTicksPerSecond, kTicksPerSecond - 1) * Tick();
}

void Codec<absl::Status>::Encode(const absl::Status& value, ValueWriter out) {
  std::map<std::string, std::string> payloads;
  value.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { payloads.emplace(url, payload); });
  ListWriter list = out.List(payloads.empty() ? 2 : 3);
  list[0].Int(static_cast<int>(value.code()));
  list[1].Text(View(value.message()));
  if (payloads.empty()) return;
  MapWriter map = list[2].Map(payloads.size());
  std::size_t i = 0;
  for (const auto& [url, payload] : payloads) {
    map.Key(i).Text(url);
    map.Value(i++).Data(std::as_bytes(std::span(payload)));
  }
}

absl::Status Codec<absl::Status>::Decode(const ValueReader& in) {
  const ListReader list = in.AsList();
  if (list.size() != 2 && list.size() != 3) {
    in.Fail("a list: a status's code, message and payloads if any");
  }
  absl::Status status(static_cast<absl::StatusCode>(list[0].AsInt(0, 16)), list[1].AsText());
  if (list.size() == 2) return status;
  const ValueReader payloads = list[2];
  const MapReader map = payloads.AsMap();
  for (std::size_t i = 0; i < map.size(); ++i) {
    status.SetPayload(map.Key(i).AsText(), absl::Cord(map.Value(i).AsData()));
  }
  return status;
}

}  // namespace remoteobj
