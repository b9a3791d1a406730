// SPDX-License-Identifier: MIT
//
// The client that calls a method of a manager's object.
//
//   void Ledger::Book(int amount) {
//     const remoteobj::Caller caller = remoteobj::CurrentCaller();
//     if (caller.uid != 0 && caller.key != "clerk") throw std::runtime_error("not you");
//   }
//
// Threads:  the thread on which the method runs.
#ifndef REMOTEOBJ_MANAGER_CALLER_H_
#define REMOTEOBJ_MANAGER_CALLER_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace remoteobj {

struct Caller {
  // Not used for another connection of this manager. 0: an object of the manager itself calls.
  std::uint64_t connection = 0;
  // Known of a client by a unix socket.
  pid_t pid = 0;
  std::optional<uid_t> uid = {};
  std::string address = {};
  // The name of its key, if that is one of ManagerOptions::keys; otherwise empty.
  std::string key = {};
  // The names in its certificate, as CertificatePolicy (policy.h) has them, if that was verified:
  // TlsOptions::verify_clients.
  std::vector<std::string> certificate_names = {};
};

// REQUIRES: called in a method of a manager's object. Throws std::logic_error elsewhere.
Caller CurrentCaller();

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_CALLER_H_
