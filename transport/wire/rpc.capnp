# SPDX-License-Identifier: MIT
#
# The objects of an RPC server as Cap'n Proto capabilities: the messages between it and its clients
# after the handshake (transport/rpc/internal/hello.h).
#
# A capability is a reference to its object; it is released when its client drops it or disconnects.
# The rules for changes are those of message.capnp. A change that these rules do not allow raises the
# version that the handshake negotiates (kProtocolVersion in hello.h).
#
# Version 2 reports failures as a Failure; version 1 reported them as texts of Cap'n Proto exceptions.

@0xc0d4b86a4f1e9d27;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("remoteobj::schema");

using import "message.capnp".Request;
using import "message.capnp".Outcome;

# Why the server did not do what was asked. An error that the object itself throws is not a Failure
# but an Outcome. Lost connections and malformed messages are exceptions of Cap'n Proto.
struct Failure {
  kind @0 :Kind;
  text @1 :Text;
  # The name of the policy or of the quota, for those kinds; and the quota's value.
  name @2 :Text;
  limit @3 :UInt64;

  enum Kind {
    stale @0;     # The object is gone.
    refused @1;   # The server closes. The call was not evaluated.
    noMemory @2;  # The server has no memory for the call or for its result.
    notAllowed @3;
    quotaExceeded @4;
  }
}

# The bootstrap object of a connection.
interface Session {
  # Returns when the server closes. A client calls this first. By the time it returns, the server has
  # answered all calls that it has evaluated, and it evaluates no more.
  closed @0 () -> ();

  # Returns an object by its number; 0 is the one by which all others are found. An object of another
  # client is returned too, unless the server restricts this client to objects that it was given.
  object @1 (id :UInt64) -> FindResult;

  # Cancels a call whose outcome is no longer wanted. It is no error if the call has ended.
  cancel @2 (call :UInt64) -> ();

  # Does nothing; the answer shows that the server is alive.
  ping @3 () -> ();

  # Keeps an object alive until another process, to which its number is being sent, asks for it; for
  # a minute at most.
  keep @4 (id :UInt64) -> KeepResult;

  struct FindResult {
    union {
      object @0 :Object;
      failure @1 :Failure;
    }
  }
  struct KeepResult {
    union {
      kept @0 :Void;
      failure @1 :Failure;
    }
  }
}

interface Object {
  # Evaluates one chain of operations, in one round trip. `call` is a number that the client chooses,
  # for cancel. `left` is how long the sender waits, in nanoseconds; 0 if without limit. The receiver
  # replaces the deadline in the request, which is by the sender's clock, by one of its own clock.
  call @0 (call :UInt64, left :Int64, request :Request) -> CallResult;

  struct CallResult {
    union {
      answer :group {
        outcome @0 :Outcome;
        references @1 :List(Held);
        receipt @2 :Receipt;
      }
      failure @3 :Failure;
    }
  }

  # An object that the outcome refers to.
  struct Held {
    id @0 :UInt64;
    object @1 :Object;
  }
}

# The acknowledgement of something that was handed over with an outcome: an item of a queue, a lock.
# It goes back if this capability is dropped before received() was called.
interface Receipt {
  # Acknowledges it: the client has it.
  received @0 () -> ();
}
