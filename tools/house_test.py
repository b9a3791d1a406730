#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures small trees of which the figures are known."""

import os
import sys
import unittest

sys.dont_write_bytecode = True  # It would write into the project.
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import house  # pylint: disable=wrong-import-position

PUBLIC = """
namespace remoteobj {
%s
}  // namespace remoteobj
"""
INTERNAL = """
namespace remoteobj::manager_internal {
%s
}  // namespace remoteobj::manager_internal
"""


class HouseTest(unittest.TestCase):

    def test_sizes(self):
        self.assertEqual(house.spread([3, 1, 2]), "2 / 2 / 3")
        self.assertEqual(house.spread([]), "0 / 0 / 0")

    def test_functions(self):

        def check(code, *sizes):
            self.assertEqual(house.function_sizes(code), list(sizes))

        check("int F() {\n  return 1;\n}\n", 3)
        check("int F() {\n  // Comments are\n  // not counted.\n  return 1;\n}\n", 3)
        check("// An example:\n//   process([] {\n//   }\nint i;\n")
        check("class C {\n  int F() {\n    return 1;\n  }\n  int G() {\n    return 1;\n  }\n};\n", 3, 3)

    def test_tests(self):
        for path in ("manager/tests/a.cc", "proxy/a_test.cc", "transport/channel_conformance.h",
                     "proxy/here_testing.h", "proxy/compile_fail/a.cc"):
            self.assertTrue(house.TEST.search(path), path)
        for path in ("manager/manager.h", "proxy/internal/arrow.h", "transport/testing_times.h"):
            self.assertFalse(house.TEST.search(path), path)

    def test_classes(self):
        text = PUBLIC % """
int F() {
  return 1;
}

template <typename T>
class A final : public B<T>, private C {
 public:
  explicit A(int x);
  A(const A&) = delete;
  ~A();
  // Waits.
  template <typename U>
    requires(std::same_as<T, U>)
  Item<U> Wait(
      absl::FunctionRef<void()> f) const {
    if (f) f();
    return {};
  }
  bool operator==(const A&) const = default;
  operator int() const { return 1; }
  using B<T>::Get;
  absl::FunctionRef<void(int)> member;
  friend void Befriended();

 private:
  void Hidden();
};

namespace remoteobj_internal {
struct D {
  int Size() const;
};
}  // namespace remoteobj_internal
"""
        a, d = house.classes("manager/a.h", text)
        self.assertEqual((a.name, a.public, a.bases), ("A", True, {"B"}))
        self.assertEqual(sorted(a.operations), ["Wait", "operator int", "operator=="])
        self.assertIn("Item", a.operations["Wait"])
        self.assertEqual(a.redeclared, {"Get"})
        self.assertEqual((d.name, d.public, list(d.operations)), ("D", False, ["Size"]))

    def test_types(self):

        def check(text, *found):
            self.assertEqual(house.public_types(text), list(found))

        check(PUBLIC % "class A {\n};\nstruct B final : A {\n};\nenum class E : int { kOne };", "A", "B", "E")
        check(PUBLIC % "class A;\nstruct A::Nested {\n};\nstruct alignas(64) A::Other {\n};")
        check(INTERNAL % "class A {\n};")
        check(PUBLIC % "template <>\nstruct Codec<A> {\n};\nstruct AAccess {\n};")

    def test_operations(self):

        def check(public, internal, *found):
            headers = {"manager/a.h": PUBLIC % public, "manager/internal/b.h": INTERNAL % internal}
            self.assertEqual(house.internal_operations(headers), sorted(found))

        base = "class B {\n public:\n  int Get();\n  int Set();\n\n protected:\n  int Hidden();\n};\n"
        check("class A {\n public:\n  int Get();\n};\n", base)
        check("class A : public B {};\n", base)  # Not by clang-format's layout: on one line.
        check("class A : public B {\n public:\n  A();\n};\n", base, "B::Get", "B::Set")
        check("class A : public B {\n public:\n  using B::Get;\n  using B::Set;\n};\n", base)
        check("class A : B {\n public:\n  A();\n};\n", base)
        check("class A {\n public:\n  B Item() const;\n};\n", base, "B::Get", "B::Set")
        check("class A {\n private:\n  B Item() const;\n};\n", base)
        check("class A {\n public:\n  auto Item() const { return manager_internal::B(*this); }\n};\n", base,
              "B::Get", "B::Set")
        check("class A {\n public:\n  void Use(const B& b);\n};\n", base)

    def test_dialect(self):

        def check(text, kind, count):
            words = len(text.replace("//", "").split())
            figures = house.dialect({"a.h": text})
            found = {k: round(v * words / 10000) for k, v in figures.items()}
            self.assertEqual({k: n for k, n in found.items() if n}, {kind: count} if count else {})

        refused, starts, others = house.DIALECT
        check("// A caller waits. It is woken.\n", None, 0)
        check("// Whoever waits meanwhile.\n", refused, 2)
        check("// Of both. What is left. It says what is left.\n", starts, 2)
        check("// Whether it gives one; it gives up.\n", others, 2)

    def test_measure(self):
        rows = house.measure({
            "manager/a.h": PUBLIC % "class A {\n public:\n  int Get();\n};\n",
            "manager/a_test.cc": "\n" * 700,
            "manager/b.cc": "int i;\n" * 601,
        })
        self.assertEqual(rows["files of over 600 lines"], 1)
        self.assertEqual(rows["lines of its tests (manager/)"], 700)
        self.assertEqual(rows["files of the fullest folder"], "3 (manager/)")
        self.assertEqual(rows["folders of over 40 files"], 0)
        self.assertEqual(rows["public operations declared in internal headers"], 0)


if __name__ == "__main__":
    unittest.main()
