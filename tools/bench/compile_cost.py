# SPDX-License-Identifier: MIT
"""The cost of compiling with the library: seconds, and the compiler's memory at its most."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
NAME = "compile"
ROUNDS = 3

SOURCES = [
    ("includes some of the standard library", "standard.cc"),
    ("includes remoteobj/remoteobj.h, no more", "include.cc"),
    ("describes 50 members, uses 20", "fifty.cc"),
]


def _compile(command, root, source):
    """Seconds and MiB."""
    begin = time.monotonic()
    # The compiler is a child of the command: only wait4 in between tells of it alone.
    process = subprocess.Popen([a.replace("SOURCE", source) for a in command], cwd=root,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise OSError(said.decode(errors="replace").strip().split("\n")[-1])
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def _figures(name, values):
    values = sorted(values)
    return {"name": name, "calls": len(values), "mean": sum(values) / len(values),
            "quantiles": [values[round(i / 9 * (len(values) - 1))] for i in range(10)]}


def rows(command_file):
    """The rows of the table; none if there is no compiler. See compile_command.bzl."""
    command_file = os.path.realpath(command_file)
    root, in_output, _ = command_file.partition("/bazel-out/")
    found = {what: [] for what, _ in SOURCES}
    try:
        if not in_output:
            raise OSError("Bazel's outputs are not there")
        with open(command_file, encoding="utf-8") as f:
            command = f.read().splitlines()
        for _ in range(ROUNDS):
            for what, source in SOURCES:
                source = os.path.join(HERE, "compile_cost", source)
                found[what].append(_compile(command, root, source))
    except OSError as e:
        print("no cost of compiling: %s" % e, file=sys.stderr)
        return []
    return [{"group": "compiling one file", "what": what + suffix, "unit": unit,
             "ours": _figures("ours", [figures[i] for figures in found[what]])}
            for i, (suffix, unit) in enumerate((("", "s"), (": memory", "MiB")))
            for what, _ in SOURCES]
