// SPDX-License-Identifier: MIT
//
// The preprocessor's part of REMOTEOBJ_DESCRIBE: a macro applied to each of up to 300 members, each
// of which is `name` or `(name, signature, ...)`.
//
// Source: the technique of deferred self-reference with __VA_OPT__, as in David Mazieres,
// "Recursive macros with C++20 __VA_OPT__".
#ifndef REMOTEOBJ_PROXY_INTERNAL_FOR_EACH_H_
#define REMOTEOBJ_PROXY_INTERNAL_FOR_EACH_H_

// NAME((name, signature)) and NAME(name) are both name.
#define REMOTEOBJ_NAME(member) \
  REMOTEOBJ_JOIN(REMOTEOBJ_NAME_, REMOTEOBJ_IS_PARENTHESISED(member))(member)
#define REMOTEOBJ_NAME_0(member) member
#define REMOTEOBJ_NAME_1(member) REMOTEOBJ_FIRST member

// SIGNATURES((name, a, b)) is a, b; SIGNATURES(name) is nothing.
#define REMOTEOBJ_SIGNATURES(member) \
  REMOTEOBJ_JOIN(REMOTEOBJ_SIGNATURES_, REMOTEOBJ_IS_PARENTHESISED(member))(member)
#define REMOTEOBJ_SIGNATURES_0(member)
#define REMOTEOBJ_SIGNATURES_1(member) REMOTEOBJ_REST member

#define REMOTEOBJ_IS_PARENTHESISED(x) REMOTEOBJ_SECOND(REMOTEOBJ_PROBE x, 0, ~)
#define REMOTEOBJ_PROBE(...) ~, 1
#define REMOTEOBJ_FIRST(first, ...) first
#define REMOTEOBJ_REST(first, ...) __VA_ARGS__
#define REMOTEOBJ_SECOND(...) REMOTEOBJ_SECOND_(__VA_ARGS__)
#define REMOTEOBJ_SECOND_(first, second, ...) second
#define REMOTEOBJ_UNWRAP(...) __VA_ARGS__
#define REMOTEOBJ_STRING(x) REMOTEOBJ_STRING_(x)
#define REMOTEOBJ_STRING_(x) #x
#define REMOTEOBJ_JOIN(a, b) REMOTEOBJ_JOIN_(a, b)
#define REMOTEOBJ_JOIN_(a, b) a##b

// REMOTEOBJ_SEQUENCE(a, b, c) is (a)(b)(c).
//
// A sequence is walked by two macros that name each other, and a last one that is empty:
//
//   #define WALK(member) f(member) WALK_AGAIN
//   #define WALK_AGAIN(member) f(member) WALK
//   #define WALK_END
//   #define WALK_AGAIN_END
//   REMOTEOBJ_END(WALK REMOTEOBJ_SEQUENCE(a, b, c))    // f(a) f(b) f(c)
//
// Each REMOTEOBJ_EXPAND_n scans all that it contains again, 341 times in all, so only the names
// of members are in them, once; what a member expands to is scanned when the sequence is walked.
#define REMOTEOBJ_SEQUENCE(...) __VA_OPT__(REMOTEOBJ_EXPAND(REMOTEOBJ_SEQUENCE_(__VA_ARGS__)))
#define REMOTEOBJ_SEQUENCE_(first, ...) \
  (first) __VA_OPT__(REMOTEOBJ_SEQUENCE_AGAIN REMOTEOBJ_NO_ARGUMENTS(__VA_ARGS__))
#define REMOTEOBJ_SEQUENCE_AGAIN() REMOTEOBJ_SEQUENCE_
#define REMOTEOBJ_NO_ARGUMENTS ()
#define REMOTEOBJ_END(...) REMOTEOBJ_END_(__VA_ARGS__)
#define REMOTEOBJ_END_(...) __VA_ARGS__##_END
#define REMOTEOBJ_EXPAND(...) \
  REMOTEOBJ_EXPAND_4(REMOTEOBJ_EXPAND_4(REMOTEOBJ_EXPAND_4(REMOTEOBJ_EXPAND_4(__VA_ARGS__))))
#define REMOTEOBJ_EXPAND_4(...) \
  REMOTEOBJ_EXPAND_3(REMOTEOBJ_EXPAND_3(REMOTEOBJ_EXPAND_3(REMOTEOBJ_EXPAND_3(__VA_ARGS__))))
#define REMOTEOBJ_EXPAND_3(...) \
  REMOTEOBJ_EXPAND_2(REMOTEOBJ_EXPAND_2(REMOTEOBJ_EXPAND_2(REMOTEOBJ_EXPAND_2(__VA_ARGS__))))
#define REMOTEOBJ_EXPAND_2(...) \
  REMOTEOBJ_EXPAND_1(REMOTEOBJ_EXPAND_1(REMOTEOBJ_EXPAND_1(REMOTEOBJ_EXPAND_1(__VA_ARGS__))))
#define REMOTEOBJ_EXPAND_1(...) __VA_ARGS__

#endif  // REMOTEOBJ_PROXY_INTERNAL_FOR_EACH_H_
