// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/batch.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"

namespace lab {

struct Drawer {
  int pens = 3;
  std::string label = "top";
};
REMOTEOBJ_DESCRIBE(Drawer, pens, label)

struct Unreadable {};
struct Torn {
  int size = 0;
};

}  // namespace lab

template <>
struct remoteobj::Codec<lab::Unreadable> {
  static void Encode(const lab::Unreadable&, ValueWriter out) { out.Null(); }
  static lab::Unreadable Decode(const ValueReader&) { throw BadValue("nobody can read it"); }
};

// So much, and then no more.
template <>
struct remoteobj::Codec<lab::Torn> {
  static void Encode(const lab::Torn& torn, ValueWriter out) {
    const ListWriter list = out.List(2);
    list[0].Text(std::string(static_cast<std::size_t>(torn.size), 'x'));
    throw BadValue("torn");
  }
  static lab::Torn Decode(const ValueReader&) { return {}; }
};

namespace lab {

class Desk {
 public:
  int Inc() { return ++count; }
  int Add(int a, int b) const { return a + b; }
  std::string Join(std::string_view a, const char* b) const { return std::string(a) + b; }
  Desk& Chain() {
    ++count;
    return *this;
  }
  int At(int i) const { return pages.at(static_cast<std::size_t>(i)); }
  // Waits for a byte in a pipe.
  bool Wait() const {
    char byte;
    return read(gate, &byte, 1) == 1;
  }
  void Die() { raise(SIGKILL); }
  void SetTorn(int size) { torn.size = size; }
  std::vector<double> Make(std::size_t n) const { return std::vector<double>(n, 1.5); }

  int count = 0;
  int gate = -1;
  const int serial = 17;
  Drawer drawer;
  std::map<std::string, int> data{{"a", 5}};
  std::vector<int> pages{1, 2, 3};
  std::optional<std::string> note = "mine";
  Unreadable unreadable;
  Torn torn;
};
REMOTEOBJ_DESCRIBE(Desk, Inc, Add, Join, Chain, At, Wait, Die, Make, count, serial, drawer, data,
                   pages, note, unreadable, SetTorn, torn)

}  // namespace lab

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;
using testing::HasSubstr;

template <typename E, typename F>
std::string Thrown(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "another exception: " << e.what();
    return "";
  }
  ADD_FAILURE() << "no exception";
  return "";
}

class BatchTest : public testing::Test {
 protected:
  void StartListener() {
    listener_ = std::make_unique<Forked>([this] {
      const auto listening = remote.Listen();
      for (;;) remote.Poll(absl::InfiniteDuration());
    });
    remote.WaitUntilListening(listener_->pid());
  }

  // Returns a descriptor: a byte written to it ends a Wait() there.
  int StartListenerWithGate() {
    EXPECT_EQ(pipe(gate_), 0);
    desk.gate = gate_[0];
    StartListener();
    return gate_[1];
  }
  ~BatchTest() override {
    for (const int fd : gate_) {
      if (fd >= 0) close(fd);
    }
  }

  lab::Desk desk;
  Proxy<lab::Desk> remote{desk};
  int gate_[2] = {-1, -1};
  std::unique_ptr<Forked> listener_;
};

TEST_F(BatchTest, DoesAllKindsOfOperationsInOrder) {
  StartListener();
  Batch batch;
  Future<int> before = batch.Get(remote->count);
  batch.Set(remote->count, 41);
  Future<int> after = batch.Call(remote->Inc);
  Future<int> lazy = batch.Get(remote->Add.Lazy(1, 2));
  Future<void> itself = batch.Call(remote->Chain);
  Future<int> pens = batch.Get(remote->drawer->pens);
  batch.Set(remote->drawer->label, "bottom");
  Future<std::string> label = batch.Get(remote->drawer->label);
  Future<std::string> joined = batch.Call(remote->Join, "a", std::string("b"));
  Future<int> item = batch.Get(remote->data["a"]);
  batch.Set(remote->data["b"], 8);
  batch.Delete(remote->data["a"]);
  Future<std::map<std::string, int>> data = batch.Get(remote->data);
  batch.Call(remote->pages->push_back, 4);
  Future<std::size_t> size = batch.Call(remote->pages->size);
  batch.Delete(remote->note);
  Future<std::optional<std::string>> note = batch.Get(remote->note);
  Future<int> kept = batch.Get(remote->count.Lazy());
  EXPECT_EQ(batch.size(), 18u);
  batch.Send().Get();
  EXPECT_EQ(batch.size(), 0u);
  EXPECT_TRUE(before.ready());
  EXPECT_EQ(before.Get(), 0);
  EXPECT_EQ(after.Get(), 42);
  EXPECT_EQ(lazy.Get(), 3);
  itself.Get();
  EXPECT_EQ(pens.Get(), 3);
  EXPECT_EQ(label.Get(), "bottom");
  EXPECT_EQ(joined.Get(), "ab");
  EXPECT_EQ(item.Get(), 5);
  EXPECT_EQ(data.Get(), (std::map<std::string, int>{{"b", 8}}));
  EXPECT_EQ(size.Get(), 4u);
  EXPECT_EQ(note.Get(), std::nullopt);
  EXPECT_EQ(kept.Get(), 43);
  EXPECT_EQ(*remote->count, 43);
}

TEST_F(BatchTest, HasAnErrorForEachOperationThatFails) {
  StartListener();
  Batch batch;
  Future<int> first = batch.Call(remote->Inc);
  Future<int> outside = batch.Call(remote->At, 7);
  Future<int> missing = batch.Get(remote->data["nobody"]);
  Future<int> last = batch.Call(remote->Inc);
  Future<void> all = batch.Send();
  EXPECT_EQ(last.Get(), 2);
  EXPECT_EQ(first.Get(), 1);
  try {
    outside.Get();
    ADD_FAILURE() << "no exception";
  } catch (const std::out_of_range& e) {
    ASSERT_NE(RemoteErrorOf(e), nullptr);
    EXPECT_EQ(RemoteErrorOf(e)->pid(), listener_->pid());
  }
  EXPECT_THAT(Thrown<std::out_of_range>([&] { missing.Get(); }), HasSubstr("nobody"));
  EXPECT_THAT(Thrown<std::out_of_range>([&] { all.Get(); }), HasSubstr("7"));
}

TEST_F(BatchTest, NamesTheOperationThatCanNotBeRead) {
  StartListener();
  Batch batch;
  Future<int> first = batch.Call(remote->Inc);
  Future<lab::Unreadable> unreadable = batch.Get(remote->unreadable);
  Future<void> all = batch.Send();
  EXPECT_EQ(first.Get(), 1);
  EXPECT_THROW(all.Get(), BadValue);
  EXPECT_EQ(Thrown<BadValue>([&] { unreadable.Get(); }),
            "(lab::Desk.unreadable): nobody can read it");
}

TEST_F(BatchTest, AFutureIsGotOnce) {
  StartListener();
  Batch batch;
  Future<int> count = batch.Call(remote->Inc);
  batch.Send().Get();
  Future<int> moved = std::move(count);
  EXPECT_EQ(moved.Get(), 1);
  EXPECT_THAT(Thrown<std::logic_error>([&] { moved.Get(); }), HasSubstr("finished already"));
  EXPECT_THAT(Thrown<std::logic_error>([&] { count.Get(); }),  // NOLINT(bugprone-use-after-move)
              HasSubstr("finished already"));
}

TEST_F(BatchTest, OfOneOperationOrNone) {
  StartListener();
  Batch batch;
  batch.Send().Get();
  Future<int> one = batch.Call(remote->Inc);
  batch.Send().Get();
  EXPECT_EQ(one.Get(), 1);
  one = batch.Call(remote->At, 9);
  EXPECT_THROW(batch.Send().Get(), std::out_of_range);
  EXPECT_THROW(one.Get(), std::out_of_range);
}

TEST_F(BatchTest, NothingComesBetween) {
  StartListener();
  std::vector<std::unique_ptr<Forked>> others;
  for (int i = 0; i < 2; ++i) {
    others.push_back(std::make_unique<Forked>([this] {
      for (;;) remote->Inc();
    }));
  }
  for (int round = 0; round < 50; ++round) {
    Batch batch;
    std::vector<Future<int>> counts;
    for (int i = 0; i < 100; ++i) counts.push_back(batch.Call(remote->Inc));
    batch.Send().Get();
    const int first = counts[0].Get();
    for (int i = 1; i < 100; ++i) ASSERT_EQ(counts[static_cast<std::size_t>(i)].Get(), first + i);
  }
}

TEST_F(BatchTest, SeveralAreUnderWay) {
  StartListener();
  Batch batch;
  std::vector<Future<int>> counts;
  std::vector<Future<void>> sent;
  // More than there are slots for.
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 10; ++i) counts.push_back(batch.Call(remote->Inc));
    sent.push_back(batch.Send());
  }
  for (std::size_t i = counts.size(); i-- > 0;) EXPECT_EQ(counts[i].Get(), static_cast<int>(i) + 1);
}

TEST_F(BatchTest, OutgrowsTheSlot) {
  StartListener();
  Batch batch;
  std::vector<Future<int>> counts;
  constexpr int kMany = 100'000;
  for (int i = 0; i < kMany; ++i) counts.push_back(batch.Call(remote->Inc));
  Future<std::vector<double>> large = batch.Call(remote->Make, std::size_t{1} << 20);
  const std::vector<int> pages(1 << 20, 7);
  batch.Set(remote->pages, pages);
  Future<int> page = batch.Call(remote->At, (1 << 20) - 1);
  Future<void> sent = batch.Send();
  for (int i = 0; i < kMany; ++i) ASSERT_EQ(counts[static_cast<std::size_t>(i)].Get(), i + 1);
  EXPECT_EQ(large.Get().size(), std::size_t{1} << 20);
  EXPECT_EQ(page.Get(), 7);
}

// The written part of the outcome is dropped, whatever memory holds it.
TEST_F(BatchTest, AnOutcomeThatCanNotBeWrittenToItsEndLeavesTheOthers) {
  StartListener();
  for (const int size : {1, 100, 5'000, 50'000, 2'000'000}) {
    Batch batch;
    // Outcomes of the same kinds, to be told from those of the next one.
    std::vector<Future<int>> sums;
    for (int i = 0; i < 3; ++i) sums.push_back(batch.Call(remote->Add, i, 1000));
    batch.Call(remote->SetTorn, size);
    batch.Send().Get();
    for (int i = 0; i < 3; ++i) ASSERT_EQ(sums[static_cast<std::size_t>(i)].Get(), 1000 + i);
    Future<int> first = batch.Call(remote->Add, 1, size);
    Future<lab::Torn> torn = batch.Get(remote->torn);
    Future<int> last = batch.Call(remote->Add, 2, size);
    Future<int> more = batch.Call(remote->Add, 3, size);
    Future<void> all = batch.Send();
    EXPECT_EQ(first.Get(), 1 + size);
    EXPECT_EQ(last.Get(), 2 + size);
    EXPECT_EQ(more.Get(), 3 + size);
    EXPECT_THAT(Thrown<BadValue>([&] { torn.Get(); }), HasSubstr("torn"));
    EXPECT_THROW(all.Get(), BadValue);
  }
}

TEST_F(BatchTest, FuturesAreGotInSeveralThreads) {
  StartListener();
  for (int round = 0; round < 50; ++round) {
    Batch batch;
    std::vector<Future<int>> counts;
    for (int i = 0; i < 8; ++i) counts.push_back(batch.Call(remote->Add, i, 1));
    Future<void> sent = batch.Send();
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&counts, i] {
        Future<int>& count = counts[static_cast<std::size_t>(i)];
        count.ready();
        EXPECT_EQ(count.Get(absl::Seconds(60)), i + 1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_F(BatchTest, WaitsNoLongerThanItIsTold) {
  const int open_gate = StartListenerWithGate();
  Batch batch;
  batch.Call(remote->Wait);
  Future<int> count = batch.Call(remote->Inc);
  Future<void> sent = batch.Send();
  EXPECT_THAT(Thrown<DeadlineExceeded>([&] { count.Get(absl::Milliseconds(20)); }),
              HasSubstr("a batch of 2 operations"));
  EXPECT_FALSE(count.ready());
  // One thread waits as long as it takes; another does not wait for it longer than it wants to.
  std::atomic<pid_t> thread{0};
  std::thread waiting([&] {
    thread = gettid();
    sent.Get();
  });
  remoteobj_testing::Eventually("the thread has begun", [&] { return thread != 0; });
  remoteobj_testing::AwaitAsleep(thread);
  EXPECT_THROW(count.Get(absl::Milliseconds(20)), DeadlineExceeded);
  EXPECT_EQ(write(open_gate, "x", 1), 1);
  EXPECT_EQ(count.Get(), 1);
  waiting.join();
  EXPECT_TRUE(count.ready());
  // A request for which it is too late.
  batch.Call(remote->Inc);
  batch.Call(remote->Inc.Timeout(absl::ZeroDuration()));
  EXPECT_THROW(batch.Send().Get(), DeadlineExceeded);
  EXPECT_EQ(*remote->count, 1);
}

// A call beyond the limit of calls in flight is waited for as it is sent. Its outcome goes to its
// future all the same: a caller that sends it again would have it evaluated twice.
TEST_F(BatchTest, AmongAsManyAsMayBeUnderWay) {
  const int open_gate = StartListenerWithGate();
  std::vector<Future<int>> counts;
  Future<bool> waits = remote->Wait.Async();
  for (int i = 0; i < 30; ++i) counts.push_back(remote->Inc.Async());
  Batch batch;
  Future<int> late = batch.Call(remote->Inc);
  Future<void> sent = batch.Send(absl::Milliseconds(20));
  EXPECT_EQ(batch.size(), 0u);
  EXPECT_TRUE(late.ready());
  EXPECT_THROW(late.Get(), DeadlineExceeded);
  EXPECT_THROW(sent.Get(absl::Seconds(1)), DeadlineExceeded);
  EXPECT_EQ(write(open_gate, "x", 1), 1);
  EXPECT_TRUE(waits.Get());
  for (int i = 0; i < 30; ++i) EXPECT_EQ(counts[static_cast<std::size_t>(i)].Get(), i + 1);
  EXPECT_EQ(*remote->count, 30);
}

TEST_F(BatchTest, TheOutcomeIsOfTheProcessThatHasSentIt) {
  StartListener();
  Batch batch;
  Future<int> count = batch.Call(remote->Inc);
  Future<int> other = batch.Call(remote->Inc);
  Future<void> sent = batch.Send();
  Forked child([&] {
    EXPECT_FALSE(count.ready());
    EXPECT_THAT(Thrown<std::logic_error>([&] { count.Get(); }), HasSubstr("by another process"));
    if (testing::Test::HasFailure()) _exit(1);
  });
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_EQ(count.Get(), 1);
  Forked later([&] {
    if (other.Get() != 2) _exit(1);  // Had come before the fork.
  });
  EXPECT_EQ(later.Wait(), 0);
}

TEST_F(BatchTest, WhereNobodyListensNothingIsSent) {
  Batch batch;
  Future<int> count = batch.Call(remote->Inc);
  batch.Call(remote->Inc);
  EXPECT_THAT(Thrown<NotListening>([&] { (void)batch.Send(); }),
              HasSubstr("a batch of 2 operations"));
  EXPECT_THAT(Thrown<std::logic_error>([&] { count.Get(); }), HasSubstr("was not sent"));
  EXPECT_EQ(batch.size(), 2u);
  StartListener();
  batch.Send().Get();
  EXPECT_EQ(count.Get(), 1);
}

TEST_F(BatchTest, IsNotSentWhenItIsLetGo) {
  StartListener();
  std::optional<Future<int>> count;
  {
    Batch batch;
    count = batch.Call(remote->Inc);
  }
  EXPECT_FALSE(count->ready());
  EXPECT_THAT(Thrown<std::logic_error>([&] { count->Get(); }), HasSubstr("was not sent"));
  EXPECT_EQ(*remote->count, 0);
}

TEST_F(BatchTest, AllHaveItWhenTheListenerDies) {
  StartListener();
  Batch batch;
  Future<int> before = batch.Call(remote->Inc);
  batch.Call(remote->Die);
  Future<int> after = batch.Call(remote->Inc);
  Future<void> all = batch.Send();
  EXPECT_THAT(Thrown<ListenerDied>([&] { all.Get(); }), HasSubstr("a batch of 3 operations"));
  EXPECT_THROW(before.Get(), ListenerDied);
  EXPECT_THROW(after.Get(), ListenerDied);
}

TEST_F(BatchTest, IsOfOneObject) {
  StartListener();
  lab::Desk another_desk;
  const Proxy<lab::Desk> another(another_desk);
  Batch batch;
  Future<int> count = batch.Call(remote->Inc);
  EXPECT_THROW(batch.Call(another->Inc), std::invalid_argument);
  EXPECT_EQ(batch.size(), 1u);
  batch.Send().Get();
  EXPECT_EQ(count.Get(), 1);
}

TEST_F(BatchTest, InTheProcessThatListens) {
  const auto listening = remote.Listen();
  Batch batch;
  Future<int> count = batch.Call(remote->Inc);
  Future<int> outside = batch.Call(remote->At, 7);
  batch.Set(remote->data["b"], 8);
  Future<void> all = batch.Send();
  EXPECT_EQ(desk.data["b"], 8);
  EXPECT_EQ(count.Get(), 1);
  EXPECT_THROW(outside.Get(), std::out_of_range);
  EXPECT_THROW(all.Get(), std::out_of_range);
}

}  // namespace
}  // namespace remoteobj
