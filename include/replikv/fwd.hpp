// Names for headers that only mention them, and the default template arguments of the public types.
#pragma once

namespace replikv::inline v0_1 {

template <class T>
struct Codec;

struct DefaultPolicy;
struct SingleThreadPolicy;

template <class Key, class Value, class Policy = DefaultPolicy>
class Store;

template <class Key, class Value, class Policy = DefaultPolicy>
class Transaction;

}  // namespace replikv::inline v0_1
