#!/usr/bin/env bash
# The program was made with what SECURITY.md says of the build, and is ended where it overruns.
set -u
probe=$1
failed=0
expect() {  # what, where, a pattern
  if ! grep -Eq "$3" <<<"$2"; then
    echo "hardening: $1 is missing"
    failed=1
  fi
}
expect_abort() {  # what the program overruns
  "$probe" "$1" 2>/dev/null
  if [ $? -ne 134 ]; then
    echo "hardening: a $1 was overrun"
    failed=1
  fi
}
symbols=$(readelf --wide --dyn-syms "$probe")
segments=$(readelf --wide --segments "$probe")
expect "PIE" "$(readelf --wide --file-header "$probe")" 'Type: +DYN'
expect "RELRO" "$segments" 'GNU_RELRO'
expect "a stack that is not executable" "$segments" 'GNU_STACK +.* RW +0x'
expect "immediate binding" "$(readelf --wide --dynamic "$probe")" 'BIND_NOW|FLAGS.*NOW'
expect "the stack protector" "$symbols" '__stack_chk_fail'
expect "_FORTIFY_SOURCE" "$symbols" '__memcpy_chk'
expect_abort buffer
expect_abort vector
"$probe" || failed=1
exit $failed
