// SPDX-License-Identifier: MIT
//
// The preprocessor's part of REMOTEOBJ_DESCRIBE: one macro applied to each of up to 300 members,
// each of which is `name` or `(name, signature, ...)`.
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

// macro(first) macro(second) ...
#define REMOTEOBJ_FOR_EACH(macro, ...) \
  __VA_OPT__(REMOTEOBJ_EXPAND(REMOTEOBJ_FOR_EACH_(macro, __VA_ARGS__)))
#define REMOTEOBJ_FOR_EACH_(macro, first, ...) \
  macro(first) __VA_OPT__(REMOTEOBJ_FOR_EACH_AGAIN REMOTEOBJ_NO_ARGUMENTS(macro, __VA_ARGS__))
#define REMOTEOBJ_FOR_EACH_AGAIN() REMOTEOBJ_FOR_EACH_
#define REMOTEOBJ_NO_ARGUMENTS ()
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
