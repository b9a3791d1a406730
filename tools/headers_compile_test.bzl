"""A test that each of our headers compiles alone, without a warning.

A header whose source of the same name includes it first (tidy.py looks after that) is compiled alone
by that source.
"""

load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load("//tools:defs.bzl", "WARNINGS")
load("//tools:try_compile.bzl", "TRY_COMPILE", "try_compile")

_SCRIPT = """#!/bin/sh
# Succeeds if each log of try_compile tells of a success.
failed=0
for log in {logs}; do
  grep -qx 'try_compile: compiled' "$log" || {{ cat "$log"; failed=1; }}
done
exit $failed
"""

SourcesInfo = provider("The sources of a target and of what it depends on.", fields = {"paths": "depset"})

def _sources_impl(_, ctx):
    attr = ctx.rule.attr
    files = [f.short_path for src in getattr(attr, "srcs", []) for f in src.files.to_list()]
    deps = [dep[SourcesInfo].paths for dep in getattr(attr, "deps", []) if SourcesInfo in dep]
    return [SourcesInfo(paths = depset(files, transitive = deps))]

_sources = aspect(implementation = _sources_impl, attr_aspects = ["deps"])

def _as_included(header):
    """How a header of ours is included, or None for another's or a generated one."""
    _, _, path = header.path.partition("/_virtual_includes/")
    _, _, path = path.partition("/")
    return path if path.startswith("remoteobj/") and not path.endswith(".capnp.h") else None

def _headers_compile_test_impl(ctx):
    headers = {}
    for dep in ctx.attr.deps:
        for header in dep[CcInfo].compilation_context.headers.to_list():
            headers[_as_included(header)] = True
    headers.pop(None)
    for dep in ctx.attr.deps:
        for source in dep[SourcesInfo].paths.to_list():
            if source.endswith(".cc"):
                headers.pop("remoteobj/" + source[:-len(".cc")] + ".h", None)
    if not headers:
        fail("%s has no headers to test" % ctx.label)
    logs = []
    for header in sorted(headers):
        # Twice, for its include guard.
        src = ctx.actions.declare_file("_headers/%s/%s.cc" % (ctx.label.name, header.replace("/", "_")))
        ctx.actions.write(src, '#include "{0}"\n#include "{0}"\n'.format(header))

        # Users compile these with more warnings than we do.
        logs.append(try_compile(ctx, src, copts = WARNINGS + ["-Wshadow", "-Werror"]))
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(script, is_executable = True, content = _SCRIPT.format(
        logs = " ".join([log.short_path for log in logs]),
    ))
    return [DefaultInfo(executable = script, runfiles = ctx.runfiles(logs))]

headers_compile_test = rule(
    doc = "Passes if each header of ours in `deps`, and in what they depend on, compiles alone.",
    implementation = _headers_compile_test_impl,
    attrs = dict(TRY_COMPILE.attrs, deps = attr.label_list(providers = [CcInfo], aspects = [_sources])),
    fragments = TRY_COMPILE.fragments,
    toolchains = TRY_COMPILE.toolchains,
    test = True,
)
