// SPDX-License-Identifier: MIT
//
// A proxy without a channel, for tests of descriptions.
//
//   Here<lab::Camera> camera;
//   EXPECT_EQ(*camera.remote->name, camera.object.name);
#ifndef REMOTEOBJ_PROXY_HERE_TESTING_H_
#define REMOTEOBJ_PROXY_HERE_TESTING_H_

#include "gtest/gtest.h"
#include "remoteobj/proxy/proxy.h"

namespace remoteobj {

// Expects that an Attribute has the address of its Arrow. A macro, for the names.
#define EXPECT_AT_ARROW(arrow, member)                               \
  EXPECT_EQ(static_cast<const void*>(&(arrow).operator->()->member), \
            static_cast<const void*>(&(arrow)))

// A proxy whose listener is this process: the whole way of a call, but for the channel.
template <typename T>
class Here {
 public:
  T object;
  Proxy<T> remote{object};

 private:
  Listening listening_ = remote.Listen();
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_HERE_TESTING_H_
