#!/bin/sh
# Runs an example, and compares what it prints with what it should print. In a
# line of the expected text that has a '#', each number may be any.
#
#   example_test.sh PROGRAM EXPECTED
set -u
"$1" >"$TEST_TMPDIR/output"
status=$?
cat "$TEST_TMPDIR/output"
[ $status = 0 ] || { echo "$1 ended with $status" >&2; exit 1; }
awk '
  FILENAME == ARGV[1] { expected[FNR] = $0; next }
  index(expected[FNR], "#") { gsub(/[0-9]+/, "#") }
  { print }
' "$2" "$TEST_TMPDIR/output" | diff -u "$2" -
