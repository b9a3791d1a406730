# SPDX-License-Identifier: MIT
#
# The smallest call that there is: what Cap'n Proto RPC takes alone.

@0xb3f1d5c27a9e6084;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("bench::schema");

interface Counter {
  add @0 (n :Int64) -> (sum :Int64);
}
