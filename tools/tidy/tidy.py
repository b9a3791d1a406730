"""Rules for this project's files that no compiler checks.

Every check takes a Tree and yields problems, one line each. tidy_test.py runs
them over the project, and over small trees that break each rule.
"""

import collections
import glob
import io
import os
import re
import tokenize

# A module may use those before it. The facade, at the root, uses all of them.
LAYERS = ["transport", "except", "process", "proxy", "manager"]
MAY_INCLUDE_CAPNP = ["transport", "manager", "tools"]
# The rooms of the modules, the most specific first, and those that they may not use.
ROOMS = {
    "transport/wire": ["transport/shared_memory", "transport/rpc"],
    "transport/shared_memory": ["transport/rpc"],
    "transport/rpc": [],
    "transport": ["transport/shared_memory", "transport/rpc"],
}
# Files that may use more than their module: its tests, benchmarks and fuzz targets.
TEST_ONLY = re.compile(r"(^|/)(compile_fail|tests)/|_(test|benchmark|fuzz|main)\.cc$|/testdata/")
# Libraries for tests, which are testonly targets.
FOR_TESTS = re.compile(r"_(testing|conformance)\.(h|cc)$")


class Tree:
    """The project's files, by their paths from its root."""

    def __init__(self, root):
        self.root = root
        self.files = []
        for directory, subdirectories, names in os.walk(root):
            here = os.path.relpath(directory, root)
            subdirectories[:] = sorted(
                d for d in subdirectories
                if d == ".ci" or not d.startswith((".", "bazel-")) and d != "node_modules")
            self.files += [os.path.normpath(os.path.join(here, n)) for n in sorted(names)]

    def matching(self, *suffixes):
        return [f for f in self.files if f.endswith(suffixes)]

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            return f.read()

    def exists(self, path):
        return bool(glob.glob(os.path.join(self.root, path)))


def package_of(path):
    """The top folder of a file; for one at the root, ''."""
    return path.split("/")[0] if "/" in path else ""


def first_lines(text, count):
    return (text.split("\n") + [""] * count)[:count]


# Sources.


def headers_introduce_themselves(tree):
    """Each header starts with its licence and a comment on what it is for."""
    for path in tree.matching(".h"):
        lines = first_lines(tree.read(path), 3)
        comment = [l for l in lines[1:] if re.match(r"// \w", l)]
        if lines[0] != "// SPDX-License-Identifier: MIT":
            yield "%s:1: the first line must be '// SPDX-License-Identifier: MIT'" % path
        elif not comment:
            yield "%s:2: a header starts with what it is for, after the licence" % path


def sources_include_their_header_first(tree):
    """So that the header is seen to compile alone."""
    for path in tree.matching(".cc"):
        header = path[:-len(".cc")] + ".h"
        if header in tree.files and not TEST_ONLY.search(path):
            included = re.search(r'^#include ["<](.*?)[">]', tree.read(path), re.MULTILINE)
            if included is None or not ("/" + included[1]).endswith("/" + header):
                yield "%s: the first include must be %s" % (path, header)


def sources_name_their_licence(tree):
    for path in tree.matching(".cc"):
        if first_lines(tree.read(path), 1)[0] != "// SPDX-License-Identifier: MIT":
            yield "%s:1: the first line must be '// SPDX-License-Identifier: MIT'" % path


def includes_go_down(tree):
    """Modules include only lower ones, and the libraries that are theirs to use."""
    top_folders = {package_of(f) for f in tree.files} - {""}
    for path in tree.matching(".h", ".cc"):
        module = package_of(path)
        # A workspace of its own, and what it does not share with ours.
        if path.startswith("testing/consumer/"):
            continue
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            problem = found and _wrong_include(path, module, found[1], top_folders)
            if problem:
                yield "%s:%d: %s: %s" % (path, number, found[1], problem)


def _wrong_include(path, module, included, top_folders):
    parts = included.split("/")
    if parts[0] in ("capnp", "kj") and module not in MAY_INCLUDE_CAPNP:
        return "only transport/ and manager/ know Cap'n Proto"
    if parts[0] == "glog" and path.endswith(".h") and "/internal/" not in path:
        return "glog's macros stay out of public headers"
    if len(parts) > 1 and parts[0] in top_folders:
        return "write remoteobj/%s: consumers see it so, and may have this path, too" % included
    if parts[0] != "remoteobj" or module not in LAYERS:
        return None
    room = next((r for r in ROOMS if path.startswith(r + "/")), module)
    for closed in ROOMS.get(room, []):
        if included.startswith("remoteobj/%s/" % closed) and not TEST_ONLY.search(path):
            return "%s/ knows nothing of %s/" % (room, closed)
    used = parts[1] if len(parts) > 2 else "the facade"
    if used == "testing":
        is_test = TEST_ONLY.search(path) or FOR_TESTS.search(path)
        return None if is_test else "only tests use testing/"
    if used not in LAYERS or LAYERS.index(used) > LAYERS.index(module):
        return "%s/ knows nothing of %s" % (module, used)
    return None


def all_public_headers_are_in_one_file(tree):
    """Each is in the facade, or in the test that compiles them together."""
    included = "".join(tree.read(p) for p in ("remoteobj.h", "testing/public_headers_test.cc")
                       if tree.exists(p))
    for path in tree.matching(".h"):
        public = (package_of(path) in LAYERS and "_testing." not in path
                  and not re.search(r"/(internal|server|tests)/", path))
        if public and '"remoteobj/%s"' % path not in included:
            yield "%s: include it in remoteobj.h, or in testing/public_headers_test.cc" % path


# Prose.

# Files whose prose is checked. The changelog speaks of the past.
PROSE = (".h", ".cc", ".md", ".capnp", ".pml", ".bazel", ".bzl", ".sh")
# Words of a dialect that readers from elsewhere trip over.
DIALECT = [
    (r"whoever", "name the caller, process or thread"),
    (r"anew", "restarted, re-executed, again"),
    (r"(is|are) to be", "must be, can be, or the verb alone"),
    (r"by now", "already, or nothing"),
    (r"who waits?", "a waiting caller, process or thread"),
]
# First words of sentences that have no noun for a subject, or hide it.
STARTS = r"Of|What|As|Where|Whether|Those|Who|That"


def words_are_plain(tree):
    """In comments, messages and documents."""
    for path in tree.matching(*PROSE):
        if path == "CHANGELOG.md":
            continue
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            for word, instead in DIALECT:
                found = re.search(r"\b%s\b" % word, line, re.IGNORECASE)
                if found:
                    yield '%s:%d: "%s": write %s' % (path, number, found[0], instead)


def sentences_have_subjects(tree):
    """No sentence of a comment or document begins with "What", "Of", "Those" and the like."""
    for path in tree.matching(".py", *PROSE):
        if path != "CHANGELOG.md":
            for number, start, text in sentence_starts(path, tree.read(path)):
                if re.fullmatch(STARTS, start):
                    yield '%s:%d: a sentence begins with "%s": begin with its subject: %s' % (
                        path, number, start, text)


def prose(path, text):
    """(line, text, begins) of each line of comments or of a document; `begins` a paragraph."""
    lines = _document(text) if path.endswith(".md") else _comments(path, text)
    follows = False
    for number, said, alone in lines:
        if said:
            yield number, said, not (follows and alone)
        follows = bool(said)


def _comments(path, text):
    """(line, text of its comment, whether it is alone there) of each line."""
    if path.endswith(".py"):
        yield from _comments_of_python(text)
        return
    mark = "//+!?<? ?" if path.endswith((".h", ".cc", ".pml")) else "# ?"
    for number, line in enumerate(text.split("\n"), 1):
        for found in re.finditer(mark, line):
            before = line[:found.start()]
            if before.count('"') % 2 == 0 and not before.endswith(":"):
                yield number, line[found.end():].strip(), not before.strip()
                break
        else:
            yield number, "", True


def _comments_of_python(text):
    """The same; a string that begins a line is a docstring."""
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        first, alone = token.start[0], not token.line[:token.start[1]].strip()
        said = ""
        if token.type == tokenize.COMMENT:
            said = token.string
        elif token.type == tokenize.STRING and alone and token.string.startswith('"""'):
            said = token.string.replace('"""', "")
        for number, line in enumerate(said.split("\n") if said else [], first):
            if number > last + 1:
                yield last + 1, "", True
            yield number, line.strip("# "), alone if number == first else True
            last = number


def _document(text):
    code = False
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        fence = FENCE.match(line)
        code ^= bool(fence)
        if code or fence or line.startswith(("#", "<!--")):
            yield number, "", True
        elif line.startswith("|"):
            yield from ((number, cell.strip(), False) for cell in line.strip("|").split("|"))
        else:
            item = re.match(r"[-*] |\d+\. ", line)
            yield number, line[item.end():] if item else line, not item


def sentence_starts(path, text):
    """(line, first word, line's text) of each sentence; "As long as" is one word."""
    ended = True
    for number, said, begins in prose(path, text):
        for found in re.finditer(r"\b(As (long|soon) as|[A-Z]\w*)", said):
            before = said[:found.start()]
            if (begins or ended) and not before.strip("*_(\"` ") or re.search(
                    r"[.!?][\"')*_]*\s+[\"(*_]*$", before):
                yield number, found[0], said
        ended = bool(re.search(r"[.!?:][\"')*_]*$", said))


LABEL = r"(Threads|Lifetime|Order|Forks|Signals|Trust|Errors|REQUIRES|Not here)"


def lists_in_comments_are_whole(tree):
    """clang-format, which breaks long lines, knows no indentation of lists: shorten the line."""
    for path in tree.matching(".h", ".cc"):
        lines = tree.read(path).split("\n")
        for number, (line, following) in enumerate(zip(lines, lines[1:]), 1):
            entry = re.match(r"// [\w\[(]", line) and not re.match(r"// [A-Z][\w ]*: ", line)
            if entry and re.match(r"// {9,}\S", following) or re.search(r"//.*\w.* %s:  " % LABEL, line):
                yield "%s:%d: the formatter has broken this list: %s" % (path, number, line)


# Files that show the wall clock to people.
MAY_READ_WALL_CLOCK = ["except/remote_error.cc", "transport/internal/log_line.cc"]
_USE_DEADLINE = "use Deadline of remoteobj/transport/deadline.h"
_USE_COND_VAR = "use CondVar of remoteobj/transport/internal/cond_var.h"
WALL_CLOCK = [
    (r"\babsl::(Now|GetCurrentTimeNanos)\b",
     "reads the wall clock, which is stepped, and under a lock, which a fork may find taken: "
     + _USE_DEADLINE),
    (r"\b(system_clock::now|gettimeofday|CLOCK_REALTIME\w*)\b|(?<![\w.>])time\((nullptr|NULL|0)\)",
     "reads the wall clock, which is stepped: " + _USE_DEADLINE),
    (r"\b((Reader)?(Await|LockWhen)With(Timeout|Deadline)|WaitWith(Timeout|Deadline)"
     r"|WaitForNotificationWith(Timeout|Deadline))\b",
     "Abseil waits by the wall clock, which is stepped: " + _USE_COND_VAR),
    (r"\b(pthread_\w+_timed\w*|sem_timedwait|FUTEX_CLOCK_REALTIME)\b",
     "waits by the wall clock, which is stepped: " + _USE_COND_VAR),
]


def _lines_of_modules(tree):
    """Path, number and text of each line of the modules' C++, but for tests."""
    for path in tree.matching(".h", ".cc"):
        if package_of(path) in LAYERS and not TEST_ONLY.search(path):
            for number, line in enumerate(tree.read(path).split("\n"), 1):
                yield path, number, line


def waits_are_by_the_monotonic_clock(tree):
    """No module reads the wall clock, or waits by it; tests may."""
    for path, number, line in _lines_of_modules(tree):
        if path in MAY_READ_WALL_CLOCK:
            continue
        for pattern, problem in WALL_CLOCK:
            found = re.search(pattern, line.split("//")[0])
            if found:
                yield "%s:%d: %s %s" % (path, number, found[0], problem)


# A variable of a function, which is initialized when the function is first called. A constant has
# no guard; a variable of one thread has no other thread.
GUARDED = re.compile(
    r"^ +static (?!constexpr|constinit|inline|thread_local|_assert)"
    r"(?:[\w:*&, ]|<.*>)+ [*&]?(\w+ ?(=|\{)|\w*[^_\W];$)")


def statics_have_no_guard(tree):
    """No module has a static variable on which a forked child could wait; tests may."""
    for path, number, line in _lines_of_modules(tree):
        if GUARDED.match(line):
            yield ("%s:%d: a child forked while another thread initializes this waits for ever: "
                   "constinit, or MadeOnce of remoteobj/transport/internal/made_once.h"
                   % (path, number))


def transport_names_no_manager(tree):
    """Errors of the transport are told in terms of any client and server."""
    for path, number, line in _lines_of_modules(tree):
        if path.startswith("transport/"):
            code = line.split("  // ")[0]
            words = " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', code)) + " ".join(
                re.findall(r"\bManager\w*", code))
            if not code.lstrip().startswith(("//", "#")) and re.search("manager", words, re.IGNORECASE):
                yield "%s:%d: transport/ names no manager: %s" % (path, number, line.strip())


def graph_goes_down(graph):
    """The same for Bazel's targets: `graph` is `bazel query --output=graph`."""
    for user, used in re.findall(r'"([^"]+)" -> "([^"]+)"', graph):
        here, there = ((re.match(r"//(\w*)", label) or ["", None])[1] for label in (user, used))
        if here in LAYERS and there is not None and there != "tools":
            if there not in LAYERS or LAYERS.index(there) > LAYERS.index(here):
                yield "%s depends on %s: %s/ knows nothing of %s" % (
                    user, used, here, "%s/" % there if there else "the facade")


# Targets that descriptions and the evaluator must not reach: a struct travels by value without them.
CHANNELS = re.compile(r"//(transport:channel|transport/shared_memory[:/]|transport/rpc[:/]|proxy:proxy)")


def description_knows_no_channel(graph):
    """The same graph: whatever //proxy:evaluate depends on, by whichever way, is no channel."""
    edges = re.findall(r'"([^"]+)" -> "([^"]+)"', graph)
    reached = {"//proxy:evaluate"}
    while True:
        more = {used for user, used in edges if user in reached} - reached
        if not more:
            break
        reached |= more
    for label in sorted(reached):
        if CHANNELS.match(label):
            yield "//proxy:evaluate depends on %s: a description knows no channel" % label


# Documents.

FENCE = re.compile(r"^( *)(```+)(.*)$")
MARKER = re.compile(r"<!-- cut from (\S+?)(?:#([\w-]+))? -->$")
# Without a folder, only names that end so are taken for files.
SUFFIX = re.compile(r"\.(h|cc|md|bzl|bazel|capnp|py|sh)$")


def paths_exist(tree):
    """Each path, and each of Bazel's labels, that a document names is there."""
    top = {package_of(f) for f in tree.files} - {""}
    for path in tree.matching(".md"):
        if path == "CHANGELOG.md":  # It speaks of the past.
            continue
        folder = os.path.dirname(path)
        for number, word in _words(tree.read(path)):
            if not _is_there(tree, top, folder, word):
                yield "%s:%d: there is no %s" % (path, number, word)


def _words(text):
    """(line, word) for what may be a path: in links, in `code`, in shell examples."""
    language = None  # The language of the current block.
    for number, line in enumerate(text.split("\n"), 1):
        fence = FENCE.match(line)
        if fence:
            language = fence[3].strip() if language is None else None
        elif language in ("sh", "shell", "bash", "console"):
            yield from ((number, w) for w in line.split("#")[0].split())
        elif language is None:
            for code in re.findall(r"`([^`]+)`", line):
                yield from ((number, w) for w in code.split())
            for link in re.findall(r"\]\(([^)\s]+)\)", line):
                yield number, link.split("#")[0]


def _is_there(tree, top, folder, word):
    label = re.fullmatch(r"//([\w/.-]*?)(/?\.\.\.|:[\w.-]+)?", word)
    if label:
        package = label[1].rstrip("/")
        build = os.path.join(package, "BUILD.bazel")
        if label[2] and label[2].endswith("..."):
            return tree.exists(package or ".")
        name = label[2][1:] if label[2] else os.path.basename(package)
        return tree.exists(build) and '"%s"' % name in tree.read(build)
    if not re.fullmatch(r"\.?[\w*-][\w.*-]*(/[\w.*-]+)*/?", word):
        return True  # No path of this project: absolute, a URL, or code.
    if "..." in word:
        return True
    if word.startswith("remoteobj/"):  # The path in an include.
        return tree.exists(word[len("remoteobj/"):])
    named = word.endswith("/") or SUFFIX.search(word) or ("/" in word and package_of(word) in top)
    return not named or tree.exists(word) or tree.exists(os.path.join(folder, word))


def modules_are_on_the_map(tree):
    """ARCHITECTURE.md names each top folder with a BUILD file."""
    text = tree.read("ARCHITECTURE.md") if tree.exists("ARCHITECTURE.md") else ""
    for path in tree.matching("/BUILD.bazel"):
        if path.count("/") == 1 and "%s/" % package_of(path) not in text:
            yield "ARCHITECTURE.md: it does not name %s/" % package_of(path)


def code_is_cut_from_files(tree):
    """Each C++ block in a document is the text of a file that Bazel compiles."""
    for path in tree.matching(".md"):
        lines = tree.read(path).split("\n")
        marker, block, language = None, None, ""
        for number, line in enumerate(lines, 1):
            fence = FENCE.match(line)
            if block is None and fence:
                block, language, start = [], fence[3].strip().lower(), number
            elif fence:
                if language in ("cpp", "c++", "cc"):
                    problem = _not_cut(tree, marker, block)
                    if problem:
                        yield "%s:%d: %s" % (path, start, problem)
                marker, block = None, None
            elif block is not None:
                block.append(line)
            elif line.strip():
                marker = MARKER.search(line.strip())


def _not_cut(tree, marker, block):
    if not marker:
        return "say where this code is from: <!-- cut from folder/file.cc#region -->"
    path, region = marker[1], marker[2]
    if not tree.exists(path):
        return "there is no %s" % path
    build = os.path.join(os.path.dirname(path), "BUILD.bazel")
    if not tree.exists(build) or '"%s"' % os.path.basename(path) not in tree.read(build):
        return "%s is in no target of %s" % (path, build)
    code = cut(tree.read(path), region)
    if code is None:
        return "%s has no lines '// [%s]' and '// [/%s]'" % (path, region, region)
    if "\n".join(block).strip("\n") != code:
        return "this is not what %s says:\n%s" % (marker[0][len("<!-- cut from "):-len(" -->")], code)
    return None


def cut(text, region):
    """A region of a source, moved to the left; without one, all but its licence."""
    lines = text.split("\n")
    if region:
        stripped = [l.strip() for l in lines]
        try:
            first = stripped.index("// [%s]" % region)
            lines = lines[first + 1:stripped.index("// [/%s]" % region, first)]
        except ValueError:
            return None
    elif lines[0].startswith("// SPDX"):
        lines = lines[1:]
    # Regions within this one leave no trace.
    lines = [l for l in lines if not re.fullmatch(r"\s*// \[/?[\w-]+\]", l)]
    indents = [len(l) - len(l.lstrip()) for l in lines if l.strip()]
    return "\n".join(l[min(indents, default=0):] for l in lines).strip("\n")


# Dependencies.


def headers_have_one_target(tree):
    """So that there is one target to depend on for a header."""
    for path in tree.matching("BUILD.bazel"):
        lists = re.findall(r"\bhdrs = \[(.*?)\]", tree.read(path), re.DOTALL)
        headers = collections.Counter(h for l in lists for h in re.findall(r'"([^"]+\.h)"', l))
        for header in sorted(h for h, count in headers.items() if count > 1):
            yield "%s: %s belongs to more than one target" % (path, header)


def dependencies_agree(tree):
    """MODULE.bazel and the stand-ins for WORKSPACE name the same repositories."""
    modules = set(re.findall(r'^bazel_dep\(name = "([^"]+)"', tree.read("MODULE.bazel"), re.M))
    text = tree.read("tools/system/repositories.bzl")
    system = set(_names(text, "_SYSTEM_MODULES = [", "]"))
    rules = set(re.findall(r'^    "([^"]+)"', _between(text, "_NATIVE_RULES = {", "\n}"), re.M))
    written = set(re.findall(r'^    "([^"]+)":', _between(
        tree.read("tools/system/generate.py"), "\nMODULES = {", "\n}"), re.M))
    for name in sorted(modules - system - rules):
        yield "MODULE.bazel has %s, tools/system/repositories.bzl has not" % name
    for name in sorted(system - modules):
        yield "tools/system/repositories.bzl has %s, MODULE.bazel has not" % name
    for name in sorted(system ^ written):
        yield "tools/system: only one of repositories.bzl and generate.py has %s" % name
    used = collections.defaultdict(list)
    for path in tree.matching("BUILD.bazel", ".bzl"):
        if not path.startswith(("testing/consumer/", "tools/system/")):
            for name in re.findall(r'"@([\w-]+)(?://|")', tree.read(path)):
                used[name].append(path)
    for name in sorted(set(used) - modules - {"bazel_tools", "platforms"}):
        yield "%s uses @%s, MODULE.bazel has no such module" % (used[name][0], name)


def _between(text, start, end):
    begin = text.index(start) + len(start)
    return text[begin:text.index(end, begin)]


def _names(text, start, end):
    return re.findall(r'"([^"]+)"', _between(text, start, end))


CHECKS = [
    headers_introduce_themselves,
    sources_include_their_header_first,
    sources_name_their_licence,
    includes_go_down,
    all_public_headers_are_in_one_file,
    words_are_plain,
    sentences_have_subjects,
    lists_in_comments_are_whole,
    waits_are_by_the_monotonic_clock,
    statics_have_no_guard,
    transport_names_no_manager,
    paths_exist,
    modules_are_on_the_map,
    code_is_cut_from_files,
    headers_have_one_target,
    dependencies_agree,
]
