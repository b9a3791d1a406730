#!/usr/bin/env bash
# Checks the models of the shared-memory channel's protocol with Spin, exhaustively: each of them as
# it is, and with faults of the protocol put in, which must be found.
#
#   shared_memory_channel_model_test.sh DIRECTORY [--full]
#
# --full: also what takes minutes and gigabytes.
set -u
models=$(cd "$1" && pwd)
full=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# check holds|fails MODEL OPTIONS [progress]: expects that all assertions and end states hold, and, with
# `progress`, that no infinite run (under fair scheduling) is without progress.
check() {
  local expected=$1 model=$2 options=$3 mode=-DSAFETY arguments= result
  if [[ ${4:-} == progress ]]; then
    mode='-DNP -DNFAIR=6'
    arguments='-l -f'
  fi
  # Options are words.
  # shellcheck disable=SC2086
  if ! { spin -a $options "$models/$model.pml" >spin.out &&
    gcc -w -O2 $mode -DCOLLAPSE -DVECTORSZ=512 -DMEMLIM=8000 -o pan pan.c &&
    ./pan -m400000 $arguments >pan.out; }; then
    cat spin.out pan.out
    echo "FAILED: could not check $model $options"
    failed=1
    return
  fi
  if grep -qE 'out of memory|max search depth too small' pan.out; then
    result='not finished'
  elif grep -qE 'errors: 0' pan.out; then
    result=holds
  else
    result=fails
  fi
  printf '%-12s %s %s%s (%s states)\n' "$result" "$model" "$options" "${4:+ $4}" \
    "$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' pan.out | head -n 1)"
  if [[ $result != "$expected" ]]; then
    grep -E '^pan:|error' pan.out
    echo "FAILED: expected that it $expected"
    failed=1
  fi
}

channel=shared_memory_channel
order=shared_memory_channel_order
slots=shared_memory_channel_slots
# -DNOSLICE: a lost wake-up shows, since no slice ends the sleep. Slices are for the listener's death.
check holds $channel '-DNC=2 -DCALLS=1 -DNOSLICE'
check holds $channel '-DNC=2 -DCALLS=1 -DNOSLICE -DCDIE'
check holds $channel '-DNC=2 -DCALLS=1' progress
check holds $channel '-DNC=1 -DCALLS=2 -DNOSLICE -DCLOSE -DCDIE'
check holds $channel '-DNC=1 -DCALLS=2 -DNOSLICE -DCLOSE -DBG -DCDIE'
check holds $channel '-DNC=1 -DCALLS=1 -DCDIE -DCLOSE' progress
check holds $channel '-DNC=1 -DCALLS=2 -DLDIE -DCDIE'
check holds $channel '-DNC=1 -DCALLS=1 -DLDIE -DCLOSE' progress
check holds $channel '-DNC=1 -DCALLS=2 -DGIVEUP -DANYSLICE -DLDIE -DCLOSE -DCDIE'
check fails $channel '-DNC=1 -DCALLS=1 -DNOSLICE -DCLOSE -DBG -DCDIE -DMUTATE_RING'
check fails $channel '-DNC=2 -DCALLS=1 -DNOSLICE -DCDIE -DMUTATE_RING'
check fails $channel '-DNC=1 -DCALLS=2 -DNOSLICE -DMUTATE_BIT'
check holds $order '-DCALLS=5'
check fails $order '-DMUTATE_TAKE'
check holds $slots ''
check holds $slots '-DCALLS=1 -DDIE'
check fails $slots '-DMUTATE_LIVING'
check fails $slots '-DCALLS=1 -DDIE -DMUTATE_SWEEP'
if [[ -n $full ]]; then
  check holds $channel '-DNC=2 -DCALLS=1 -DCLOSE'
  check holds $channel '-DNC=2 -DCALLS=1 -DLDIE'
  check holds $channel '-DNC=2 -DCALLS=1 -DNOSLICE -DCLOSE -DCDIE'
  check holds $channel '-DNC=2 -DCALLS=2 -DNOSLICE -DCDIE'
  check holds $channel '-DNC=2 -DCALLS=1 -DGIVEUP -DANYSLICE'
  check holds $channel '-DNC=1 -DCALLS=2 -DCLOSE -DBG -DCDIE -DLDIE -DANYSLICE -DGIVEUP'
  check holds $order '-DCALLS=6'
  check holds $order '-DCALLS=4 -DSLOTS=4'
  check holds $slots '-DDIE'
fi
exit $failed
