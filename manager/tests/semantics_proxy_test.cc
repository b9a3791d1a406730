// SPDX-License-Identifier: MIT
//
// Proxies of a manager's objects, between processes, as in Python but for what TYPES.md names.
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/event.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/namespace.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {

struct Account {
  explicit Account(int start) : balance(start) {
    if (start < 0) throw std::invalid_argument("nobody begins with debts");
  }
  int Add(int n) { return balance += n; }
  void Overdraw() { throw std::out_of_range("as told"); }
  int Secret() { return 1; }  // Not described.
  int balance = 0;
};
REMOTEOBJ_DESCRIBE(Account, Add, Overdraw, balance)

struct Bank {
  Proxy<Account> Open(int start) {
    last = std::make_shared<Account>(start);
    return Share(last);
  }
  // Returns a proxy of an object that is not the manager's.
  Proxy<Account> OpenElsewhere() {
    static Account elsewhere(1);
    return Proxy<Account>(elsewhere);
  }
  // Keeps it.
  void Keep(const Proxy<Account>& account) { kept.push_back(account); }
  std::shared_ptr<Account> last;
  std::vector<Proxy<Account>> kept;
};
REMOTEOBJ_DESCRIBE(Bank, Open, OpenElsewhere, Keep)

namespace {

using manager_internal::AwaitClients;
using manager_internal::AwaitObjects;
using manager_internal::Elsewhere;
using manager_internal::NewAddress;
using manager_internal::OneManager;

class ProxySemantics : public OneManager {
 protected:
  static Manager BankManager() {
    Manager manager;
    manager.Register<Account, int>("Account");
    manager.Register<Bank>("Bank");
    return manager;
  }
};

TEST_F(ProxySemantics, TextIsOfTheObjectAndPrintingOfTheProxy) {
  const auto l = manager().List<std::string>();
  Elsewhere([&] { l->push_back("a"); });
  EXPECT_EQ(l->to_string(), "[\"a\"]");
  std::ostringstream out;
  out << l;
  EXPECT_EQ(out.str(), "<Remote List<std::string> " + std::to_string(l.referent()->id()) + ">");
  // The text is the same in another process.
  EXPECT_EQ(Elsewhere([&] {
              std::ostringstream there;
              there << l;
              return there.str();
            }),
            out.str());
}

// In Python two proxies of one object differ.
TEST_F(ProxySemantics, EqualityIsOfTheObjectAndNotOfItsValue) {
  const auto l = manager().List<int>({1});
  const auto same_value = manager().List<int>({1});
  EXPECT_FALSE(l == same_value);
  static_assert(!std::is_default_constructible_v<std::hash<List<int>>>);
  manager().Publish("l", l);
  EXPECT_TRUE(Elsewhere([&] {
    return Manager::Connect(manager().address()).Get<List<int>>("l") == l && !(l == same_value);
  }));
  manager().Unpublish("l");
}

TEST_F(ProxySemantics, AProxyIsNoBool) {
  static_assert(!std::is_constructible_v<bool, List<int>>);
  const auto l = manager().List<int>();
  EXPECT_TRUE(l->empty());
  Elsewhere([&] { l->push_back(1); });
  EXPECT_EQ(l->size(), 1u);
  EXPECT_FALSE(l->empty());
}

TEST_F(ProxySemantics, WhatItGivesIsACopy) {
  const auto l = manager().List<int>({1});
  std::vector<int> copy = l->copy();
  copy.push_back(2);
  EXPECT_EQ(Elsewhere([&] { return l->copy(); }), std::vector{1});
}

TEST_F(ProxySemantics, AMethodGivesACopyOrAProxy) {
  Manager manager = BankManager();
  const auto bank = manager.Create<Bank>("Bank");
  const Proxy<Account> account = bank->Open(1);
  EXPECT_EQ(Elsewhere([&] { return account->Add(1); }), 2);
  EXPECT_EQ(Elsewhere([&] { return bank->Open(5)->Add(1); }), 6);
  int copy = *account->balance;
  ++copy;
  EXPECT_EQ(*account->balance, 2);
}

TEST_F(ProxySemantics, WhatAMethodThrowsIsThrownHereAsItsOwnType) {
  Manager manager = BankManager();
  const auto account = manager.Create<Account>("Account", 1);
  EXPECT_THROW(Elsewhere([&] { account->Overdraw(); }), std::out_of_range);
  try {
    account->Overdraw();
    FAIL();
  } catch (const std::out_of_range& e) {
    ASSERT_NE(RemoteErrorOf(e), nullptr);
    EXPECT_EQ(RemoteErrorOf(e)->message(), "as told");
    EXPECT_EQ(RemoteErrorOf(e)->pid(), manager.pid());
  }
}

// In Python all of these are a RemoteError.
TEST_F(ProxySemantics, WhatElseFailsHasATypeToo) {
  const std::string address = NewAddress();
  const auto start = [&] {
    Manager manager(address);
    manager.Register<Account, int>("Account", {.exposed = {"Add"}});
    manager.Start();
    return manager;
  };
  std::optional<Manager> manager(start());
  const auto account = manager->Create<Account>("Account", 1);
  EXPECT_THROW(Elsewhere([&] { manager->Create<Account>("Account", -1); }), std::invalid_argument);
  EXPECT_THROW(Elsewhere([&] { *account->balance; }), NotExposed);
  manager.reset();
  manager.emplace(start());
  EXPECT_THROW(account->Add(1), StaleReference);
  EXPECT_THROW(Elsewhere([&] { account->Add(1); }), StaleReference);
}

TEST_F(ProxySemantics, WhatCanNotBeSentHarmsNothing) {
  Manager manager = BankManager();
  const auto bank = manager.Create<Bank>("Bank");
  const auto another = ProxySemantics::manager().List<int>();
  const auto lists = manager.List<List<int>>();
  EXPECT_EQ(Elsewhere([&] {
              int refused = 0;
              try {
                bank->OpenElsewhere();
              } catch (const BadValue&) {
                ++refused;
              }
              try {
                lists->push_back(another);  // An object of another manager.
              } catch (const BadValue&) {
                ++refused;
              }
              return refused * 10 + bank->Open(1)->Add(1);
            }),
            22);
  EXPECT_EQ(lists->size(), 0u);
}

TEST_F(ProxySemantics, WhatIsDescribedIsExposedUnlessOthersAreNamed) {
  Manager manager = BankManager();
  const auto account = manager.Create<Account>("Account", 1);
  EXPECT_EQ(Elsewhere([&] { return account->Add(1) + *account->balance; }), 4);
  EXPECT_THROW(Elsewhere([&] { account.Attrs("Secret").Get<int>(); }), NotDescribed);
}

TEST_F(ProxySemantics, NamedMembersComeBeforeTheDescription) {
  Manager manager;
  manager.Register<Account, int>("Account", {.exposed = {"Add"}});
  const auto account = manager.Create<Account>("Account", 1);
  EXPECT_EQ(Elsewhere([&] { return account->Add(1); }), 2);
  EXPECT_THROW(Elsewhere([&] { account->balance = 5; }), NotExposed);
}

TEST_F(ProxySemantics, AnObjectGoesWithItsLastProxyInWhateverProcess) {
  std::optional<List<int>> l = manager().List<int>({1});
  const auto has = manager().Event();
  const auto go_on = manager().Event();
  Process keeper([&] {
    const List<int> mine = *l;
    mine->push_back(2);
    has->set();
    go_on->wait();
    return mine->copy();
  });
  has->wait();
  l.reset();
  EXPECT_EQ(manager().object_count(), 3u);
  go_on->set();
  keeper.Join();
  EXPECT_EQ(keeper.result(), (std::vector{1, 2}));
  AwaitObjects(manager(), 2);
}

TEST_F(ProxySemantics, AnObjectThatGoesLetsGoOfWhatItHas) {
  Manager manager = BankManager();
  {
    const auto bank = manager.Create<Bank>("Bank");
    const auto banks = manager.Dict<int, Proxy<Bank>>();
    banks[0] = bank;
    Elsewhere([&] { bank->Keep(bank->Open(1)); });
    EXPECT_EQ(manager.object_count(), 3u);
  }
  AwaitObjects(manager, 0);
}

TEST_F(ProxySemantics, ProxiesArePassedInArgumentsQueuesAndObjects) {
  const auto lists = manager().Queue<List<int>>();
  const auto by_name = manager().Dict<std::string, List<int>>();
  const auto ns = manager().Namespace();
  Process maker(
      [&](const Queue<List<int>>& queue) {
        const auto l = manager().List<int>({1});
        by_name["l"] = l;
        ns.Set("l", l);
        queue->put(l);
      },
      lists);
  const List<int> mine = lists->get();
  maker.Join();
  Elsewhere([&] {
    (*by_name["l"])->push_back(2);
    ns.Get<List<int>>("l")->push_back(3);
  });
  EXPECT_EQ(mine->copy(), (std::vector{1, 2, 3}));
  EXPECT_EQ(mine, *by_name["l"]);
  // But not as results: no process would keep the object on the way.
  EXPECT_THROW(Elsewhere([&] { return manager().List<int>(); }), BadValue);
}

TEST_F(ProxySemantics, NestedProxiesAreLiveAndOutliveTheirContainers) {
  std::optional<List<int>> inner;
  {
    const auto outer = manager().Dict<std::string, List<int>>();
    Elsewhere([&] { outer["a"] = manager().List<int>({1}); });  // Its maker is gone.
    Elsewhere([&] { outer["a"]->push_back(2); });
    inner = *outer["a"];
    outer->clear();
    EXPECT_EQ(inner.value()->copy(), (std::vector{1, 2}));
  }
  AwaitObjects(manager(), 1);
  EXPECT_EQ(Elsewhere([&] { return inner.value()->size(); }), 2u);
  // One may have itself.
  const auto self = manager().Namespace();
  Elsewhere([&] { self.Set("self", self); });
  EXPECT_EQ(self.Get<Namespace>("self").Get<Namespace>("self"), self);
  self.Delete("self");
}

TEST_F(ProxySemantics, PlainNestedValuesAreCopies) {
  const auto d = manager().Dict<std::string, std::vector<int>>();
  d["a"] = {1};
  static_assert(std::is_const_v<decltype(*d["a"])>);  // So a lost change does not compile.
  std::vector<int> copy = *d["a"];
  copy.push_back(2);
  EXPECT_EQ(Elsewhere([&] { return d["a"]->size(); }), 1u);
  d["a"] = copy;
  EXPECT_EQ(Elsewhere([&] { return d["a"]->size(); }), 2u);
}

// In Python each thread has a connection.
TEST_F(ProxySemantics, AThreadIsAnOwnerAndAProcessAClient) {
  const auto lock = manager().RLock();
  EXPECT_EQ(Elsewhere([&] {
              lock->acquire();
              bool got = true;
              std::thread([&] { got = lock->acquire(absl::ZeroDuration()); }).join();
              return std::pair(got, manager().Inspect().clients.size());
            }),
            std::pair(false, std::size_t{2}));
  AwaitClients(manager(), 1);
}

TEST_F(ProxySemantics, AnErrorKeepsNoObject) {
  std::exception_ptr error;
  {
    const auto l = manager().List<int>();
    try {
      Elsewhere([&] { l->at(0); });
    } catch (...) {
      error = std::current_exception();
    }
  }
  AwaitObjects(manager(), 0);
  EXPECT_THROW(std::rethrow_exception(error), std::out_of_range);
}

}  // namespace
}  // namespace remoteobj
