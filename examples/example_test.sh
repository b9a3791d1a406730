#!/bin/sh
# Runs an example, and compares what it prints with what it should print. Numbers
# differ from run to run: in the expected text each is a '#'.
#
#   example_test.sh PROGRAM EXPECTED
set -u
"$1" >"$TEST_TMPDIR/output"
status=$?
cat "$TEST_TMPDIR/output"
[ $status = 0 ] || { echo "$1 ended with $status" >&2; exit 1; }
sed -E 's/[0-9]+(\.[0-9]+)?/#/g' "$TEST_TMPDIR/output" | diff -u "$2" -
