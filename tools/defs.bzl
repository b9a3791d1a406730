"""The project's C++ rules: cc_library, cc_test and cc_binary with its flags.

They only fill in what every target here has in common. For code that must not
compile there is cc_compile_fail_test, in //tools:cc_compile_fail_test.bzl.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

# They are errors with --config=ci.
WARNINGS = ["-Wall", "-Wextra"]

# Also in a project that depends on this one: an index out of bounds ends the process. SECURITY.md
# has the cost.
HARDENING = ["-D_GLIBCXX_ASSERTIONS"]

# For -c opt only: _FORTIFY_SOURCE needs an optimising compiler. Bazel's own is 1.
OPTIMIZED_HARDENING = [
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
    "-fstack-protector",
]

def _hardening():
    return HARDENING + select({
        "//tools:optimized": OPTIMIZED_HARDENING,
        "//conditions:default": [],
    })

def remoteobj_cc_library(name, copts = [], **kwargs):
    """A cc_library whose headers are included as "remoteobj/PACKAGE/HEADER.h".

    The prefix keeps a header of ours apart from a consumer's of the same path.
    It reaches `hdrs` only: a private header belongs in the hdrs of a library
    with private visibility, not in srcs.

    Args:
      name: as of a cc_library.
      copts: added to the project's flags.
      **kwargs: passed to cc_library.
    """
    package = native.package_name()
    cc_library(
        name = name,
        copts = WARNINGS + _hardening() + copts,
        include_prefix = "remoteobj/" + package if package else "remoteobj",
        **kwargs
    )

def remoteobj_cc_test(name, copts = [], size = "small", **kwargs):
    """A cc_test with the project's warnings; small (60 s at most) by default."""
    cc_test(
        name = name,
        copts = WARNINGS + copts,
        size = size,
        **kwargs
    )

def remoteobj_cc_binary(name, copts = [], linkopts = [], **kwargs):
    """A cc_binary with the project's flags."""
    cc_binary(
        name = name,
        copts = WARNINGS + _hardening() + copts,
        linkopts = ["-Wl,-z,relro,-z,now"] + linkopts,
        **kwargs
    )
