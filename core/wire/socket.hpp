// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wire/frame.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// Packets, descriptors and memory files; the same on both sides.
namespace cofounder::wire {

// A descriptor that is closed with this.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_{number} {}
  Descriptor(Descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  int get() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, -1); }
  explicit operator bool() const noexcept { return number_ >= 0; }

 private:
  int number_ = -1;
};

// The bytes of a memory file that nobody can change any more, mapped to be read.
class Memory {
 public:
  // Checks the seals and the size before it maps.
  static Broken map(const Descriptor& file, std::uint64_t size, Memory& into);
  // A new sealed file; none when there is no memory or no descriptor left (errno).
  static Descriptor make(std::string_view bytes) noexcept;

  Memory() noexcept = default;
  Memory(Memory&& other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
  Memory& operator=(Memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Memory();
  std::string_view bytes() const noexcept { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

// A frame that is ready to go, or on its way.
struct Outgoing {
  std::string packet;
  Descriptor descriptor;  // at most one
};
// Puts larger arguments into a memory file; none when that cannot be made.
std::optional<Outgoing> pack(Header header, std::string_view arguments);

enum class Sent { yes, full, closed };
// Never blocks.
Sent send(int socket, const Outgoing& outgoing) noexcept;
// The same for arguments that fit, without a copy.
Sent send_inline(int socket, const Header& header, std::string_view arguments) noexcept;

// What came; `bytes` lies in the buffer that was given, or in `memory`.
struct Incoming {
  enum class What { frame, nothing, closed, broken } what = What::nothing;
  Frame frame;
  Memory memory;          // holds the arguments when header.in_memory
  Descriptor descriptor;  // of Kind::begin
  Broken broken = Broken::no;
};
// Receives one packet from `sender` into `buffer` of packet_bytes_max bytes, checks its header and
// opens its memory.  `wait`: until one comes.
Incoming receive(int socket, char* buffer, Side sender, bool wait) noexcept;

}  // namespace cofounder::wire
