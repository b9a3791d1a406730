// SPDX-License-Identifier: MIT
//
// Restrictions for clients with a key of their own, of another user, or with a certificate.
//
//   Manager manager("tcp:0.0.0.0:7000",
//                   {.authkey = key,                                   // may do everything
//                    .keys = {{.name = "dashboard", .key = other, .policy = ReadOnly()},
//                             {.name = "worker", .key = third, .policy = {.names = {"jobs"}}}}});
//   manager.Publish("jobs", jobs);
//   manager.Publish("audit", log, {.allow = {"dashboard"}});           // and no other key
//
// A client that no policy fits may do everything. By TLS, a last policy for "*" fits the others:
//
//   .certificates = {{.name = "dns:admin.example", .policy = {.everything = true}},
//                    {.name = "*", .policy = ReadOnly()}}
//
// A restricted client may use the objects that it was given: by a name that it may get, or in the
// result of a call that it may make. The number of another object is of no use to it. All
// connections with one key share the objects that they were given.
//
// A restricted client never may: end the manager, publish or unpublish, take or answer the calls of
// a pool or of another client's object, close or terminate a pool that it has not made, pass code,
// or release a Lock that another client has acquired. Operations that have no owner are not
// restricted: release() of a Semaphore, notify() of a Condition, abort() of a Barrier.
//
// The policy holds at every step of a chain. An operation that it does not allow throws NotAllowed
// (remoteobj/transport/errors.h), which names the policy, and has no effect.
//
// Not here: a policy for the code of a user's method, which runs with the rights of the manager,
//           for every client; CurrentCaller() (caller.h) tells it which client that is.
#ifndef REMOTEOBJ_MANAGER_POLICY_H_
#define REMOTEOBJ_MANAGER_POLICY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/proxy/describe.h"

namespace remoteobj {

struct Policy {
  // No restrictions, whatever the other members say: for a client that a later policy would fit.
  bool everything = false;
  // Everything is const: const methods and reads only. get() of a Queue is no const method, since
  // it takes the item. Objects of other clients and pools can't be called.
  bool read_only = false;
  // May make objects. Not with read_only.
  bool create = false;
  // The names of published objects that it may get. Empty: all of them, and Inspect() besides.
  std::vector<std::string> names = {};
  // The members that it may use, of any class: "size", "put". Empty: all of them.
  std::vector<std::string> members = {};
};
REMOTEOBJ_DESCRIBE(Policy, everything, read_only, create, names, members)

inline Policy ReadOnly(std::vector<std::string> names = {}) {
  return {.read_only = true, .names = std::move(names)};
}

// A further key of a manager. Clients that have it are restricted.
struct RestrictedKey {
  // Not empty, and not "uid ..." or "certificate ...", which PublishOptions::allow has for others.
  std::string name = {};
  std::string key = {};
  Policy policy = {};
};
REMOTEOBJ_DESCRIBE(RestrictedKey, name, key, policy)

// For clients of that user by a unix socket, if they have no restricted key. A policy for the
// manager's own user restricts the program that starts it, too.
struct UserPolicy {
  std::uint32_t uid = 0;
  Policy policy = {};
};
REMOTEOBJ_DESCRIBE(UserPolicy, uid, policy)

// For clients by TLS whose certificate has that name, if they have no restricted key. If several
// policies fit a client, the first one applies.
struct CertificatePolicy {
  // The kind of the name and the name: "dns:camera.example", "uri:spiffe://example/camera" or
  // "email:ops@example", which are among the certificate's alternative names, or "cn:camera", its
  // common name. In lower case, as a whole. "*" fits every certificate.
  std::string name = {};
  Policy policy = {};
};
REMOTEOBJ_DESCRIBE(CertificatePolicy, name, policy)

struct PublishOptions {
  // The names of the restricted keys whose clients may get it, in place of what their policies say
  // of names; "uid 1000" and "certificate dns:camera.example" name clients by the policies of their
  // user and their certificate. Empty: as the policies say. Clients without restrictions may always
  // get it.
  std::vector<std::string> allow = {};
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_POLICY_H_
