// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wire/codec.hpp"

#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

// One function of the table, taken apart by its type: how its arguments and its answer become
// bytes, on both sides.  The types of abi.h say it all:
//   const cof_host *, void * in front, void **     this side's own, never sent
//   numbers, cof_str, cof_bytes, const STRUCT *    in
//   const cof_str *, uint64_t                      in: an array and its count
//   const cof_sink *                               out: bytes
//   uint64_t *                                     out: a handle; may be NULL
//   void *, uint64_t                               out: a buffer and its size
namespace cofounder::wire {

enum class Role { own, plain, structure, texts, texts_count, sink, handle, buffer, buffer_size };

template <class T>
inline constexpr bool is_struct_pointer =
    std::is_pointer_v<T> && std::is_const_v<std::remove_pointer_t<T>> &&
    std::is_class_v<std::remove_pointer_t<T>>;

// `Before` is the type of the parameter in front, void for the first.
template <class T, class Before>
constexpr Role role_of() {
  if constexpr (std::is_same_v<T, const cof_host*> || std::is_same_v<T, void**>) {
    return Role::own;
  } else if constexpr (std::is_same_v<T, void*>) {
    return std::is_void_v<Before> ? Role::own : Role::buffer;
  } else if constexpr (std::is_same_v<T, const cof_sink*>) {
    return Role::sink;
  } else if constexpr (std::is_same_v<T, std::uint64_t*>) {
    return Role::handle;
  } else if constexpr (std::is_same_v<T, const cof_str*>) {
    return Role::texts;
  } else if constexpr (std::is_same_v<Before, const cof_str*>) {
    return Role::texts_count;
  } else if constexpr (std::is_same_v<Before, void*> && std::is_same_v<T, std::uint64_t>) {
    return Role::buffer_size;
  } else if constexpr (is_struct_pointer<T>) {
    return Role::structure;
  } else {
    static_assert(std::is_arithmetic_v<T> || std::is_same_v<T, cof_str> ||
                      std::is_same_v<T, cof_bytes>,
                  "a parameter whose type does not tell what it is");
    return Role::plain;
  }
}

// A read through the socket gives at most this much; who wants more asks again.
inline constexpr std::uint64_t buffer_bytes_max = 256 * 1024;

// Where the outs of a call are, on the side that makes it.
struct Outs {
  std::string written;            // what went to the sink
  std::uint64_t written_max = 0;  // more is refused
  bool too_big = false;           // and was asked for
  std::uint64_t handle = 0;
  std::string buffer;
  cof_sink sink{this, &Outs::write};

  Outs() = default;
  Outs(const Outs&) = delete;
  Outs& operator=(const Outs&) = delete;

  static std::int32_t write(void* context, const void* data, std::uint64_t size) noexcept {
    auto& outs = *static_cast<Outs*>(context);
    if (size == 0) return COF_OK;
    if (data == nullptr) return COF_EINVALID;
    if (size > outs.written_max - outs.written.size()) {
      outs.too_big = true;
      return COF_ETOOBIG;
    }
    outs.written.append(static_cast<const char*>(data), size);
    return COF_OK;
  }
};

template <class Pointer>
struct Function;

template <class R, class... A>
struct Function<R (*)(A...)> {
  using Result = R;
  using Values = std::tuple<A...>;

  template <std::size_t I>
  static constexpr Role role() {
    if constexpr (I == 0) {
      return role_of<std::tuple_element_t<0, Values>, void>();
    } else {
      return role_of<std::tuple_element_t<I, Values>, std::tuple_element_t<I - 1, Values>>();
    }
  }
  template <Role What>
  static constexpr bool has() {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return ((role<I>() == What) || ...);
    }(std::index_sequence_for<A...>{});
  }
  // Calls `use.operator()<I>()` for each parameter, in order.
  template <class Use>
  static void each(Use&& use) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (use.template operator()<I>(), ...);
    }(std::index_sequence_for<A...>{});
  }

  // ---- The caller's side: arguments out, answer in ---------------------------------------------

  static void put_arguments(Writer& out, Values& values) {
    each([&]<std::size_t I>() {
      auto& value = std::get<I>(values);
      constexpr Role what = role<I>();
      if constexpr (what == Role::plain || what == Role::structure) {
        out.put(value);
      } else if constexpr (what == Role::texts) {
        out.texts(value, std::get<I + 1>(values));
      } else if constexpr (what == Role::buffer_size) {
        out.put(value < buffer_bytes_max ? value : buffer_bytes_max);
        if (std::get<I - 1>(values) == nullptr && value != 0) out.refuse(COF_EINVALID);
      } else if constexpr (what == Role::handle) {
        out.put(static_cast<std::uint8_t>(value != nullptr));
      }
    });
  }

  // The answer of a call that was made with `values`.  False: it is none of this function.
  // What goes to a sink may be refused by it, and then its status is the result.
  static bool get_answer(Reader& in, R& result, Values& values) {
    in.get(result);
    if (!in.good() || result < 0) return in.good() && in.at_end();
    each([&]<std::size_t I>() {
      auto& value = std::get<I>(values);
      constexpr Role what = role<I>();
      if constexpr (what == Role::sink) {
        std::string_view bytes;
        in.get(bytes);
        if (!in.good() || bytes.empty() || value == nullptr) return;
        const std::int32_t status = value->write(value->context, bytes.data(), bytes.size());
        if (status < 0) result = status;
      } else if constexpr (what == Role::handle) {
        std::uint64_t handle = 0;
        in.get(handle);
        if (value != nullptr) *value = handle;
      } else if constexpr (what == Role::buffer) {
        std::string_view bytes;
        in.get(bytes);
        if (bytes.size() > std::get<I + 1>(values)) in.fail();
        if (in.good() && !bytes.empty()) std::memcpy(value, bytes.data(), bytes.size());
      }
    });
    return in.good() && in.at_end();
  }

  // ---- The other side: arguments in, the call, answer out --------------------------------------

  // False: these are not the arguments of this function, or there are more bytes.
  static bool get_arguments(Reader& in, Values& values, Outs& outs) {
    each([&]<std::size_t I>() {
      auto& value = std::get<I>(values);
      constexpr Role what = role<I>();
      if constexpr (what == Role::plain) {
        in.get(value);
      } else if constexpr (what == Role::structure) {
        value = in.get_struct<std::remove_cvref_t<decltype(*value)>>();
      } else if constexpr (what == Role::texts) {
        in.texts(value, std::get<I + 1>(values));
      } else if constexpr (what == Role::sink) {
        value = &outs.sink;
      } else if constexpr (what == Role::handle) {
        value = in.get_flag() ? &outs.handle : nullptr;
      } else if constexpr (what == Role::buffer_size) {
        in.get(value);
        if (value > buffer_bytes_max) in.fail();
      }
    });
    return in.good() && in.at_end();
  }
  static void make_buffer(Values& values, Outs& outs) {
    each([&]<std::size_t I>() {
      if constexpr (role<I>() == Role::buffer) {
        outs.buffer.resize(std::get<I + 1>(values));
        std::get<I>(values) = outs.buffer.data();
      }
    });
  }

  static void put_answer(Writer& out, R result, const Outs& outs) {
    out.put(result);
    if (result < 0) return;
    if constexpr (has<Role::sink>()) out.put(std::string_view{outs.written});
    if constexpr (has<Role::handle>()) out.put(outs.handle);
    if constexpr (has<Role::buffer>()) {
      const auto size = static_cast<std::uint64_t>(result);
      out.put(std::string_view{outs.buffer}.substr(0, size));
    }
  }
};

// Functions without a result answer with nothing; as seen here they return COF_OK.
template <class... A>
struct Function<void (*)(A...)> : Function<std::int32_t (*)(A...)> {
  using Result = void;
};
template <class R, class... A>
struct Function<R (*)(A...) noexcept> : Function<R (*)(A...)> {};

// The type of the function that the struct's member points to.
template <class Pointer>
struct Member;
template <class Struct, class Pointer>
struct Member<Pointer Struct::*> {
  using Owner = Struct;
  using Type = Pointer;
};
template <class Pointer>
struct Member<const Pointer> : Member<Pointer> {};

}  // namespace cofounder::wire
