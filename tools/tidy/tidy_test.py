#!/usr/bin/env python3
"""Runs tidy.py's checks over the project, and over trees that break each rule."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # It would write into the project.
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import tidy  # pylint: disable=wrong-import-position

# Not the copy that Bazel makes of the files that it knows: also those of no target.
PROJECT = os.path.dirname(os.path.dirname(HERE))
SPDX = "// SPDX-License-Identifier: MIT\n"


class ProjectTest(unittest.TestCase):
    """One test for each check: see the end of the file."""


class RulesTest(unittest.TestCase):

    def check(self, rule, files, *expected):
        """`rule` finds in `files` as many problems as `expected`, with these words."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                    f.write(text)
            problems = list(rule(tidy.Tree(root)))
        self.assertEqual(len(problems), len(expected), problems)
        for problem, words in zip(problems, expected):
            self.assertIn(words, problem)

    def test_headers(self):
        rule = tidy.headers_introduce_themselves
        self.check(rule, {"a.h": SPDX + "//\n// What it is.\n"})
        self.check(rule, {"a.h": SPDX + "// An example.\n"})
        self.check(rule, {"a.h": "// An example.\n"}, "a.h:1: the first line")
        self.check(rule, {"a.h": SPDX + "#pragma once\n"}, "a.h:2: a header starts")

    def test_licence(self):
        rule = tidy.sources_name_their_licence
        self.check(rule, {"a.cc": SPDX})
        self.check(rule, {"a.cc": "int i;\n"}, "a.cc:1: the first line")

    def test_includes(self):

        def check(path, included, *expected):
            files = {path: '#include "%s"\n' % included}
            files.setdefault("proxy/proxy.h", "")
            self.check(tidy.includes_go_down, files, *expected)

        check("proxy/a.cc", "remoteobj/transport/wire/codec.h")
        check("proxy/a.cc", "remoteobj/proxy/proxy.h")
        check("examples/a.cc", "remoteobj/remoteobj.h")
        check("transport/a.cc", "remoteobj/proxy/proxy.h", "transport/ knows nothing of proxy")
        check("transport/rpc/a.cc", "remoteobj/transport/wire/value.h")
        check("transport/wire/a.cc", "remoteobj/transport/rpc/tls.h",
              "transport/wire/ knows nothing of transport/rpc/")
        check("transport/a.cc", "remoteobj/transport/shared_memory/shared_log.h",
              "transport/ knows nothing of transport/shared_memory/")
        check("transport/a_test.cc", "remoteobj/transport/shared_memory/shared_log.h")
        check("manager/a.cc", "remoteobj/manager/server/call.h")
        check("proxy/a_test.cc", "remoteobj/manager/manager.h", "proxy/ knows nothing of manager")
        check("proxy/a.cc", "remoteobj/remoteobj.h", "proxy/ knows nothing of the facade")
        check("proxy/a.cc", "proxy/proxy.h", "write remoteobj/proxy/proxy.h")
        check("proxy/a_test.cc", "remoteobj/testing/matchers.h")
        check("proxy/a.cc", "remoteobj/testing/matchers.h", "only tests use testing/")
        check("proxy/a_testing.h", "remoteobj/testing/matchers.h")
        check("transport/a.h", "capnp/message.h")
        check("proxy/a.cc", "capnp/message.h", "only transport/ and manager/")
        check("proxy/a.cc", "glog/logging.h")
        check("proxy/a.h", "glog/logging.h", "glog's macros")

    def test_public_headers(self):
        rule = tidy.all_public_headers_are_in_one_file
        facade = '#include "remoteobj/proxy/a.h"\n'
        self.check(rule, {"proxy/a.h": "", "remoteobj.h": facade})
        self.check(rule, {"proxy/internal/b.h": "", "proxy/b_testing.h": "", "testing/c.h": ""})
        self.check(rule, {"proxy/a.h": "", "proxy/b.h": "", "remoteobj.h": facade},
                   "proxy/b.h: include it in remoteobj.h")

    def test_words(self):
        rule = tidy.words_are_plain
        self.check(rule, {"a.cc": "// A waiting caller must restart it.\n"})
        self.check(rule, {"CHANGELOG.md": "begun anew\n"})
        self.check(rule, {"a.md": "\nWhoever waits\n"}, 'a.md:2: "Whoever": write name the caller')
        self.check(rule, {"a.h": "// What is to be done.\n"}, 'a.h:1: "is to be"')

    def test_sentences(self):

        def check(text, *expected, path="a.cc"):
            self.check(tidy.sentences_have_subjects, {path: text}, *expected)

        check("// A call that waits.\n// What it waits for is noted: as said.\n",
              'a.cc:2: a sentence begins with "What"')
        check("// It says what it does, as in\n// Abseil. As long as it lives it waits.\n")
        check("int i;  // Of both.\n", 'begins with "Of"')
        check('Say("// What?");  // https://x.org/a#What\n')
        check("// - Those that wait.\n// e.g. Whether it (Where?) is.\n", 'a.cc:2: a sentence begins with "Whether"')
        check("# What is there\n\n- Those who\n- See. As here.\n| a | Of b |\n```\n# Of\n```\n",
              'a.md:3: a sentence begins with "Those"', 'begins with "As"', 'begins with "Of"', path="a.md")
        check('def f():\n    """Waits.\n\n    Whether it waits.\n    """\n    return 1  # That is it.\n',
              "a.py:4", "a.py:6", path="a.py")
        check("# Where it listens.\n", "a.bazel:1", path="a.bazel")
        check("- Of old.\n", path="CHANGELOG.md")

    def test_lists(self):

        def check(text, *expected):
            self.check(tidy.lists_in_comments_are_whole, {"a.h": text}, *expected)

        check("// Threads:  safe.\n// Errors:   none, since\n//           it throws nothing.\n")
        check("// An example:\n//\n//   Call(one,\n//        two);\n")
        check("// Errors:   none, since it throws\n// nothing\n//           of its own.\n", "a.h:2: the formatter")
        check("// Lifetime: as long as\n// it. Errors:   none.\n", "a.h:2: the formatter")

    def test_transport_names_no_manager(self):

        def check(code, *expected, path="transport/a.cc"):
            self.check(tidy.transport_names_no_manager, {path: code}, *expected)

        check("// A manager's.\n#include \"manager.h\"\nint i;  // \"manager\"\n")
        check('throw Error("the manager");', path="manager/a.cc")
        check('throw Error("a manager");', path="transport/a_test.cc")
        check('throw Error("the manager");', "transport/a.cc:1")
        check('    "ManagerOptions::tls is set");', "transport/a.cc:1")
        check("ManagerOptions options;", "transport/a.cc:1")

    def test_wall_clock(self):

        def check(code, *expected, path="proxy/a.cc"):
            self.check(tidy.waits_are_by_the_monotonic_clock, {path: code}, *expected)

        check("Deadline::After(timeout)")
        check("std::chrono::steady_clock::now()")
        check("clock_gettime(CLOCK_MONOTONIC, &now);")
        check("error.time(); info->time(0);")
        check("// absl::Now() takes a lock.")
        check("absl::Now()", path="proxy/a_test.cc")
        check("absl::Now()", path="examples/a.cc")
        check("clock_gettime(CLOCK_REALTIME, &now);", path="except/remote_error.cc")
        check("\nabsl::Now() + timeout", "proxy/a.cc:2: absl::Now reads the wall clock")
        check("absl::GetCurrentTimeNanos()", "use Deadline")
        check("std::chrono::system_clock::now()", "system_clock::now reads the wall clock")
        check("clock_gettime(CLOCK_REALTIME, &now);", "CLOCK_REALTIME reads the wall clock")
        check("time(nullptr)", "time(nullptr) reads the wall clock")
        check("mutex_.AwaitWithDeadline(done, until);", "AwaitWithDeadline Abseil waits by")
        check("changed_.WaitWithTimeout(&mutex_, slice);", "use CondVar")
        check("ended_.WaitForNotificationWithTimeout(timeout);", "use CondVar")
        check("pthread_cond_timedwait(&c, &m, &until);", "pthread_cond_timedwait waits by")

    def test_first_include(self):

        def check(code, *expected):
            self.check(tidy.sources_include_their_header_first, {"proxy/a.cc": code, "proxy/a.h": ""},
                       *expected)

        check('// A.\n#include "remoteobj/proxy/a.h"\n\n#include <vector>\n')
        check('#include <vector>\n#include "remoteobj/proxy/a.h"\n', "first include must be proxy/a.h")
        check("", "first include must be proxy/a.h")
        self.check(tidy.sources_include_their_header_first, {"proxy/b.cc": "#include <vector>"})

    def test_statics(self):

        def check(code, *expected, path="proxy/a.cc"):
            self.check(tidy.statics_have_no_guard, {path: code}, *expected)

        check("  static constexpr int kMany = 3;")
        check("  static constinit std::atomic<Made*> kept = nullptr;")
        check("  static const Names& Get();")
        check("  static Names Get() { return {}; }")
        check("static const int at_start = Begin();")
        check("  static const int at_start_;")
        check("  static Names names;", path="proxy/a_test.cc")
        check("\n  static Names* const names = new Names;", "proxy/a.cc:2: a child")
        check("  static auto& names = *new std::map<int, std::string>;", "MadeOnce")
        check("  static const std::map<int, std::string> names{{1, \"one\"}};", "MadeOnce")
        check("  static Names names;", "MadeOnce")

    def test_graph(self):

        def check(edge, *expected):
            problems = list(tidy.graph_goes_down('digraph {\n  "%s" -> "%s"\n}\n' % edge))
            self.assertEqual(len(problems), len(expected), problems)
            for problem, words in zip(problems, expected):
                self.assertIn(words, problem)

        check(("//:remoteobj", "//proxy:proxy"))
        check(("//proxy:proxy", "//transport:codec"))
        check(("//proxy:proxy", "//proxy:describe"))
        check(("//proxy:proxy", "@abseil-cpp//absl/time:time"))
        check(("//proxy:proxy", "//proxy:proxy.h"))
        check(("//transport:codec", "//proxy:proxy"), "transport/ knows nothing of proxy/")
        check(("//transport:codec", "//testing:fork"), "transport/ knows nothing of testing/")
        check(("//proxy:proxy", "//:remoteobj"), "proxy/ knows nothing of the facade")

    def test_description_knows_no_channel(self):

        def check(used, expected):
            edges = [("//proxy:evaluate", "//proxy:describe"), ("//proxy:describe", used),
                     ("//proxy:proxy", "//transport:channel")]
            graph = "".join('  "%s" -> "%s"\n' % edge for edge in edges)
            self.assertEqual(len(list(tidy.description_knows_no_channel(graph))), expected)

        check("//transport/wire:codec", 0)
        check("//transport:channel", 1)
        check("//transport/rpc:tls", 1)
        check("//proxy:proxy", 2)

    def test_paths(self):

        def check(text, *expected):
            self.check(tidy.paths_exist, {
                "README.md": text,
                "proxy/README.md": "`view.h`\n",
                "proxy/view.h": "",
                "proxy/BUILD.bazel": 'name = "proxy"\nname = "view"\n',
            }, *expected)

        check("`proxy/view.h`, `proxy/`, `remoteobj/proxy/view.h`, `proxy/*.h`, [x](proxy/view.h#L1)")
        check("`//proxy`, `//proxy:view`, `//...`, `//proxy/...`, `@other//gone:gone`")
        check("`/dev/shm`, `Get/TryGet`, `a / b`, `std::string`, [x](https://x.org/y.h)")
        check("```sh\ntools/gone\n```\n")  # No folder tools/ here.
        check("```sh\nproxy/gone # proxy/lost\n```\n", "README.md:2: there is no proxy/gone")
        check("a\n`proxy/gone.h`", "README.md:2: there is no proxy/gone.h")
        check("`remoteobj/proxy/gone.h`", "there is no remoteobj/proxy/gone.h")
        check("`gone.h`", "there is no gone.h")
        check("`gone/`", "there is no gone/")
        check("[x](proxy/gone)", "there is no proxy/gone")
        check("`//proxy:gone`", "there is no //proxy:gone")
        check("`//gone/...`", "there is no //gone/...")

    def test_map(self):
        files = {"proxy/BUILD.bazel": "", "proxy/deep/BUILD.bazel": ""}
        self.check(tidy.modules_are_on_the_map, {**files, "ARCHITECTURE.md": "proxy/ is"})
        self.check(tidy.modules_are_on_the_map, {**files, "ARCHITECTURE.md": ""}, "name proxy/")

    def test_code(self):

        def check(text, *expected):
            self.check(tidy.code_is_cut_from_files, {
                "README.md": text,
                "a/one.cc": SPDX + "int i;\n{\n  // [part]\n  int j;\n\n  int k;\n  // [/part]\n}\n",
                "a/lost.cc": "",
                "a/BUILD.bazel": 'srcs = ["one.cc"]',
            }, *expected)

        part = "<!-- cut from a/one.cc#part -->\n"
        code = "```cpp\nint j;\n\nint k;\n```\n"
        check(part + code)
        check(part + "\n" + code)
        check("<!-- cut from a/one.cc -->\n```cpp\nint i;\n{\n  int j;\n\n  int k;\n}\n```\n")
        check("```sh\nint j;\n```\n")
        check(code, "README.md:1: say where")
        check(part + "Some words.\n" + code, "README.md:3: say where")
        check(part + code + code, "README.md:7: say where")
        check(part + "```cpp\nint j;\n```\n", "this is not what a/one.cc#part says")
        check("<!-- cut from a/one.cc#gone -->\n" + code, "has no lines '// [gone]'")
        check("<!-- cut from a/gone.cc#part -->\n" + code, "there is no a/gone.cc")
        check("<!-- cut from a/lost.cc -->\n" + code, "a/lost.cc is in no target")

    def test_targets(self):

        def check(build, *expected):
            self.check(tidy.headers_have_one_target, {"a/BUILD.bazel": build}, *expected)

        check('hdrs = ["a.h"],\nhdrs = [\n    "b.h",\n],\n')
        check('hdrs = ["a.h"],\nhdrs = [\n    "a.h",\n],\n', "a.h belongs to more than one target")

    def test_dependencies(self):

        def check(module, system, written, label, *expected):
            self.check(tidy.dependencies_agree, {
                "MODULE.bazel": "".join('bazel_dep(name = "%s", version = "1")\n' % m for m in module),
                "tools/system/repositories.bzl":
                    '_NATIVE_RULES = {\n    "rules": {},\n}\n_SYSTEM_MODULES = [%s]\n' % system,
                "tools/system/generate.py": "\nMODULES = {\n    %s\n}\n" % written,
                "BUILD.bazel": 'deps = ["%s"]' % label,
            }, *expected)

        check(["a", "rules"], '"a"', '"a": {},', "@a//b:c")
        check(["a", "b"], '"a"', '"a": {},', "@a", "MODULE.bazel has b")
        check([], '"a"', '"a": {},', "//a", "repositories.bzl has a")
        check(["a"], '"a"', '', "@a", "generate.py has a")
        check(["a"], '"a"', '"a": {},', "@b//:c", "BUILD.bazel uses @b")


def _add_project_test(rule):
    def test(self):
        problems = list(rule(tidy.Tree(PROJECT)))
        if problems:
            self.fail("\n\n" + "\n".join(problems))
    setattr(ProjectTest, "test_" + rule.__name__, test)


for check in tidy.CHECKS:
    _add_project_test(check)


class GraphTest(unittest.TestCase):

    def test_bazel_targets_depend_downward(self):
        with open(os.environ["GRAPH"], encoding="utf-8") as f:
            graph = f.read()
        self.assertIn("//:remoteobj", graph)
        self.assertIn("//proxy:evaluate", graph)
        problems = list(tidy.graph_goes_down(graph)) + list(tidy.description_knows_no_channel(graph))
        if problems:
            self.fail("\n\n" + "\n".join(problems))


if __name__ == "__main__":
    unittest.main()
