#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the library beside the machine's limits and beside its peers, in one run.

    tools/bazel run -c opt //tools/bench                         all, in less than five minutes
    tools/bazel run -c opt //tools/bench -- --only=calls         what has such a name: --list

measure (main.cc) does what is measured in C++, compile_cost.py the compiler; report.py makes a
table of it.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

import compile_cost  # pylint: disable=wrong-import-position
import report  # pylint: disable=wrong-import-position

CERTIFICATES = os.path.join(HERE, "..", "..", "transport", "rpc", "testdata", "tls")

# measure_members takes long to compile, so a test goes without it.
PROGRAMS = ["measure", "measure_members"]


def built(name):
    """A file that Bazel has made: beside this file's runfiles, or beside its link in bazel-bin."""
    folders = [os.path.join(os.getcwd(), "tools", "bench"), os.path.dirname(os.path.abspath(__file__))]
    for folder in folders:
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return None


def machine():
    """The facts that results depend on, and nothing that names the machine."""
    facts = {"cpu": platform.machine(), "cores": os.cpu_count()}
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    if model:
        facts["cpu"] = " ".join(model[1].split())
    with open("/proc/meminfo", encoding="utf-8") as f:
        facts["memory_gib"] = round(int(f.readline().split()[1]) / 2**20)
    facts["kernel"] = ".".join(platform.release().split(".")[:2])
    facts["virtual"] = "hypervisor" in open("/proc/cpuinfo", encoding="utf-8").read()
    return facts


def measure(options):
    """Rows as main.cc prints them, and whether all went well."""
    rows, well = [], True
    arguments = ["--only=" + options.only, "--seconds=%g" % options.seconds]
    if options.list:
        arguments.append("--list")
    os.environ["BENCH_CERTIFICATES"] = CERTIFICATES  # For TLS, peers included.
    with tempfile.TemporaryDirectory() as folder:
        if options.peers:
            arguments.append("--launcher='%s' '%s' '%s'" % (
                sys.executable, os.path.join(HERE, "peers.py"), folder))
        for program in filter(None, map(built, PROGRAMS)):
            with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE,
                                  text=True) as process:
                rows += [json.loads(line) for line in process.stdout]
            well = well and process.returncode == 0
    return rows, well


def path(argument):
    """The path that the user means: Bazel runs this somewhere else."""
    return os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", ""), argument)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", metavar="REGEX", help="what has such a name")
    parser.add_argument("--list", action="store_true", help="print the names, measure nothing")
    parser.add_argument("--seconds", type=float, default=0.4,
                        help="for each row, limit and peer (default: %(default)s)")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--json", type=path, metavar="PATH", help="write all results")
    parser.add_argument("--document", type=path, metavar="PATH",
                        help="put the main rows into this document, between its marks")
    parser.add_argument("--from", dest="source", type=path, metavar="JSON",
                        help="measure nothing: take what --json has written")
    options = parser.parse_args()

    well = True
    if options.source:
        with open(options.source, encoding="utf-8") as f:
            results = json.load(f)
    elif not built(PROGRAMS[0]):
        sys.exit("start this by tools/bazel run -c opt //tools/bench")
    else:
        rows, well = measure(options)
        if re.search(options.only, compile_cost.NAME):
            print(compile_cost.NAME, file=sys.stderr)
            rows += [] if options.list else compile_cost.rows(built("compile_command.txt") or "")
        results = {"machine": machine(), "rows": rows}
    if options.list:
        return 0
    print(report.table(results))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            f.write(report.dump(results))
    if options.document:
        with open(options.document, encoding="utf-8") as f:
            text = f.read()
        with open(options.document, "w", encoding="utf-8") as f:
            f.write(report.replace_between_marks(text, report.markdown(results)))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
