// SPDX-License-Identifier: MIT
//
// Any bytes as a packed value: read as whatever they say they are, and decoded as a few types.
// Nothing but BadValue may come out.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {
namespace {

template <typename F>
void Try(F&& read) {
  try {
    read();
  } catch (const BadValue&) {
  }
}

// Every method, whatever the kind: nearly all refuse it.
void TryEach(const ValueReader& in) {
  Try([&] { in.AsNull(); });
  Try([&] { in.AsBool(); });
  Try([&] { in.AsInt(-1000, 1000); });
  Try([&] { in.AsUInt(1000); });
  Try([&] { in.AsFloat(); });
  Try([&] { in.AsText(); });
  Try([&] { in.ShortText(); });
  Try([&] { in.AsData(); });
  Try([&] { in.AsObject(); });
  Try([&] { in.AsList(); });
  Try([&] { in.AsMap(); });
  Try([&] { in.AsRecord(); });
  Try([&] { in.ArrayBytes(ElementType::kInt32); });
}

void Walk(const ValueReader& in, int& budget);

void WalkList(const ListReader& list, int& budget) {
  for (std::size_t i = 0; i < list.size() && budget > 0; ++i) Walk(list[i], budget);
}

void WalkMap(const MapReader& map, int& budget) {
  for (std::size_t i = 0; i < map.size() && budget > 0; ++i) {
    Walk(map.Key(i), budget);
    Walk(map.Value(i), budget);
  }
}

void WalkRecord(const RecordReader& record, int& budget) {
  record.type();
  for (const std::string_view name : {"", "name", "age"}) {
    if (record.Has(name)) Walk(record.Field(budget % 5, name), budget);
  }
}

void CopyArray(const ValueReader& in) {
  for (int type = 0; type <= static_cast<int>(ElementType::kBool); ++type) {
    Try([&] {
      const auto element = static_cast<ElementType>(type);
      std::vector<std::byte> bytes(in.ArrayBytes(element));
      in.CopyArray(element, bytes);
    });
  }
}

// Reads `in` as the type that it declares. Looks at `budget` values at most.
void Walk(const ValueReader& in, int& budget) {
  if (--budget < 0) return;
  in.DebugString();
  switch (in.kind()) {
    case ValueKind::kNull:
      return in.AsNull();
    case ValueKind::kBool:
      return void(in.AsBool());
    case ValueKind::kInt:
    case ValueKind::kUInt:
      Try([&] { in.AsInt(-1000, 1000); });
      Try([&] { in.AsUInt(1000); });
      return Try([&] { in.AsFloat(); });
    case ValueKind::kFloat:
      return void(in.AsFloat());
    case ValueKind::kText:
      return void(in.AsText());
    case ValueKind::kData:
      return void(in.AsData());
    case ValueKind::kList:
      return WalkList(in.AsList(), budget);
    case ValueKind::kMap:
      return WalkMap(in.AsMap(), budget);
    case ValueKind::kRecord:
      return WalkRecord(in.AsRecord(), budget);
    case ValueKind::kArray:
      return CopyArray(in);
    case ValueKind::kObject:
      return void(in.AsObject());
    case ValueKind::kUnknown:
      return TryEach(in);
  }
}

template <typename T>
void TryUnpack(std::string_view bytes) {
  Try([&] { static_cast<void>(Unpack<T>(bytes)); });
}

}  // namespace
}  // namespace remoteobj

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using remoteobj::TryUnpack;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  remoteobj::Try([&] {
    remoteobj::UnpackValue(bytes, [](const remoteobj::ValueReader& in) {
      remoteobj::TryEach(in);
      int budget = 1000;
      remoteobj::Walk(in, budget);
    });
  });
  TryUnpack<std::string>(bytes);
  TryUnpack<std::vector<double>>(bytes);
  TryUnpack<std::vector<bool>>(bytes);
  TryUnpack<std::map<std::string, std::vector<std::optional<std::variant<int, std::string>>>>>(
      bytes);
  TryUnpack<std::set<std::tuple<bool, std::int8_t, float>>>(bytes);
  TryUnpack<std::multimap<std::uint64_t, std::optional<std::optional<std::string>>>>(bytes);
  TryUnpack<std::vector<absl::StatusOr<absl::Time>>>(bytes);
  return 0;
}
