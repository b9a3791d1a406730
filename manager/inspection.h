// SPDX-License-Identifier: MIT
//
// A snapshot of a manager for people: its objects, its clients, and the calls that wait.
#ifndef REMOTEOBJ_MANAGER_INSPECTION_H_
#define REMOTEOBJ_MANAGER_INSPECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "remoteobj/proxy/describe.h"

namespace remoteobj {

struct ClientInfo {
  std::uint64_t id = 0;
  std::int32_t pid = 0;  // 0 if it is on another machine.
  std::string address = {};
  std::int64_t uid = -1;  // Negative if it is connected by TCP.
  std::string key = {};   // The name of its key, if that is a restricted one.
  std::vector<std::string> certificate_names = {};  // If its certificate was verified.
};
REMOTEOBJ_DESCRIBE(ClientInfo, id, pid, address, uid, key, certificate_names)

struct ObjectInfo {
  std::uint64_t id = 0;
  std::string type_id = {};
  std::string type = {};
  std::string name = {};         // The published name, or empty.
  std::uint64_t references = 0;  // Clients, names, values and calls that keep it.
  std::uint64_t waiting = 0;     // Calls that wait in it.
};
REMOTEOBJ_DESCRIBE(ObjectInfo, id, type_id, type, name, references, waiting)

struct Inspection {
  std::vector<ObjectInfo> objects = {};
  std::vector<ClientInfo> clients = {};
  std::uint64_t threads = 0;  // Threads that run users' types.
};
REMOTEOBJ_DESCRIBE(Inspection, objects, clients, threads)

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_INSPECTION_H_
