#!/usr/bin/env bash
# The command `remoteobj`: serves, is looked into, ends at a signal; and says what is wrong.
set -euo pipefail

remoteobj=$PWD/$1
cd "${TEST_TMPDIR:-$(mktemp -d)}"

fail() {
  echo "$1" >&2
  cat out err >&2 || :
  exit 1
}

head -c 32 /dev/urandom >key
head -c 32 /dev/urandom >another

"$remoteobj" serve unix:socket --key_file=key >out 2>err &
server=$!
trap 'kill $server 2>/dev/null || :' EXIT
for _ in $(seq 600); do
  grep -q '^listening at unix:socket$' out && break
  sleep 0.1
done
grep -q '^listening at unix:socket$' out || fail 'it does not listen'

"$remoteobj" inspect unix:socket --key_file=key >seen 2>&1 || fail 'it can not be inspected'
grep -q '^0 objects$' seen || fail "$(cat seen)"
grep -q '^1 clients' seen || fail "$(cat seen)"

! "$remoteobj" inspect unix:socket --key_file=another >seen 2>&1 || fail 'another key is let in'
grep -q 'failed to prove its key' seen || fail "$(cat seen)"
! "$remoteobj" inspect unix:nothing >seen 2>&1 || fail 'there is something where nothing is'
grep -q 'no server listens at unix:nothing' seen || fail "$(cat seen)"
! "$remoteobj" serve tcp:0.0.0.0:0 >seen 2>&1 || fail 'it listens to the world without a key'
grep -q 'needs a key' seen || fail "$(cat seen)"
! "$remoteobj" serve >seen 2>&1 || fail 'it takes no address'

kill -TERM $server
wait $server || fail 'it does not end well'
[[ ! -e socket ]] || fail 'its socket is left over'

# By TCP it is encrypted, unless both sides are told otherwise.
for plaintext in false true; do
  "$remoteobj" serve tcp:127.0.0.1:0 --key_file=key --plaintext=$plaintext >out 2>err &
  server=$!
  for _ in $(seq 600); do
    grep -q '^listening at tcp:' out && break
    sleep 0.1
  done
  address=$(sed -n 's/^listening at //p' out)
  "$remoteobj" inspect "$address" --key_file=key --plaintext=$plaintext >seen 2>&1 ||
    fail "$(cat seen)"
  other=$([[ $plaintext = true ]] && echo false || echo true)
  ! "$remoteobj" inspect "$address" --key_file=key --plaintext=$other >seen 2>&1 ||
    fail 'one side alone is in plain text'
  grep -q 'option plaintext is set' seen || fail "$(cat seen)"
  kill -TERM $server
  wait $server || fail 'it does not end well'
done
