// SPDX-License-Identifier: MIT
//
// The standard containers under their own names: remote->another->push_back(6). Described are the
// members that mean something in another process: no iterators, no references, no allocators.
#ifndef REMOTEOBJ_PROXY_INTERNAL_CONTAINERS_H_
#define REMOTEOBJ_PROXY_INTERNAL_CONTAINERS_H_

#include <cstddef>
#include <string>
#include <utility>

#include "remoteobj/proxy/internal/describe_macros.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {
namespace proxy_internal {

template <typename T>
concept Map = transport_internal::MapLike<T> &&
              requires(T& t, typename T::mapped_type v, typename T::key_type k) {
                t.insert_or_assign(k, v);
                t.at(k);
              };
template <typename T>
concept Set = transport_internal::SetLike<T>;
template <typename T>
concept VectorLike = transport_internal::SequenceLike<T> && requires(T& t) {
  t.at(0);
  t.reserve(1);
} && !requires(T& t) { t.pop_front(); };
// A vector of what can be made from nothing; others can't be resized.
template <typename T>
concept ResizableVector = VectorLike<T> && std::default_initializable<typename T::value_type> &&
                          std::move_constructible<typename T::value_type>;
template <typename T>
concept DequeLike = transport_internal::SequenceLike<T> && requires(T& t) {
  t.at(0);
  t.pop_front();
};

}  // namespace proxy_internal

REMOTEOBJ_DESCRIBE_(template <proxy_internal::Map T>, RemoteobjDescribeContainer, (T), (),
                    (size, std::size_t() const), (empty, bool() const), (clear, void()),
                    (contains, bool(const typename T::key_type&) const),
                    (count, std::size_t(const typename T::key_type&) const),
                    (at, typename T::mapped_type(const typename T::key_type&) const),
                    (erase, std::size_t(const typename T::key_type&)),
                    (insert, bool(std::pair<typename T::key_type, typename T::mapped_type>)),
                    (insert_or_assign, bool(const typename T::key_type&, typename T::mapped_type)))

REMOTEOBJ_DESCRIBE_(template <proxy_internal::Set T>, RemoteobjDescribeContainer, (T), (),
                    (size, std::size_t() const), (empty, bool() const), (clear, void()),
                    (contains, bool(const typename T::key_type&) const),
                    (count, std::size_t(const typename T::key_type&) const),
                    (erase, std::size_t(const typename T::key_type&)),
                    (insert, bool(typename T::value_type)))

REMOTEOBJ_DESCRIBE_(template <proxy_internal::ResizableVector T>, RemoteobjDescribeContainer, (T),
                    (), (size, std::size_t() const), (empty, bool() const), (clear, void()),
                    (at, typename T::value_type(std::size_t) const),
                    (front, typename T::value_type() const), (back, typename T::value_type() const),
                    (push_back, void(typename T::value_type)), (pop_back, void()),
                    (resize, void(std::size_t)), (reserve, void(std::size_t)),
                    (capacity, std::size_t() const))

REMOTEOBJ_DESCRIBE_(template <proxy_internal::VectorLike T>, RemoteobjDescribeContainer, (T), (),
                    (size, std::size_t() const), (empty, bool() const), (clear, void()),
                    (at, typename T::value_type(std::size_t) const),
                    (front, typename T::value_type() const), (back, typename T::value_type() const),
                    (push_back, void(typename T::value_type)), (pop_back, void()),
                    (capacity, std::size_t() const))

REMOTEOBJ_DESCRIBE_(template <proxy_internal::DequeLike T>, RemoteobjDescribeContainer, (T), (),
                    (size, std::size_t() const), (empty, bool() const), (clear, void()),
                    (at, typename T::value_type(std::size_t) const),
                    (front, typename T::value_type() const), (back, typename T::value_type() const),
                    (push_back, void(typename T::value_type)), (pop_back, void()),
                    (push_front, void(typename T::value_type)), (pop_front, void()))

REMOTEOBJ_DESCRIBE_(inline, RemoteobjDescribeContainer, (std::string), (),
                    (size, std::size_t() const), (empty, bool() const), (clear, void()),
                    (at, char(std::size_t) const), (push_back, void(char)), (pop_back, void()),
                    (append, std::string&(const std::string&)),
                    (substr, std::string(std::size_t, std::size_t) const),
                    (find, std::size_t(const std::string&) const))

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_INTERNAL_CONTAINERS_H_
