// SPDX-License-Identifier: MIT
//
// What a method of a user's type yields, as its server has it: values that are made on the thread
// of the object whose method it is, and wait here for a client.
//
// Threads:  under the server's lock, but for Produce, which takes it for each value.
#ifndef REMOTEOBJ_MANAGER_SERVER_STREAM_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_STREAM_OBJECT_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class Entry;
class ObjectServer;

// Of one thread at a time.
class StreamSource {
 public:
  virtual ~StreamSource() = default;
  // The next value, or nothing at the end.
  virtual std::optional<AnyValue> Next() = 0;
};

class StreamObject final : public SharedObject {
 public:
  StreamObject(ObjectServer& server, std::unique_ptr<StreamSource> source)
      : server_(server), source_(std::move(source)) {}

  // What clients call, which keeps it.
  void SetSelf(const std::shared_ptr<Entry>& self) { self_ = self; }

  // All values that there are; waits for one if there is none. Nothing at the end.
  std::vector<AnyValue> next();

  std::size_t waiting() const override { return getters_.size(); }

 private:
  // Has values made by the object whose method it is, if there are few.
  void MaybeProduce();
  // Makes some.
  void Produce();
  bool full() const;

  ObjectServer& server_;
  std::weak_ptr<Entry> self_;
  // Of who produces.
  const std::unique_ptr<StreamSource> source_;

  bool producing_ = false;
  std::deque<AnyValue> values_;
  std::size_t bytes_ = 0;
  bool ended_ = false;
  std::optional<ErrorInfo> error_;  // With which it ended.
  WaitList getters_;
};
REMOTEOBJ_DESCRIBE(StreamObject, next)

// Makes it a part of the object whose method is being evaluated. Throws BadValue where that can't
// be.
Reference ShareStream(std::unique_ptr<StreamSource> source);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_STREAM_OBJECT_H_
