// SPDX-License-Identifier: MIT
//
// Attacks on a pool's calls by those who see them: the manager, or a client that could take them.
// Each has a call as it travels, and sends it to the pool again, as it is or changed.
#include "remoteobj/manager/internal/pool_calls.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/internal/pool_workers.h"
#include "remoteobj/manager/internal/relay_messages.h"
#include "remoteobj/manager/internal/serving.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/pool.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/internal/pass_to.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {
namespace {

using remoteobj_testing::Eventually;
using ::testing::HasSubstr;
using Is = UsedNumbers::Is;

using Arguments = std::vector<AnyValue>;
using Bytes = std::vector<std::uint8_t>;

int Square(int x) { return x * x; }
int Cube(int x) { return x * x * x; }
void Die() { raise(SIGKILL); }

// The parts of a call, as they travel.
constexpr std::size_t kNumber = 0;
constexpr std::size_t kSignature = 1;
constexpr std::size_t kRequest = 2;

Bytes BytesOf(const AnyValue& data) {
  Bytes bytes;
  data.Read([&](const ValueReader& in) {
    bytes.resize(in.DataBytes());
    in.CopyData(std::as_writable_bytes(std::span(bytes)));
  });
  return bytes;
}
AnyValue DataOf(const Bytes& bytes) {
  return AnyValue([&](ValueWriter out) { out.Data(std::as_bytes(std::span(bytes))); });
}

// Replaces the only occurrence of `from`.
template <typename T>
Bytes Replaced(Bytes bytes, const T& from, const T& to) {
  const auto as_bytes = [](const T& value) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(&value);
    return Bytes(begin, begin + sizeof value);
  };
  const Bytes wanted = as_bytes(from);
  const auto at = std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end());
  EXPECT_NE(at, bytes.end());
  if (at != bytes.end()) std::ranges::copy(as_bytes(to), at);
  return bytes;
}

// A pool whose manager keeps a copy of each call, in the form of a client that has its secret.
class TappedPool {
 public:
  explicit TappedPool(Manager& manager)
      : pool_(manager.Create<Pool>(1, secret_)), relay_({pool_.referent()}, "Pool") {}

  // The call as it arrives. None of the pool's processes has evaluated it.
  template <typename F, typename... A>
  Arguments Tap(const F& function, const A&... arguments) {
    auto given_up = pool_->apply_async(function, arguments...);
    return relay_->take(secret_)->operations.at(0).arguments;
  }
  void Start(int processes) { workers_.emplace(relay_, secret_, processes, ProcessOptions()); }

  // Makes a call of these parts, and returns its result.
  int Send(const Arguments& parts) {
    const Reference relayed = relay_->relayed();
    int result = 0;
    relayed.referent->channel().Call(
        [&](RequestWriter request) {
          const OperationsWriter operations = request.Operations(1);
          operations.Set(0, OperationKind::kPassTo, {}, 0);
          const ListWriter list = operations.Arguments(0, parts.size());
          for (std::size_t i = 0; i < parts.size(); ++i) parts[i].Write(list[i]);
        },
        [&](const OutcomeReader& outcome) {
          result = Decode<int>(proxy_internal::ValueIn(outcome));
        },
        Deadline::After(absl::Minutes(1)));
    return result;
  }

  const Pool& pool() const { return pool_; }
  std::string identity() const { return relay_->identity(); }

 private:
  const std::string secret_ = NewServingSecret();
  const Pool pool_;
  const RelayProxy relay_;
  std::optional<PoolWorkers> workers_;
};

void ExpectBegunAlready(TappedPool& pool, const Arguments& call) {
  try {
    pool.Send(call);
    ADD_FAILURE() << "it was evaluated again";
  } catch (const ListenerDied& e) {
    EXPECT_TRUE(e.evaluating());
    EXPECT_THAT(e.what(), HasSubstr("has begun this call already"));
  }
}

TEST(PoolCallsTest, AClientThatReplaysACallWithOtherArguments) {
  Manager manager;
  TappedPool pool(manager);
  const Arguments three = pool.Tap(Square, 3);
  const Arguments four = pool.Tap(Square, 4);
  pool.Start(1);
  Arguments forged = three;
  forged[kRequest] = four[kRequest];
  EXPECT_THROW(pool.Send(forged), BadValue);
  forged = three;
  forged[kNumber] = four[kNumber];
  EXPECT_THROW(pool.Send(forged), BadValue);
  Bytes request = BytesOf(three[kRequest]);
  for (std::size_t i = 0; i < request.size(); ++i) {
    request[i] ^= 1;
    forged = three;
    forged[kRequest] = DataOf(request);
    EXPECT_THROW(pool.Send(forged), BadValue) << i;
    request[i] ^= 1;
  }
  // A call that was refused has not used the number.
  EXPECT_EQ(pool.Send(three), 9);
  EXPECT_EQ(pool.Send(four), 16);
}

TEST(PoolCallsTest, AClientThatReplaysACallWithAnotherFunction) {
  Manager manager;
  TappedPool pool(manager);
  const Arguments call = pool.Tap(Square, 3);
  pool.Start(1);
  Arguments forged = call;
  forged[kRequest] = DataOf(Replaced(BytesOf(call[kRequest]), &Square, &Cube));
  EXPECT_THROW(pool.Send(forged), BadValue);
  EXPECT_EQ(pool.Send(call), 9);
}

TEST(PoolCallsTest, AClientThatSendsACallOfItsOwn) {
  Manager manager;
  TappedPool pool(manager);
  const Arguments call = pool.Tap(Square, 3);
  pool.Start(1);
  EXPECT_THROW(pool.Send({}), BadValue);
  for (std::size_t i = 0; i < call.size(); ++i) {
    for (const AnyValue& other : {AnyValue(), DataOf({}), DataOf({1}), DataOf(Bytes(32))}) {
      Arguments forged = call;
      forged[i] = other;
      EXPECT_THROW(pool.Send(forged), BadValue) << i;
    }
    Arguments shorter = call;
    shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THROW(pool.Send(shorter), BadValue) << i;
  }
  // The function, its captures and its arguments, without a signature.
  EXPECT_THROW(
      proxy_internal::PassToObject<PoolWorker>(
          *proxy_internal::SessionOf(proxy_internal::TypeOf<PoolWorker>(),
                                     RelayProxy({pool.pool().referent()}, "Pool")->relayed(), {}),
          View(), absl::InfiniteDuration(), PoolTask<int (*)(int)>{Square}, 3),
      BadValue);
  // None of them has used the number of the call.
  EXPECT_EQ(pool.Send(call), 9);
  EXPECT_EQ(pool.pool()->apply(Square, 5), 25);
}

TEST(PoolCallsTest, AClientThatReplaysACallAtTheSameProcess) {
  Manager manager;
  TappedPool pool(manager);
  const Arguments call = pool.Tap(Square, 3);
  pool.Start(1);
  EXPECT_EQ(pool.Send(call), 9);
  for (int i = 0; i < 3; ++i) ExpectBegunAlready(pool, call);
  EXPECT_EQ(pool.pool()->apply(Square, 4), 16);
}

TEST(PoolCallsTest, AClientThatReplaysACallAtAnotherProcess) {
  Manager manager;
  TappedPool pool(manager);
  // [0] says that it has begun, [1] that it may end.
  const SharedWords words(2);
  const auto wait = [words = &words](int x) {
    (*words)[0].fetch_add(1);
    Eventually("it may end", [&] { return (*words)[1].load() != 0; });
    return x;
  };
  const Arguments call = pool.Tap(wait, 3);
  pool.Start(2);
  Process first([&] { return pool.Send(call); });
  Eventually("a process evaluates it", [&] { return words[0].load() != 0; });
  ExpectBegunAlready(pool, call);
  words[1] = 1;
  first.Join();
  EXPECT_EQ(*first.result(), 3);
  EXPECT_EQ(words[0], 1u);
}

TEST(PoolCallsTest, AClientThatReplaysACallAfterItsProcessWasReplaced) {
  Manager manager;
  TappedPool pool(manager);
  const Arguments call = pool.Tap(Square, 3);
  pool.Start(1);
  EXPECT_EQ(pool.Send(call), 9);
  EXPECT_THROW(pool.pool()->apply(Die), ListenerDied);
  ExpectBegunAlready(pool, call);
  EXPECT_EQ(pool.pool()->apply(Square, 4), 16);
}

TEST(PoolCallsTest, AClientThatReplaysACallAtAnotherPool) {
  Manager manager;
  TappedPool pool(manager);
  TappedPool other(manager);
  const Arguments call = pool.Tap(Square, 3);
  pool.Start(1);
  other.Start(1);
  EXPECT_THROW(other.Send(call), BadValue);
  EXPECT_EQ(pool.Send(call), 9);
}

// Its other manager may be hostile, and a client of this one.
TEST(PoolCallsTest, AClientThatTakesCallsWithTheSecretOfAnotherPool) {
  Manager manager;
  const Pool pool = manager.Pool(1);
  const std::string secret = NewServingSecret();
  const Pool other = manager.Create<Pool>(1, secret);
  const RelayProxy relay({pool.referent()}, "Pool");
  EXPECT_THROW(relay->take(secret), NotAllowed);
  EXPECT_THROW(relay->keep(secret), NotAllowed);
  EXPECT_NE(relay->identity(), RelayProxy({other.referent()}, "Pool")->identity());
}

// A call that died with its process is not evaluated again, as any other. The manager sends such a
// call again itself, if the process died before the manager knew that it had it: to its caller it
// fails as one whose process died.
TEST(PoolCallsTest, AClientThatReplaysACallThatKilledItsProcess) {
  Manager manager;
  TappedPool pool(manager);
  const Arguments call = pool.Tap([] {
    raise(SIGKILL);
    return 1;
  });
  pool.Start(1);
  EXPECT_THROW(pool.Send(call), ListenerDied);
  ExpectBegunAlready(pool, call);
}

TEST(PoolCallsTest, ACompromisedForkThatOverwritesTheCount) {
  Manager manager;
  TappedPool pool(manager);
  const Arguments call = pool.Tap(Square, 3);
  pool.Start(1);
  const Bytes request = BytesOf(call[kRequest]);
  const auto numbered = [&](std::uint64_t number) {
    const transport_internal::Mac signature =
        SignatureOf(pool.identity(), number, std::as_bytes(std::span(request)));
    Arguments parts = call;
    parts[kNumber] = AnyValue::Of(number);
    parts[kSignature] = AnyValue([&](ValueWriter out) { out.Data(signature); });
    return parts;
  };
  const auto error = [&](std::uint64_t number) -> std::string {
    try {
      pool.Send(numbered(number));
    } catch (const BadValue& e) {
      return e.what();
    }
    return "none";
  };
  EXPECT_THAT(error(std::uint64_t{1} << 60), HasSubstr("overwritten the count"));
  const std::uint64_t number = call[kNumber].As<std::uint64_t>();
  EXPECT_EQ(pool.Send(numbered(number + (std::uint64_t{1} << 22))), 9);
  EXPECT_THAT(error(number), HasSubstr("overtaken"));
}

TEST(PoolCallsTest, ACallWithManyReferences) {
  Manager manager;
  const Pool pool = manager.Pool(1);
  std::vector<Dict<std::string, int>> dicts;
  for (int i = 0; i < 20; ++i) dicts.push_back(manager.Dict<std::string, int>({{"i", i % 10}}));
  // Each of them many times.
  for (int i = 20; i < 1000; ++i) dicts.push_back(dicts[i - 20]);
  const auto all_there = [](const std::vector<Dict<std::string, int>>& dicts) {
    for (std::size_t i = 0; i < dicts.size(); i += 7) {
      if (dicts[i]->at("i") != static_cast<int>(i % 10)) return i;
    }
    return dicts.size();
  };
  EXPECT_EQ(pool->apply(all_there, dicts), dicts.size());
}

// A process that has the pool by its name asks the manager for the identity.
TEST(PoolCallsTest, ACallOfAProcessThatGotThePoolByName) {
  Manager manager;
  const Pool pool = manager.Pool(1);
  manager.Publish("pool", pool);
  Process other([&] { return manager.Get<Pool>("pool")->apply(Square, 3); });
  other.Join();
  EXPECT_EQ(*other.result(), 9);
}

std::span<const std::byte> AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(PoolCallsTest, ASignatureWhoseBoundariesAreMoved) {
  EXPECT_EQ(SignatureOf("ab", 1, AsBytes("cd")), SignatureOf("ab", 1, AsBytes("cd")));
  EXPECT_NE(SignatureOf("ab", 1, AsBytes("cd")), SignatureOf("abc", 1, AsBytes("d")));
  EXPECT_NE(SignatureOf("ab", 1, AsBytes("cd")), SignatureOf("a", 1, AsBytes("bcd")));
  EXPECT_NE(SignatureOf("", 1, AsBytes("abcd")), SignatureOf("abcd", 1, AsBytes("")));
  EXPECT_NE(SignatureOf("ab", 1, AsBytes("cd")), SignatureOf("ab", 2, AsBytes("cd")));
}

TEST(PoolCallsTest, NumbersAreUsedOnceInAnyOrder) {
  constexpr std::uint64_t kSpan = std::uint64_t{1} << 22;
  UsedNumbers used;
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{31}, std::uint64_t{32},
                                     kSpan - 1, std::uint64_t{1}, kSpan + 64, kSpan + 65}) {
    EXPECT_EQ(used.Use(number), Is::kNew) << number;
    EXPECT_EQ(used.Use(number), Is::kUsed) << number;
  }
  // Older than the record: it may have been used.
  EXPECT_EQ(used.Use(66), Is::kTooOld);
  EXPECT_EQ(used.Use(96), Is::kNew);
  EXPECT_EQ(used.Use(7 * kSpan), Is::kNew);
  EXPECT_EQ(used.Use(2), Is::kTooOld);
  EXPECT_EQ(used.Use(kSpan), Is::kTooOld);
  // Beyond what it can tell apart.
  EXPECT_EQ(used.Use((kSpan << 32) - 1), Is::kNew);
  EXPECT_EQ(used.Use(kSpan << 32), Is::kTooLarge);
  EXPECT_EQ(used.Use(~std::uint64_t{0}), Is::kTooLarge);
}

TEST(PoolCallsTest, NumbersAreThoseOfAllForks) {
  const std::uint64_t before = NewCallNumber();
  UsedNumbers used;
  Process other([&] {
    const std::uint64_t number = NewCallNumber();
    used.Use(number);
    return number;
  });
  other.Join();
  EXPECT_GT(*other.result(), before);
  EXPECT_GT(NewCallNumber(), *other.result());
  EXPECT_EQ(used.Use(*other.result()), Is::kUsed);
  EXPECT_EQ(used.Use(before), Is::kNew);
}

}  // namespace
}  // namespace remoteobj::manager_internal
