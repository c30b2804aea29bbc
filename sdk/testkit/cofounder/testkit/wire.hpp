// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/cpp/fields.hpp>
#include <cofounder/plugin.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

// What crosses the border, as bytes.
namespace cofounder::testkit {

inline std::string_view view(cof_str text) noexcept {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}
inline std::string_view view(cof_bytes bytes) noexcept {
  if (bytes.data == nullptr) return {};
  return {static_cast<const char*>(bytes.data), bytes.size};
}
inline cof_str text(std::string_view given) noexcept { return {given.data(), given.size()}; }
inline cof_bytes bytes(std::string_view given) noexcept { return {given.data(), given.size()}; }

// The other side broke a rule of abi.h; the function that found it answers with the status.
struct Refused {
  std::int32_t status;
  std::string reason;
};

inline bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t more = lead < 0x80                   ? 0
                             : lead >= 0xC2 && lead < 0xE0 ? 1
                             : lead >= 0xE0 && lead < 0xF0 ? 2
                             : lead >= 0xF0 && lead < 0xF5 ? 3
                                                           : 4;
    if (more == 4 || i + more >= text.size()) return false;
    std::uint32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
    for (std::size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3Fu);
    }
    const bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += more + 1;
  }
  return true;
}

using abi::fields;

// ---- To bytes and back ------------------------------------------------------------------------

// The struct as this side knows it.  What it does not know must be zero.
template <class Struct>
Struct known_part(const Struct* given) {
  if (given == nullptr) throw Refused{COF_EINVALID, "a struct is NULL"};
  if (given->struct_size < sizeof given->struct_size) {
    throw Refused{COF_EINVALID, "struct_size is not set"};
  }
  Struct known{};
  std::memcpy(&known, given, given->struct_size < sizeof known ? given->struct_size : sizeof known);
  const auto* raw = reinterpret_cast<const char*>(given);
  for (std::size_t i = sizeof known; i < given->struct_size; ++i) {
    if (raw[i] != 0) throw Refused{COF_EUNSUPPORTED, "a field that this host does not know is set"};
  }
  return known;
}

class Encoder {
 public:
  std::string frame;

  template <class... Field>
  void operator()(Field&... field) {
    (put(field), ...);
  }
  template <class Field>
  void reserved(Field& field) {
    if (field != 0) throw Refused{COF_EUNSUPPORTED, "a reserved field is not 0"};
  }
  template <class Struct>
  void structs(const Struct* const*& items, std::uint64_t& count) {
    put(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      Struct item = known_part(items[i]);
      fields(*this, item);
    }
  }
  void numbers(const double*& items, std::uint64_t& count) {
    put(count);
    for (std::uint64_t i = 0; i < count; ++i) raw(&items[i], sizeof items[i]);
  }

  void put(cof_str given) {
    check(given.data, given.size, COF_TEXT_BYTES_MAX);
    if (!is_utf8(view(given))) throw Refused{COF_EINVALID, "a text is not UTF-8"};
    sized(given.data, given.size);
  }
  void put(cof_bytes given) {
    check(given.data, given.size, COF_BYTES_BYTES_MAX);
    sized(given.data, given.size);
  }
  template <class Number>
    requires std::is_arithmetic_v<Number>
  void put(Number number) {
    raw(&number, sizeof number);
  }

 private:
  static void check(const void* data, std::uint64_t size, std::uint64_t size_max) {
    if (data == nullptr && size != 0) throw Refused{COF_EINVALID, "NULL with a size"};
    if (size > size_max) throw Refused{COF_ETOOBIG, "a text or bytes are too long"};
  }
  void sized(const void* data, std::uint64_t size) {
    put(size);
    raw(data, size);
  }
  void raw(const void* data, std::uint64_t size) {
    if (size != 0) frame.append(static_cast<const char*>(data), size);
  }
};

// Memory that is lent to the other side: exactly as large as what it holds, so that a sanitizer
// sees who reads beyond it, and overwritten before it is freed, so that who kept a pointer reads
// rubbish.
class Arena {
 public:
  Arena() = default;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;
  ~Arena() {
    for (Block& block : blocks_) std::memset(block.memory.get(), 0xDD, block.size);
  }

  void* take(std::size_t size) {
    blocks_.push_back(Block{std::unique_ptr<char[]>{new char[size]}, size});
    return blocks_.back().memory.get();
  }

 private:
  struct Block {
    std::unique_ptr<char[]> memory;
    std::size_t size;
  };
  std::vector<Block> blocks_;
};

class Decoder {
 public:
  Decoder(std::string_view frame, Arena& arena) noexcept : frame_{frame}, arena_{arena} {}

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
    get(count);
    auto* pointers = static_cast<const Struct**>(arena_.take(count * sizeof(Struct*)));
    for (std::uint64_t i = 0; i < count; ++i) {
      auto* item = new (arena_.take(sizeof(Struct))) Struct{};
      item->struct_size = sizeof(Struct);
      fields(*this, *item);
      pointers[i] = item;
    }
    items = pointers;
  }
  void numbers(const double*& items, std::uint64_t& count) {
    get(count);
    auto* numbers = static_cast<double*>(arena_.take(count * sizeof(double)));
    for (std::uint64_t i = 0; i < count; ++i) raw(&numbers[i], sizeof numbers[i]);
    items = numbers;
  }

  void get(cof_str& given) { given.data = static_cast<const char*>(sized(given.size)); }
  void get(cof_bytes& given) { given.data = sized(given.size); }
  template <class Number>
    requires std::is_arithmetic_v<Number>
  void get(Number& number) {
    raw(&number, sizeof number);
  }
  bool at_end() const noexcept { return frame_.empty(); }

 private:
  const void* sized(std::uint64_t& size) {
    get(size);
    if (size == 0) return nullptr;
    void* copy = arena_.take(size);
    raw(copy, size);
    return copy;
  }
  void raw(void* into, std::size_t size) {
    if (size > frame_.size()) throw std::logic_error{"a frame is too short"};
    std::memcpy(into, frame_.data(), size);
    frame_.remove_prefix(size);
  }

  std::string_view frame_;
  Arena& arena_;
};

// Takes what crosses the border through bytes and back; the copies live as long as the Wire.
class Wire {
 public:
  cof_str operator()(cof_str given) { return value(given); }
  cof_bytes operator()(cof_bytes given) { return value(given); }
  template <class Struct>
  const Struct* operator()(const Struct* given) {
    Struct known = known_part(given);
    Encoder encoder;
    fields(encoder, known);
    auto* copy = new (arena_.take(sizeof(Struct))) Struct{};
    copy->struct_size = sizeof(Struct);
    Decoder decoder{encoder.frame, arena_};
    fields(decoder, *copy);
    if (!decoder.at_end()) throw std::logic_error{"a frame is too long"};
    return copy;
  }

 private:
  template <class Value>
  Value value(Value given) {
    Encoder encoder;
    encoder.put(given);
    Value copy{};
    Decoder{encoder.frame, arena_}.get(copy);
    return copy;
  }

  Arena arena_;
};

}  // namespace cofounder::testkit
