#!/bin/sh
# Each of these tests must fail, and say why.
set -eu

must_fail() {
  if said=$("tools/testdata/$1.sh"); then
    echo "$1 passed, but should not"
    exit 1
  fi
  case $said in
    *"$2"*) ;;
    *) echo "$1 failed, but said: $said"; exit 1 ;;
  esac
}

must_fail compiles_test "It compiled, but should not: tools/testdata/compiles.cc"
must_fail other_words_test "the compiler did not say: TakesPointer wants a cat"
must_fail not_alone_test "remoteobj/tools/testdata/not_alone.h"
