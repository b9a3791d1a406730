#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the house stands, in numbers: sizes, folders, layering, words.

  tools/house.py [REVISION...]

Prints a table with a column for each revision, and one for the files as they are.
Tests, benchmarks and generated files are left out, except where a row says so.
"""

import collections
import io
import os
import re
import statistics
import subprocess
import sys
import tarfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools", "tidy"))

import tidy  # pylint: disable=wrong-import-position

MODULES = tidy.LAYERS
TEST = re.compile(r"(^|/)(tests|testdata|compile_fail)/|_(test|testing|fuzz|benchmark|conformance)\.(cc|h)$"
                  r"|/(test_helpers|in_process_manager)\.h$")
INTERNAL = re.compile(r"/(internal|server)/")
DIALECT = [word for word, _ in tidy.DIALECT]


def working_tree():
    names = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout
    files = {}
    for name in names.split("\n"):
        if os.path.isfile(name) and "/testdata/" not in name:
            with open(name, encoding="utf-8", errors="replace") as f:
                files[name] = f.read()
    return files


def revision(name):
    archive = subprocess.run(["git", "archive", name], check=True, capture_output=True).stdout
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            if member.isfile() and "/testdata/" not in member.name:
                files[member.name] = tar.extractfile(member).read().decode("utf-8", "replace")
    return files


def lines(text):
    return text.count("\n")


def spread(sizes):
    """The median, the 90th percentile and the largest."""
    sizes = sorted(sizes)
    return "%d / %d / %d" % (statistics.median(sizes), sizes[int(0.9 * (len(sizes) - 1))], sizes[-1])


def function_sizes(text):
    """In lines, by the layout that clang-format gives: from `... {` to `}` in the same column."""
    sizes, open_at = [], {}
    for number, line in enumerate(text.split("\n")):
        indent = len(line) - len(line.lstrip())
        if re.match(r"\s*\}\s*(;|//.*)?$", line) and indent in open_at:
            sizes.append(number - open_at.pop(indent) + 1)
        elif re.search(r"\)[\w\s&:<>,()*]*\{$", line) and indent <= 4 and not re.match(
                r"\s*(if|for|while|switch|else|do|namespace|class|struct|enum|\}|return)\b", line):
            open_at = {i: n for i, n in open_at.items() if i < indent}
            open_at[indent] = number
    return sizes


def public_types(text):
    """Types of namespace remoteobj itself, by the comments that close namespaces."""
    found, inner = [], []
    for line in text.split("\n"):
        opened = re.match(r"namespace (?:remoteobj::)?(\w*)", line)
        if opened and line.endswith("{"):
            inner.append(line)
        elif re.match(r"\}  // namespace", line) and inner:
            inner.pop()
        elif inner and all(re.match(r"namespace remoteobj \{", n) for n in inner):
            declared = re.match(r"(?:class|struct|enum class) (\w+)(?: final)?(?: :.*)? ?[{:]?.*\{", line)
            if declared and declared[1] != "Codec" and not declared[1].endswith("Access"):
                found.append(declared[1])
    return found


def comments(path, text):
    if path.endswith(".md"):
        return re.sub(r"```.*?```", "", text, flags=re.S)
    return "\n".join(re.findall(r"(?://|#) ?(.*)", text))


def measure(files):
    code = {p: t for p, t in files.items()
            if p.endswith((".h", ".cc")) and p.split("/")[0] in MODULES and not TEST.search(p)}
    headers = {p: t for p, t in code.items() if p.endswith(".h")}
    sources = {p: t for p, t in code.items() if p.endswith(".cc")}
    rows = {}
    for module in MODULES:
        rows["lines of %s/" % module] = sum(lines(t) for p, t in code.items() if p.startswith(module + "/"))
        rows["lines of its tests (%s/)" % module] = sum(
            lines(t) for p, t in files.items()
            if p.startswith(module + "/") and p.endswith((".h", ".cc")) and TEST.search(p))
    rows["headers, lines: median / 90% / largest"] = spread([lines(t) for t in headers.values()])
    rows["sources, lines"] = spread([lines(t) for t in sources.values()])
    rows["functions, lines"] = spread([s for t in code.values() for s in function_sizes(t)])
    folders = collections.Counter(os.path.dirname(p) for p in files
                                  if p.split("/")[0] in MODULES)
    (folder, count), = folders.most_common(1)
    rows["files of the fullest folder"] = "%d (%s/)" % (count, folder)
    rows["public types declared in internal headers"] = sum(
        len(public_types(t)) for p, t in headers.items() if INTERNAL.search(p))
    rows["calls named by a string"] = sum(
        len(re.findall(r"\b(?:Ask|Call|CallFor|CallForAtLeast|At|AskFor|Tell)(?:<[^;()]*>)?\(\s*\"", t))
        for p, t in code.items() if p.startswith("manager/") and "/server/" not in p)
    rows["mutable global hooks"] = sum(
        len(re.findall(r"^inline (?:constinit )?(?!const|thread_local)[\w:]+ \w+ = nullptr;", t, re.M))
        for t in code.values())
    rows["protocol decisions by substring"] = sum(
        len(re.findall(r"what\(?\)?\.find\(|text\.find\(\"|[dD]escription\w*\(?\)?\.(?:find|startsWith|contains)\(", t))
        for p, t in code.items() if p.startswith("transport/"))
    words = [comments(p, t) for p, t in files.items() if p.endswith((".h", ".cc", ".md", ".capnp"))]
    total = sum(len(re.findall(r"[A-Za-z']+", t)) for t in words)
    found = sum(len(re.findall(r"\b(?:%s)\b" % "|".join(DIALECT), t, re.I)) for t in words)
    rows["words of the dialect per 10,000"] = "%.1f" % (10000 * found / total)
    return rows


def main():
    os.chdir(ROOT)
    columns = [(name, measure(revision(name))) for name in sys.argv[1:]]
    columns.append(("now", measure(working_tree())))
    print("| | %s |" % " | ".join(name for name, _ in columns))
    print("|---" * (len(columns) + 1) + "|")
    for row in columns[0][1]:
        print("| %s | %s |" % (row, " | ".join(str(rows.get(row, "")) for _, rows in columns)))


if __name__ == "__main__":
    main()
