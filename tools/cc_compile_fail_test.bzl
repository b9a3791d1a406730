"""A test that passes if the compiler refuses a source, with the right words."""

load("//tools:try_compile.bzl", "TRY_COMPILE", "try_compile")

_SCRIPT = """#!/bin/sh
# Succeeds if the log of try_compile tells of a failure, in the words expected.
log={log}
expect={expect}
if grep -qx 'try_compile: compiled' "$log"; then
  echo "It compiled, but should not:" {src}
  exit 1
elif ! grep -Eq -e "$expect" "$log"; then
  echo "It did not compile, but the compiler did not say: $expect"
  cat "$log"
  exit 1
fi
"""

def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"

def _cc_compile_fail_test_impl(ctx):
    log = try_compile(ctx, ctx.file.src)
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(script, is_executable = True, content = _SCRIPT.format(
        log = _quote(log.short_path),
        expect = _quote(ctx.attr.expect),
        src = _quote(ctx.file.src.short_path),
    ))
    return [DefaultInfo(executable = script, runfiles = ctx.runfiles([log]))]

_cc_compile_fail_test = rule(
    implementation = _cc_compile_fail_test_impl,
    attrs = dict(
        TRY_COMPILE.attrs,
        src = attr.label(allow_single_file = [".cc"], mandatory = True),
        expect = attr.string(mandatory = True),
    ),
    fragments = TRY_COMPILE.fragments,
    toolchains = TRY_COMPILE.toolchains,
    test = True,
)

def cc_compile_fail_test(name, src, expect, deps = [], tags = [], **kwargs):
    """Passes if `src` does not compile and the compiler's messages match `expect`.

    Args:
      name: ends in _test.
      src: one source file.
      expect: an extended regular expression, of one line. Choose words that are
        ours (of a static_assert, of a name), not the compiler's: GCC and Clang
        both run these tests.
      deps: as of a cc_test.
      tags: added to "static", which the sanitizers' lanes leave out.
      **kwargs: passed to the test rule.
    """
    _cc_compile_fail_test(
        name = name,
        size = "small",
        src = src,
        expect = expect,
        tags = ["static"] + tags,
        deps = deps,
        **kwargs
    )
