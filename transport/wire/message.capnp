# SPDX-License-Identifier: MIT
#
# The messages between a caller and the process that has the object: a Request there, an Outcome
# back. The same structs go through shared memory and through Cap'n Proto RPC.
#
# How this may evolve: new fields get the next number and a default which means "as before"; a new
# member of a union or of an enum is an error to an older reader, who answers with it and goes on.
# Nothing is renumbered, no meaning changes.

@0xb2f7c1d3a5e49806;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("remoteobj::schema");

# A value which says itself what it is, so that tools and other languages can read it.
struct Value {
  union {
    null @0 :Void;
    bool @1 :Bool;
    int @2 :Int64;
    uint @3 :UInt64;           # Only for what an Int64 can't hold.
    float @4 :Float64;
    text @5 :Text;             # UTF-8 by convention; any bytes are carried.
    data @6 :Data;
    list @7 :List(Value);
    map @8 :List(Entry);       # In the sender's order.
    record @9 :Record;
    array @10 :Array;
    longText @11 :List(Data);  # A text or data beyond what one Text or Data holds (512 MiB),
    longData @12 :List(Data);  # in pieces.
    object @13 :Reference;
  }

  struct Entry {
    key @0 :Value;
    value @1 :Value;
  }

  # A described class, by value.
  struct Record {
    type @0 :Text;             # For people: a reader matches fields, not types.
    fields @1 :List(Field);
  }

  struct Field {
    name @0 :Text;
    value @1 :Value;
  }

  # Numbers of one type, contiguous and little-endian. Each chunk but the last holds a whole number
  # of elements.
  struct Array {
    type @0 :Element;
    chunks @1 :List(Data);
  }

  enum Element {
    int8 @0;
    uint8 @1;
    int16 @2;
    uint16 @3;
    int32 @4;
    uint32 @5;
    int64 @6;
    uint64 @7;
    float32 @8;
    float64 @9;
    bool @10;                  # A byte each, 0 or 1.
  }

  # An object which stays where it is.
  struct Reference {
    id @0 :UInt64;             # Never reused by one server.
    type @1 :Text;
  }
}

# One step of an op-chain. It applies to what the step before it gave.
struct Operation {
  kind @0 :Kind;

  # The place of `name` in the description of the class, counted from 1; 0 if unknown. It only saves
  # a search: `name` decides. For a call: the signature among those that the method is described
  # with, counted from 1; 0 for the first that fits.
  hint @1 :UInt16;

  name @2 :Text;

  # passTo begins with the code, a uint: which registered function of the program's image. It means
  # nothing between images, so a channel between unrelated processes refuses it. Then what the
  # function has captured, as data.
  arguments @3 :List(Value);

  enum Kind {                  # name      arguments     gives
    getAttribute @0;           # member                  the member
    setAttribute @1;           # member    value         nothing
    deleteAttribute @2;        # member                  nothing
    getItem @3;                #           key           the item
    setItem @4;                #           key, value    nothing
    deleteItem @5;             #           key           nothing
    call @6;                   #           as declared   what the method returned
    contains @7;               #           key           bool
    length @8;                 #                         uint
    passTo @9;                 #           code, data, … what the function returned
    super @10;                 # a base                  the object as that base
    exists @11;                #                         bool: is what came before there?
    next @12;                  #           [id]          Between two chains: the next begins at the
                               # object again, or at the server's object of that number, and the
                               # outcome is one of many.
  }
}

struct Request {
  # The object: 0 is the one that the channel was made for.
  target @0 :UInt64;

  operations @1 :List(Operation);

  # When the caller gives up, in nanoseconds of CLOCK_MONOTONIC, which is one for all processes of a
  # machine; 0 if never. A request that is found late is not evaluated. On its way to another machine
  # what is left travels beside it (`left` in rpc.capnp), and becomes a deadline there.
  deadline @2 :Int64;

  # The thread of the sender's process that makes the call, for objects that know their owner, as
  # locks do; 0 if unknown. Unique in that process, and not reused.
  thread @3 :UInt32;
}

struct Outcome {
  union {
    value @0 :Value;
    itself @1 :Void;           # The object on which the last call was made, as `return *this`.
    error @2 :Error;
    many @3 :List(Outcome);    # One for each chain, none of which is `many`.
  }
}

# An exception. An unknown type is a RemoteError to the caller.
struct Error {
  type @0 :Text;               # The C++ name: "std::out_of_range".
  message @1 :Text;            # what()
  traceback @2 :List(Text);    # The frames of the throw, innermost last.
  causes @3 :List(Error);      # The nested exceptions, nearest first.
  pid @4 :Int32;
  process @5 :Text;
  thread @6 :Text;
  group @7 :Text;
  time @8 :Int64;              # Nanoseconds since the Unix epoch.
  sequence @9 :UInt64;         # Orders the errors of one log.
  fields @10 :Value;           # A registered type's data besides its message.
  base @11 :Text;              # For a type that the sender does not know either: the nearest base
                               # that it knows, to which `fields` belong.
}
