// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/cpp/fields.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <string.h>

// Values to bytes and back.  Numbers as they lie in memory (both sides are one machine), texts as
// u32 size and bytes, structs field by field, arrays as u32 count and items.
namespace cofounder::wire {

using abi::fields;

// Items of an array; no function takes so many.
inline constexpr std::uint64_t items_max = 65'536;

// Overwrites what may have been a secret.
inline void wipe(std::string& bytes) noexcept {
  if (!bytes.empty()) ::explicit_bzero(bytes.data(), bytes.size());
}

// What the plugin hands over, by the rules of abi.h.  The first rule that is broken is kept in
// `refused`, and then the bytes mean nothing.
class Writer {
 public:
  std::string bytes;
  std::int32_t refused = COF_OK;

  template <class... Field>
  void operator()(Field&... field) {
    (put(field), ...);
  }
  template <class Field>
  void reserved(Field& field) {
    if (field != 0) refuse(COF_EUNSUPPORTED);
  }
  template <class Struct>
  void structs(const Struct* const*& items, std::uint64_t& count) {
    if (!put_count(items, count)) return;
    for (std::uint64_t i = 0; i < count && refused == COF_OK; ++i) put(items[i]);
  }
  void numbers(const double*& items, std::uint64_t& count) {
    if (!put_count(items, count)) return;
    for (std::uint64_t i = 0; i < count; ++i) raw(&items[i], sizeof items[i]);
  }
  void texts(const cof_str* items, std::uint64_t count) {
    if (!put_count(items, count)) return;
    for (std::uint64_t i = 0; i < count && refused == COF_OK; ++i) put(items[i]);
  }

  void put(cof_str text) { sized(text.data, text.size, COF_TEXT_BYTES_MAX); }
  void put(cof_bytes given) { sized(given.data, given.size, COF_BYTES_BYTES_MAX); }
  void put(std::string_view text) { sized(text.data(), text.size(), COF_BYTES_BYTES_MAX); }
  template <class Number>
    requires std::is_arithmetic_v<Number>
  void put(Number number) {
    raw(&number, sizeof number);
  }
  // The struct as this build knows it; what it does not know must be zero.
  template <class Struct>
    requires std::is_class_v<Struct>
  void put(const Struct* given) {
    if (given == nullptr || given->struct_size < sizeof given->struct_size ||
        given->struct_size > struct_bytes_max) {
      return refuse(COF_EINVALID);
    }
    Struct known{};
    std::memcpy(&known, given,
                given->struct_size < sizeof known ? given->struct_size : sizeof known);
    const auto* all = reinterpret_cast<const char*>(given);
    for (std::size_t i = sizeof known; i < given->struct_size; ++i) {
      if (all[i] != 0) return refuse(COF_EUNSUPPORTED);
    }
    fields(*this, known);
  }
  void refuse(std::int32_t status) noexcept {
    if (refused == COF_OK) refused = status;
  }

 private:
  static constexpr std::uint32_t struct_bytes_max = 65'536;

  bool put_count(const void* items, std::uint64_t count) {
    if (count > items_max || (items == nullptr && count != 0)) refuse(COF_EINVALID);
    if (refused == COF_OK) put(static_cast<std::uint32_t>(count));
    return refused == COF_OK;
  }
  void sized(const void* data, std::uint64_t size, std::uint64_t size_max) {
    if (data == nullptr && size != 0) return refuse(COF_EINVALID);
    if (size > size_max) return refuse(COF_ETOOBIG);
    put(static_cast<std::uint32_t>(size));
    raw(data, size);
  }
  void raw(const void* data, std::uint64_t size) {
    if (size != 0) bytes.append(static_cast<const char*>(data), size);
  }
};

// Memory for what does not lie in the frame as it is used: structs and arrays.
class Arena {
 public:
  // Of value-initialized items, freed with the arena.
  template <class Item>
  Item* take(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<Item> &&
                  alignof(Item) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    blocks_.push_back(std::unique_ptr<char[]>{new char[count * sizeof(Item) + 1]{}});
    return reinterpret_cast<Item*>(blocks_.back().get());
  }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
};

// Reads any bytes, never beyond their end.  After the first fault everything reads as zero and
// good() is false.  Texts point into the bytes.
class Reader {
 public:
  Reader(std::string_view bytes, Arena& arena) noexcept : bytes_{bytes}, arena_{&arena} {}

  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return bytes_.empty(); }
  void fail() noexcept {
    good_ = false;
    bytes_ = {};
  }

  template <class... Field>
  void operator()(Field&... field) {
    (get(field), ...);
  }
  template <class Field>
  void reserved(Field& field) {
    field = 0;
  }
  template <class Struct>
  void structs(const Struct* const*& items, std::uint64_t& count) {
    count = get_count(least_struct_bytes);
    auto** pointers = arena_->take<const Struct*>(count);
    Struct* all = arena_->take<Struct>(count);
    for (std::uint64_t i = 0; i < count && good_; ++i) {
      read(all[i]);
      pointers[i] = &all[i];
    }
    items = pointers;
  }
  void numbers(const double*& items, std::uint64_t& count) {
    count = get_count(sizeof(double));
    auto* all = arena_->take<double>(count);
    raw(all, count * sizeof(double));
    items = all;
  }
  void texts(const cof_str*& items, std::uint64_t& count) {
    count = get_count(sizeof(std::uint32_t));
    auto* all = arena_->take<cof_str>(count);
    for (std::uint64_t i = 0; i < count && good_; ++i) get(all[i]);
    items = all;
  }

  void get(cof_str& text) {
    const std::string_view view = sized();
    text = {view.data(), view.size()};
  }
  void get(cof_bytes& given) {
    const std::string_view view = sized();
    given = {view.data(), view.size()};
  }
  void get(std::string_view& text) { text = sized(); }
  template <class Number>
    requires std::is_arithmetic_v<Number>
  void get(Number& number) {
    number = 0;
    raw(&number, sizeof number);
  }
  // 0 or 1.
  bool get_flag() {
    std::uint8_t flag = 0;
    get(flag);
    if (flag > 1) fail();
    return good_ && flag == 1;
  }
  template <class Struct>
  const Struct* get_struct() {
    auto* item = arena_->take<Struct>(1);
    read(*item);
    return item;
  }

 private:
  static constexpr std::size_t least_struct_bytes = 16;  // no struct has less on the wire

  template <class Struct>
  void read(Struct& item) {
    item.struct_size = sizeof(Struct);
    fields(*this, item);
  }
  // A count is believed as far as there are bytes for so many items, and no further than any honest
  // one goes, for an item takes more memory than bytes.
  std::uint64_t get_count(std::size_t least_item_bytes) {
    std::uint32_t count = 0;
    get(count);
    if (count > items_max || count > bytes_.size() / least_item_bytes) fail();
    return good_ ? count : 0;
  }
  std::string_view sized() {
    std::uint32_t size = 0;
    get(size);
    if (size > bytes_.size()) fail();
    if (!good_ || size == 0) return {};
    const std::string_view text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return text;
  }
  void raw(void* into, std::size_t size) {
    if (size > bytes_.size()) return fail();
    if (size != 0) std::memcpy(into, bytes_.data(), size);
    bytes_.remove_prefix(size);
  }

  std::string_view bytes_;
  Arena* arena_;
  bool good_ = true;
};

}  // namespace cofounder::wire
