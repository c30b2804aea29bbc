// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wire/function.hpp"

#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

// Valid arguments for any function of the table, and memory for them.
namespace cofounder::wire {

class Sample {
 public:
  // Values are taken from `given` as long as there is something left of it; after that they differ
  // from call to call.
  explicit Sample(std::string_view given = {}) : given_{given} {}

  std::uint64_t number() {
    std::uint64_t taken = ++last_ * 0x0101010101ULL;
    const std::string_view bytes = take(sizeof taken);
    if (!bytes.empty()) std::memcpy(&taken, bytes.data(), bytes.size());
    return taken;
  }
  cof_str text() {
    if (given_.empty()) return keep("text " + std::to_string(number()) + " \xc3\xa4");
    return keep(std::string{take(small())});
  }
  cof_bytes bytes() {
    const cof_str kept =
        given_.empty() ? keep(std::string("\0\xff", 2) + std::to_string(number())) : text();
    return {kept.data, kept.size};
  }

  // As a visitor of fields().
  template <class... Field>
  void operator()(Field&... field) {
    (fill(field), ...);
  }
  template <class Field>
  void reserved(Field&) {}
  template <class Struct>
  void structs(const Struct* const*& items, std::uint64_t& count) {
    count = items_count(2);
    auto** pointers = arena_.take<const Struct*>(count);
    for (std::uint64_t i = 0; i < count; ++i) pointers[i] = make<Struct>();
    items = pointers;
  }
  void numbers(const double*& items, std::uint64_t& count) {
    count = items_count(3);
    auto* all = arena_.take<double>(count);
    for (std::uint64_t i = 0; i < count; ++i) all[i] = static_cast<double>(number()) / 7;
    items = all;
  }
  template <class Struct>
  const Struct* make() {
    auto* made = arena_.take<Struct>(1);
    made->struct_size = sizeof(Struct);
    fields(*this, *made);
    return made;
  }
  const cof_str* texts(std::uint64_t& count) {
    count = items_count(3);
    auto* all = arena_.take<cof_str>(count);
    for (std::uint64_t i = 0; i < count; ++i) all[i] = text();
    return all;
  }

  void fill(cof_str& field) { field = text(); }
  void fill(cof_bytes& field) { field = bytes(); }
  template <class Number>
    requires std::is_arithmetic_v<Number>
  void fill(Number& field) {
    field = static_cast<Number>(number());
  }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = given_.substr(0, size);
    given_.remove_prefix(taken.size());
    return taken;
  }
  std::size_t small() {
    const std::string_view byte = take(1);
    return byte.empty() ? 0 : static_cast<unsigned char>(byte[0]) % 48;
  }
  std::uint64_t items_count(std::uint64_t usual) { return given_.empty() ? usual : small() % 8; }
  cof_str keep(std::string text) {
    texts_.push_back(std::move(text));
    return {texts_.back().data(), texts_.back().size()};
  }

  std::string_view given_;
  std::uint64_t last_ = 0;
  std::deque<std::string> texts_;
  Arena arena_;
};

// The values of a call of F, with its outs in `outs`.
template <class F>
typename F::Values sample_values(Sample& sample, Outs& outs) {
  typename F::Values values{};
  F::each([&]<std::size_t I>() {
    auto& value = std::get<I>(values);
    constexpr Role what = F::template role<I>();
    if constexpr (what == Role::plain) sample.fill(value);
    if constexpr (what == Role::structure) {
      value = sample.make<std::remove_cvref_t<decltype(*value)>>();
    }
    if constexpr (what == Role::texts) value = sample.texts(std::get<I + 1>(values));
    if constexpr (what == Role::sink) value = &outs.sink;
    if constexpr (what == Role::handle) value = &outs.handle;
    if constexpr (what == Role::buffer) {
      outs.buffer.resize(64);
      value = outs.buffer.data();
      std::get<I + 1>(values) = 64;
    }
  });
  return values;
}

}  // namespace cofounder::wire
