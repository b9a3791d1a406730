// SPDX-License-Identifier: MIT
//
// How listening begins and ends: where it can't begin, and where a call ends it.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/errors.h"

namespace {

std::atomic<bool> no_threads{false};

}  // namespace

// In place of the C library's, which it calls.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  return no_threads.load() ? EAGAIN : create(thread, attributes, body, argument);
}

namespace lab {

struct Service {
  int Inc() { return ++count; }
  // Ends the service of which this is a call.
  int End() {
    listening.reset();
    return ++count;
  }
  int count = 0;
  std::optional<remoteobj::Listening> listening;
};
REMOTEOBJ_DESCRIBE(Service, Inc, End, count)

}  // namespace lab

namespace remoteobj {
namespace {

using lab::Service;

// It went on to listen, with nobody who answered, and no second try was let in.
TEST(ListeningTest, ABackgroundListenerThatCannotBeginItsThreadDoesNotListen) {
  Service service;
  Proxy<Service> remote(service);
  no_threads = true;
  EXPECT_THROW(static_cast<void>(remote.ListenInBackground()), std::system_error);
  no_threads = false;
  EXPECT_FALSE(remote.listening());
  const auto listening = remote.ListenInBackground();
  EXPECT_EQ(remote->Inc(), 1);
}

// It threw, where the thread that had listened was still closing.
TEST(ListeningTest, BeginsAgainAsSoonAsNobodyListens) {
  Service service;
  Proxy<Service> remote(service);
  for (int i = 0; i < 200; ++i) {
    Listening first = remote.ListenInBackground();
    std::thread closes([&] { first.Close(); });
    while (remote.listening()) std::this_thread::yield();
    EXPECT_NO_THROW(static_cast<void>(remote.ListenInBackground()));
    closes.join();
  }
}

// The background thread waited for itself, and the proxy stayed open with nobody who answered.
TEST(ListeningTest, ACallThatEndsItsBackgroundListenerIsAnswered) {
  Service service;
  Proxy<Service> remote(service);
  Process owner([&] {
    // With the lock, since a call may come before the member has its value.
    const auto listen = [&] {
      const std::scoped_lock lock(remote);
      service.listening.emplace(remote.ListenInBackground());
    };
    listen();
    remoteobj_testing::Eventually("nobody listens", [&] { return !remote.listening(); });
    // And listening can begin again.
    listen();
    remoteobj_testing::Eventually("nobody listens", [&] { return !remote.listening(); });
  });
  remote.WaitUntilListening(owner);
  EXPECT_EQ(remote->Inc(), 1);
  EXPECT_EQ(remote->End(), 2);
  // The first listener refuses what comes before it has closed.
  for (int ended = 0; ended == 0;) {
    remote.WaitUntilListening(owner);
    try {
      ended = remote->End();
      EXPECT_EQ(ended, 3);
    } catch (const NotListening&) {
    }
  }
  owner.Join();
  EXPECT_THROW(remote->Inc(), NotListening);
}

// The caller was told that the listener had died while it evaluated the call.
TEST(ListeningTest, ACallThatEndsAPolledListenerIsAnswered) {
  Service service;
  Proxy<Service> remote(service);
  Process owner([&] {
    service.listening.emplace(remote.Listen());
    while (remote.listening()) remote.Poll(absl::Milliseconds(5));
  });
  remote.WaitUntilListening(owner);
  EXPECT_EQ(remote->End(), 1);
  owner.Join();
  EXPECT_THROW(remote->Inc(), NotListening);
}

// The background thread may wait for the object, which the call has, and so never ended.
TEST(ListeningTest, ACallInTheListeningProcessCanEndTheBackgroundListener) {
  Service service;
  Proxy<Service> remote(service);
  Process caller([&] {
    remote.WaitUntilListening();
    for (;;) {
      try {
        remote->Inc();
      } catch (const NotListening&) {
        return;
      }
    }
  });
  service.listening.emplace(remote.ListenInBackground());
  remoteobj_testing::Eventually("the caller calls", [&] { return *remote->count >= 100; });
  EXPECT_GT(remote->End(), 100);
  caller.Join();
}

}  // namespace
}  // namespace remoteobj
