// SPDX-License-Identifier: Apache-2.0
#include "core/wire/frame.hpp"

#include "core/wire/messages.hpp"
#include "core/wire/trampolines.hpp"

#include <cstring>

namespace cofounder::wire {
namespace {

bool sends(Side side, Kind kind) noexcept {
  switch (kind) {
    case Kind::begin:
    case Kind::load:
    case Kind::entry:
    case Kind::answer:
      return side == Side::daemon;
    case Kind::loaded:
    case Kind::request:
    case Kind::returned:
      return side == Side::child;
  }
  return false;
}

// The header's fields, each by itself.
Broken check_header(const Header& header, Side sender) noexcept {
  if (!sends(sender, header.kind)) return Broken::unknown_kind;
  if (header.in_memory > 1) return Broken::bad_flag;
  if (header.size > frame_bytes_max) return Broken::bad_size;
  const bool numbered = header.kind == Kind::entry || header.kind == Kind::answer ||
                        header.kind == Kind::returned;
  if (header.kind == Kind::request) {
    if (!is_interface(header.interface)) return Broken::unknown_interface;
    const Handler* const handler = find_handler(header.interface, header.slot);
    if (handler == nullptr) return Broken::unknown_slot;
    return (header.sequence == 0) == (handler->way == Way::post) ? Broken::no : Broken::bad_sequence;
  }
  if (header.interface != 0) return Broken::unknown_interface;
  if (header.slot >= (header.kind == Kind::entry ? EntrySlots::count : 1)) {
    return Broken::unknown_slot;
  }
  return (header.sequence != 0) == numbered ? Broken::no : Broken::bad_sequence;
}

}  // namespace

const char* to_text(Broken broken) noexcept {
  switch (broken) {
    case Broken::no: return "all is well";
    case Broken::too_short: return "a frame is shorter than its header";
    case Broken::unknown_kind: return "a frame of a kind that it may not send";
    case Broken::bad_size: return "a frame of another size than it says";
    case Broken::bad_flag: return "a flag that is neither 0 nor 1";
    case Broken::unknown_interface: return "an unknown interface";
    case Broken::unknown_slot: return "an unknown function of an interface";
    case Broken::not_granted: return "an interface that it was not given";
    case Broken::bad_argument: return "arguments that are none of the function's";
    case Broken::trailing_bytes: return "bytes after the arguments";
    case Broken::bad_sequence: return "a sequence number that belongs to nothing";
    case Broken::cut_packet: return "a packet over the limit";
    case Broken::cut_descriptors: return "too many descriptors";
    case Broken::stray_descriptor: return "a descriptor where none belongs";
    case Broken::missing_descriptor: return "no descriptor where one belongs";
    case Broken::not_sealed: return "a memory file that can still change";
    case Broken::wrong_memory: return "no memory file, or one of another size";
    case Broken::out_of_turn: return "a frame out of turn";
    case Broken::too_many_waiting: return "more replies asked for than it takes";
  }
  return "an unknown fault";
}

Decoded decode(std::string_view packet, Side sender) noexcept {
  Decoded decoded;
  if (packet.size() < sizeof(Header)) {
    decoded.broken = Broken::too_short;
    return decoded;
  }
  Header& header = decoded.frame.header;
  std::memcpy(&header, packet.data(), sizeof header);
  decoded.frame.arguments = packet.substr(sizeof header);
  decoded.broken = check_header(header, sender);
  if (decoded.broken != Broken::no) return decoded;
  const std::size_t expected = header.in_memory == 1 ? 0 : header.size;
  if (decoded.frame.arguments.size() != expected) decoded.broken = Broken::bad_size;
  return decoded;
}

Broken check_arguments(const Header& header, std::string_view arguments) {
  if (arguments.size() != header.size) return Broken::bad_size;
  const auto whole = [](bool is) { return is ? Broken::no : Broken::bad_argument; };
  switch (header.kind) {
    case Kind::begin:
      return whole(decode_begin(arguments).has_value());
    case Kind::load:
      return whole(decode_load(arguments).has_value());
    case Kind::loaded:
      return whole(decode_loaded(arguments).has_value());
    case Kind::returned:
      return whole(decode_returned(arguments).has_value());
    case Kind::request: {
      const Handler* const handler = find_handler(header.interface, header.slot);
      return handler == nullptr ? Broken::unknown_slot : handler->check(arguments);
    }
    case Kind::entry:
    case Kind::answer:
      return Broken::no;  // read by the child, which believes the daemon
  }
  return Broken::unknown_kind;
}

std::string encode(const Header& header, std::string_view arguments) {
  std::string packet;
  packet.reserve(sizeof header + arguments.size());
  packet.append(reinterpret_cast<const char*>(&header), sizeof header);
  packet.append(arguments);
  return packet;
}

}  // namespace cofounder::wire
