// How keys and values become the byte strings that Redis stores, and come back. Numbers are decimal
// text, so that redis-cli shows them readably; a type of your own needs a specialization of Codec.
#pragma once

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace replikv::inline v0_1 {

/// The bytes of a type. A specialization has two static functions:
///
///     template <> struct replikv::Codec<Profile> {
///       static void encode(const Profile& profile, std::string& out);      // appends to out
///       static bool decode(std::string_view bytes, Profile& profile);      // false: these are no Profile's
///     };
///
/// Provided: std::string (its bytes), bool ("0" and "1"), integers and floating point (decimal text, the
/// shortest that reads back equal), enumerations (their number), and trivially copyable aggregates
/// without pointers (see `StructCodec`). `decode` meets bytes of any peer: it checks them all, and must
/// not throw but for lack of memory. One value has one encoding, or equal keys would be taken for two.
///
/// A third function may tell a store what a value owns on the heap, besides its own sizeof:
///
///       static std::size_t memory_bytes(const Profile& profile) noexcept;
///
/// Without it a type that is not trivially copyable is taken to own as much as its encoding is long, and
/// nothing where that would fit into the value itself.
template <class T>
struct Codec;

/// True for types whose Codec is there and well-formed.
template <class T>
concept Encodable = std::default_initializable<T> && std::copy_constructible<T> &&
    requires(const T& value, T& place, std::string& out, std::string_view bytes) {
  { Codec<T>::encode(value, out) } -> std::same_as<void>;
  { Codec<T>::decode(bytes, place) } -> std::same_as<bool>;
};

namespace detail {

/// Reads a whole text as the canonical spelling of an integer: no '+', no leading zeros, no "-0".
template <std::integral Integer>
[[nodiscard]] bool decode_integer(std::string_view text, Integer& number) noexcept {
  using Wide = std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>;
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return false;
  if (digits.front() == '0' && text != "0") return false;
  Wide wide{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, wide);
  if (error != std::errc{} || stopped != end) return false;
  if (static_cast<Wide>(static_cast<Integer>(wide)) != wide) return false;
  number = static_cast<Integer>(wide);
  return true;
}

template <std::integral Integer>
void encode_integer(Integer number, std::string& out) {
  using Wide = std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>;
  std::array<char, 20> text;
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), Wide{number}).ptr);
}

template <class T>
inline constexpr bool is_chrono = false;
template <class Rep, class Period>
inline constexpr bool is_chrono<std::chrono::duration<Rep, Period>> = true;
template <class Clock, class Duration>
inline constexpr bool is_chrono<std::chrono::time_point<Clock, Duration>> = true;

// Aggregates are taken apart by brace elision: one initializer for each member that is no aggregate
// itself. `AnyMember` initializes all of them, `PlainMember` only those whose bytes mean the same elsewhere.
struct AnyMember {
  template <class T>
  requires(!std::is_aggregate_v<T>) constexpr operator T() const noexcept;
};
struct PlainMember {
  template <class T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T> || is_chrono<T>) constexpr operator T()
      const noexcept;
};

template <std::size_t, class Member>
using Repeated = Member;

template <class T, class Member, std::size_t... I>
[[nodiscard]] constexpr bool takes_members(std::index_sequence<I...>) noexcept {
  return requires { T{Repeated<I, Member>{}...}; };
}

/// The greatest count below `above` of initializers T takes.
template <class T, std::size_t Below, std::size_t Above>
[[nodiscard]] constexpr std::size_t member_count() noexcept {
  if constexpr (Above - Below <= 1) {
    return Below;
  } else {
    constexpr std::size_t middle = Below + (Above - Below) / 2;
    if constexpr (takes_members<T, AnyMember>(std::make_index_sequence<middle>{})) {
      return member_count<T, middle, Above>();
    } else {
      return member_count<T, Below, middle>();
    }
  }
}

inline constexpr std::size_t plain_struct_bytes_max = 512;  // beyond, compilers take their time

template <class T>
[[nodiscard]] constexpr bool has_plain_members() noexcept {
  if constexpr (sizeof(T) > plain_struct_bytes_max) {
    return false;
  } else {  // a bit-field may make eight members of a byte
    constexpr std::size_t count = member_count<T, 0, sizeof(T) * 8 + 1>();
    return takes_members<T, PlainMember>(std::make_index_sequence<count>{});
  }
}

template <class T>
concept TriviallyCopyableClass =
    std::is_class_v<T> && std::is_trivially_copyable_v<T> && std::default_initializable<T>;

/// Structs that get a Codec without asking.
template <class T>
concept PlainStruct = TriviallyCopyableClass<T> && std::is_aggregate_v<T> && has_plain_members<T>();

}  // namespace detail

/// A struct's own memory behind a version byte; the Codec of trivially copyable aggregates of up to 512
/// bytes whose members, at any depth, are numbers, enumerations or std::chrono times. Others opt in:
///
///     template <> struct replikv::Codec<Handle> : replikv::StructCodec<Handle> {};
///
/// and a struct that changes takes another version the same way, so that nodes of the two programs refuse
/// each other's bytes instead of misreading them. Padding travels as it is: such a struct makes a poor key.
/// The memory is little-endian, and laid out alike on all nodes of the platforms this library supports.
template <class T, std::uint8_t Version = 1>
requires detail::TriviallyCopyableClass<T>
struct StructCodec {
  static_assert(std::endian::native == std::endian::little,
                "replikv: StructCodec needs a little-endian host");

  static void encode(const T& value, std::string& out) {
    const std::size_t start = out.size();
    out.resize(start + 1 + sizeof(T));
    out[start] = static_cast<char>(Version);
    std::memcpy(out.data() + start + 1, &value, sizeof(T));
  }

  [[nodiscard]] static bool decode(std::string_view bytes, T& value) noexcept {
    if (bytes.size() != 1 + sizeof(T) || static_cast<std::uint8_t>(bytes.front()) != Version) return false;
    std::memcpy(&value, bytes.data() + 1, sizeof(T));
    return true;
  }
};

template <>
struct Codec<std::string> {
  static void encode(const std::string& value, std::string& out) { out.append(value); }
  [[nodiscard]] static bool decode(std::string_view bytes, std::string& value) {
    value.assign(bytes);
    return true;
  }
};

template <>
struct Codec<bool> {
  static void encode(bool value, std::string& out) { out.push_back(value ? '1' : '0'); }
  [[nodiscard]] static bool decode(std::string_view bytes, bool& value) noexcept {
    value = bytes == "1";
    return value || bytes == "0";
  }
};

template <std::integral Integer>
struct Codec<Integer> {
  static void encode(Integer value, std::string& out) { detail::encode_integer(value, out); }
  [[nodiscard]] static bool decode(std::string_view bytes, Integer& value) noexcept {
    return detail::decode_integer(bytes, value);
  }
};

/// Reads any spelling of a number that std::from_chars knows, other nodes' included; writes the shortest.
template <std::floating_point Float>
struct Codec<Float> {
  static void encode(Float value, std::string& out) {
    std::array<char, 64> text;
    out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
  }
  [[nodiscard]] static bool decode(std::string_view bytes, Float& value) {
    // libstdc++ 12 looks for a zero behind "inf" and "nan" when it reads a long double.
    std::string copy;
    if constexpr (std::same_as<Float, long double>) bytes = copy.assign(bytes);
    const char* const end = bytes.data() + bytes.size();
    const auto [stopped, error] = std::from_chars(bytes.data(), end, value);
    return error == std::errc{} && stopped == end;
  }
};

template <class Enum>
requires std::is_enum_v<Enum>
struct Codec<Enum> {
  using Number = std::underlying_type_t<Enum>;

  static void encode(Enum value, std::string& out) { Codec<Number>::encode(static_cast<Number>(value), out); }
  [[nodiscard]] static bool decode(std::string_view bytes, Enum& value) noexcept {
    Number number{};
    if (!Codec<Number>::decode(bytes, number)) return false;
    value = static_cast<Enum>(number);
    return true;
  }
};

template <detail::PlainStruct Struct>
struct Codec<Struct> : StructCodec<Struct> {};

namespace detail {

/// How a key or value is handed around: strings as views, so that looking one up allocates nothing.
template <class T>
using ViewOf = std::conditional_t<std::same_as<T, std::string>, std::string_view, const T&>;

/// The bytes of a key or value. The view lives until the next call, and as long as what it was made of.
template <class T>
class TextOf {
 public:
  [[nodiscard]] std::string_view operator()(const T& value) {
    scratch_.clear();
    Codec<T>::encode(value, scratch_);
    return scratch_;
  }

 private:
  std::string scratch_;
};

template <>
class TextOf<std::string> {
 public:
  [[nodiscard]] std::string_view operator()(std::string_view value) const noexcept { return value; }
};

/// A key or value read from bytes; false when they are none of this type's.
template <class T>
class FromText {
 public:
  explicit FromText(std::string_view text) : valid_(Codec<T>::decode(text, value_)) {}

  [[nodiscard]] explicit operator bool() const noexcept { return valid_; }
  [[nodiscard]] const T& view() const noexcept { return value_; }

 private:
  T value_{};
  bool valid_;
};

template <>
class FromText<std::string> {
 public:
  explicit FromText(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] explicit operator bool() const noexcept { return true; }
  [[nodiscard]] std::string_view view() const noexcept { return text_; }

 private:
  std::string_view text_;
};

}  // namespace detail
}  // namespace replikv::inline v0_1
