// SPDX-License-Identifier: MIT
//
// The server's side of a Generator that a method of a user's type returns: a buffer of values,
// which are produced on the object's strand, ahead of the client by a limit.
//
// Threads:  under the server's lock, except Produce(), which takes it for each value.
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

// Used by one thread at a time.
class StreamSource {
 public:
  virtual ~StreamSource() = default;
  // Returns the next value, or nothing at the end.
  virtual std::optional<AnyValue> Next() = 0;
};

class StreamObject final : public SharedObject {
 public:
  StreamObject(ObjectServer& server, std::unique_ptr<StreamSource> source)
      : server_(server), source_(std::move(source)) {}

  // The entry of this object.
  void SetSelf(const std::shared_ptr<Entry>& self) { self_ = self; }

  // Returns all buffered values; waits if there is none. Returns nothing at the end.
  std::vector<AnyValue> next();

  std::size_t waiting() const override { return getters_.size(); }

 private:
  // Starts Produce() on the object's strand unless the buffer is full.
  void MaybeProduce();
  // Fills the buffer for a while.
  void Produce();
  bool full() const;

  ObjectServer& server_;
  std::weak_ptr<Entry> self_;
  // Used by Produce() only.
  const std::unique_ptr<StreamSource> source_;

  bool producing_ = false;
  std::deque<AnyValue> values_;
  std::size_t bytes_ = 0;
  bool ended_ = false;
  std::optional<ErrorInfo> error_;  // Thrown by the coroutine.
  WaitList getters_;
};
REMOTEOBJ_DESCRIBE(StreamObject, next)

// Makes the stream a part of the object whose method is being evaluated. Throws BadValue if that is
// not a manager's object with Run::kOnThread.
Reference ShareStream(std::unique_ptr<StreamSource> source);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_STREAM_OBJECT_H_
