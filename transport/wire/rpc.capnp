# SPDX-License-Identifier: MIT
#
# The objects of a manager, as Cap'n Proto capabilities: what its clients say to it once both sides
# have proved who they are (transport/rpc/internal/hello.h).
#
# A capability keeps its object alive: it goes with the client that has it, however that ends. How
# this may evolve: as message.capnp.

@0xc0d4b86a4f1e9d27;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("remoteobj::schema");

using import "message.capnp".Request;
using import "message.capnp".Outcome;

# What a client has first.
interface Session {
  # What a client asks first: it is answered when the server closes. By then it has answered all
  # calls that it has evaluated, and will evaluate no more.
  closed @0 () -> ();

  # An object by its number; 0 is the one by which all others are found. It may be any that some
  # other client has: all who are let in trust one another so far.
  object @1 (id :UInt64) -> (object :Object);

  # Ends a call that waits: its outcome is not wanted any more. A call that the server does not know,
  # because it has ended, is no error.
  cancel @2 (call :UInt64) -> ();

  # Nothing: whether the other side is there.
  ping @3 () -> ();

  # Keeps an object for another process, to which its number is on its way, until that has asked for
  # it; for a minute at most.
  keep @4 (id :UInt64) -> ();
}

interface Object {
  # One chain of operations, in one round trip. `call` is a number of the client's own, for cancel.
  # `left` is how long the sender waits, in nanoseconds; 0 if for ever. The receiver puts a deadline
  # of its own clock in place of the request's, which is by the sender's.
  call @0 (call :UInt64, left :Int64, request :Request) -> (outcome :Outcome,
                                                          references :List(Held),
                                                          receipt :Receipt);

  # An object that the outcome refers to.
  struct Held {
    id @0 :UInt64;
    object @1 :Object;
  }
}

# Something that was handed over with an outcome: an item of a queue, a lock. It goes back when this
# capability is dropped without a word.
interface Receipt {
  # The client has it.
  received @0 () -> ();
}
