#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the house stands, in numbers: sizes, folders, layering, words.

Prints a table with a column for each revision, and one for the files as they are. Tests, benchmarks
and generated files are left out, except where a row says so. The last column has the range of the
codebases that we measure ourselves against (Abseil, Cap'n Proto, LevelDB, Sandboxed API), for rows
that were counted there.
"""

import argparse
import collections
import io
import os
import re
import statistics
import subprocess
import sys
import tarfile

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools", "tidy"))

import tidy  # pylint: disable=wrong-import-position

MODULES = tidy.LAYERS
TEST = re.compile(r"(^|/)(tests|testdata|compile_fail)/|_(test|testing|fuzz|benchmark|conformance)\.(cc|h)$")
INTERNAL = re.compile(r"/(internal|server)/")
LONG_FILE = 600
FULL_FOLDER = 40

# Words and sentence starts of the dialect, and how many per 10,000 the anchors have of each.
DIALECT = {
    "refused words (whoever, anew, is to be, ...)": ("0 to 0.4", [w for w, _ in tidy.DIALECT] + ["meanwhile"]),
    "sentences that begin with Of, What, As, ...": ("0 to 3.2", None),
    '"gives" and "Whether"': ("1.3 to 2.8", ["gives(?! up)", "(?-i:Whether)"]),
}
ANCHORS = {"words of the dialect per 10,000": "1.8 to 6.2"}
ANCHORS.update({"... " + kind: anchors for kind, (anchors, _) in DIALECT.items()})
ANCHORS["headers, lines: median / 90% / largest"] = "under 100 / near 220"
ANCHORS["functions, lines"] = "7 to 13 / under 50"


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
    sizes = sorted(sizes) or [0]
    return "%d / %d / %d" % (statistics.median(sizes), sizes[int(0.9 * (len(sizes) - 1))], sizes[-1])


def code_lines(text):
    """Its lines without those that are comments alone."""
    return [line for line in text.split("\n") if not line.lstrip().startswith("//")]


def function_sizes(text):
    """In lines of code, by the layout that clang-format gives: from `... {` to `}` in the same column."""
    sizes, open_at = [], {}
    for number, line in enumerate(code_lines(text)):
        indent = len(line) - len(line.lstrip())
        if re.match(r"\s*\}\s*(;|//.*)?$", line) and indent in open_at:
            sizes.append(number - open_at.pop(indent) + 1)
        elif re.search(r"\)[\w\s&:<>,()*]*\{$", line) and indent <= 4 and not re.match(
                r"\s*(if|for|while|switch|else|do|namespace|class|struct|enum|\}|return)\b", line):
            open_at = {i: n for i, n in open_at.items() if i < indent}
            open_at[indent] = number
    return sizes


# The public interface.


class Class:
    """A class as its header declares it: names of public operations, what derives and refers."""

    def __init__(self, name, path, public):
        self.name, self.path = name, path
        self.public = public  # In namespace remoteobj itself.
        self.bases = set()  # Public ones.
        self.operations = {}  # Name to the classes that its declaration names.
        self.redeclared = set()  # By `using Base::name;`.


HEAD = re.compile(r"^(class|struct) (\w+)(?:<.*>)?(?: final)?(?: : (.*?))? ?(?:\{.*)?$")
NOT_OPERATIONS = re.compile(r"(?:^|> |\) )(using|typedef|friend|static_assert|enum|class|struct|union|return)\b|^#")


def classes(path, text):
    """The classes of a header that are not nested in others, by clang-format's layout."""
    found = []
    namespaces = []
    current = None
    parts = []  # Lines of a declaration that goes on.
    inside = ""  # The indentation of a body, until its end.
    public = False
    for full in code_lines(text):
        line = full.split("  // ")[0].rstrip()
        indent = len(line) - len(line.lstrip())
        if current is None:
            namespace = re.match(r"(?:inline )?namespace ([\w:]*) ?\{$", line)
            if namespace:
                namespaces.append(namespace[1])
            elif line.startswith("}") and "// namespace" in full and namespaces:
                namespaces.pop()
            elif re.match(r"(class|struct) ", line) or parts and parts[0].startswith(("class", "struct")):
                parts.append(line.strip())
                if not line.endswith(("{", ";", "}")):
                    continue
                head = HEAD.match(" ".join(parts))
                if head and not parts[-1].endswith(";"):
                    current = Class(head[2], path, namespaces == ["remoteobj"])
                    public = head[1] == "struct"
                    current.bases = _bases(head[3] or "", public)
                    found.append(current)
                parts = []
            continue
        if line in ("};", "}"):
            current, parts, inside = None, [], ""
        elif inside:
            if indent == len(inside) and line.strip().startswith("}"):
                inside = ""
        elif re.match(r" \w+:$", line):
            public, parts = line.strip() == "public:", []
        elif indent >= 2 and line.strip():
            parts.append(line.strip())
            if line.endswith(("{", ";", "}")):
                if line.endswith("{"):
                    inside = "  "
                if public:
                    _declare(current, " ".join(parts))
                parts = []
    return found


def _bases(text, public):
    bases = set()
    for base in re.split(r",(?![^<]*>)", text):
        access = re.match(r"\s*(public|private|protected)\b", base)
        if access[1] == "public" if access else public:
            name = re.sub(r"<.*", "", re.sub(r"^\s*(public|virtual)\s+", "", base)).strip()
            bases.add(name.split("::")[-1])
    return bases - {""}


def _declare(owner, declaration):
    using = re.match(r"using .*?(\w+);", declaration)
    if using and "=" not in declaration:
        owner.redeclared.add(using[1])
    signature = re.split(r" \{| = (?:default|delete|0);|;", declaration)[0]
    # Without the arguments of templates, which may have parentheses.
    flat = re.sub(r"operator(<=>|<<?|>>?|->)|->", lambda m: m[0].replace("<", "{").replace(">", "}"), signature)
    while re.search(r"<[^<>]*>", flat):
        flat = re.sub(r"<[^<>]*>", "", flat)
    flat = re.sub(r"\brequires ?(\(.*?\) |[\w:]+ )", "", flat.replace("template ", ""))
    name = re.search(r"\b(operator\(\)|operator ?[^\s(]+|\w+)\(", flat)
    if (name is None or NOT_OPERATIONS.search(declaration) or "~" in flat or "= delete" in declaration
            or name[1] in (owner.name, "requires", "decltype") or " = " in flat[:name.start()]):
        return
    spelled = name[1].replace("{", "<").replace("}", ">")
    before, _, after = signature.partition(spelled + "(")
    named = set(re.findall(r"\w+", before + after.partition("->")[2]))
    named |= {w for r in re.findall(r"return (\w[\w:]*)", declaration) for w in r.split("::")}
    owner.operations.setdefault(spelled, set()).update(named)


def internal_operations(headers):
    """Class::operation that a user can call, and that no public header declares.

    Users reach each class of namespace remoteobj in a public header; its public bases; and each class
    that an operation of theirs returns. `operator->` is documented where its chain begins. Parts of
    the implementation that its own classes hand one another are no operations."""
    everything = [c for path, text in headers.items() for c in classes(path, text)]
    reached, found = {}, {}
    everything = [c for c in everything if c.name != "Codec"]  # No user calls it.
    todo = [(c, frozenset()) for c in everything if c.public and not INTERNAL.search(c.path)]
    while todo:
        one, shown = todo.pop()
        if id(one) in reached and reached[id(one)] <= shown:
            continue
        shown = reached[id(one)] = reached.get(id(one), shown) & shown
        if INTERNAL.search(one.path):
            found[id(one)] = ["%s::%s" % (one.name, name) for name in sorted(set(one.operations) - shown)]
        here = shown if INTERNAL.search(one.path) else shown | set(one.operations) | one.redeclared
        beside = [c for c in everything if c.path.split("/")[0] == one.path.split("/")[0]]
        todo += [(c, here) for c in beside if c.name in one.bases]
        for operation, names in one.operations.items() if one.public else ():
            arrow = frozenset(["operator->"] if operation == "operator->" else [])
            todo += [(c, arrow) for c in beside if c.name in names]
    return sorted(set(sum(found.values(), [])))


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
            declared = re.match(r"(?:class|struct|enum class) (?:alignas\(.*?\) )?(\w+)\b(?!::|\().*\{", line)
            if declared and declared[1] != "Codec" and not declared[1].endswith("Access"):
                found.append(declared[1])
    return found


# Words.


def dialect(files):
    """Words of each kind of the dialect, per 10,000, in comments and documents."""
    texts = {p: t for p, t in files.items()
             if p.endswith((".h", ".cc", ".md", ".capnp")) and p != "CHANGELOG.md"}
    words = "\n".join(said for p, t in texts.items() for _, said, _ in tidy.prose(p, t))
    starts = sum(bool(re.fullmatch(tidy.STARTS, word)) and word != "Whether"
                 for p, t in texts.items() for _, word, _ in tidy.sentence_starts(p, t))
    total = len(re.findall(r"[A-Za-z']+", words)) or 1
    counts = {
        kind: len(re.findall(r"\b(?:%s)\b" % "|".join(patterns), words, re.I)) if patterns else starts
        for kind, (_, patterns) in DIALECT.items()}
    return {kind: 10000 * count / total for kind, count in counts.items()}


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
    rows["files of over %d lines" % LONG_FILE] = sum(lines(t) > LONG_FILE for t in code.values())
    folders = collections.Counter(os.path.dirname(p) for p in files if p.split("/")[0] in MODULES)
    (folder, count), = folders.most_common(1) or [("", 0)]
    rows["files of the fullest folder"] = "%d (%s/)" % (count, folder)
    rows["folders of over %d files" % FULL_FOLDER] = sum(c > FULL_FOLDER for c in folders.values())
    rows["public types declared in internal headers"] = sum(
        len(public_types(t)) for p, t in headers.items() if INTERNAL.search(p))
    rows["public operations declared in internal headers"] = len(internal_operations(headers))
    rows["calls named by a string"] = sum(
        len(re.findall(r"\b(?:Ask|Call|CallFor|CallForAtLeast|At|AskFor|Tell)(?:<[^;()]*>)?\(\s*\"", t))
        for p, t in code.items() if p.startswith("manager/") and "/server/" not in p)
    rows["mutable global hooks"] = sum(
        len(re.findall(r"^inline (?:constinit )?(?!const|thread_local)[\w:]+ \w+ = nullptr;", t, re.M))
        for t in code.values())
    rows["protocol decisions by substring"] = sum(
        len(re.findall(r"what\(?\)?\.find\(|text\.find\(\"|[dD]escription\w*\(?\)?\.(?:find|startsWith|contains)\(", t))
        for p, t in code.items() if p.startswith("transport/"))
    kinds = dialect(files)
    rows["words of the dialect per 10,000"] = "%.1f" % sum(kinds.values())
    for kind, count in kinds.items():
        rows["... " + kind] = "%.1f" % count
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", metavar="REVISION", nargs="*", help="a commit, tag or branch to compare with")
    parser.add_argument("--operations", action="store_true",
                        help="list the public operations that only internal headers declare")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if arguments.operations:
        headers = {p: t for p, t in working_tree().items()
                   if p.endswith(".h") and p.split("/")[0] in MODULES and not TEST.search(p)}
        print("\n".join(internal_operations(headers)))
        return
    columns = [(name, measure(revision(name))) for name in arguments.revisions]
    columns.append(("now", measure(working_tree())))
    print("| | %s | anchors |" % " | ".join(name for name, _ in columns))
    print("|---" * (len(columns) + 2) + "|")
    for row in columns[0][1]:
        print("| %s | %s | %s |" % (row, " | ".join(str(rows.get(row, "")) for _, rows in columns),
                                    ANCHORS.get(row, "")))


if __name__ == "__main__":
    main()
