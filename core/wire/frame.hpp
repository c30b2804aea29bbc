// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What the daemon and the process of an isolated plugin say to each other, over one inherited
// SOCK_SEQPACKET pair.  Both sides come from one build; they say so in the first frame, so nothing
// here has to stay as it is.
//
// One packet is one frame: a header and the arguments, flat (codec.hpp).  Larger arguments stand in
// a sealed memory file whose descriptor comes with the packet, and the packet has none.
//
//   daemon                              child
//   begin (rules; with the pulse page)  ->   enters its sandbox
//   load (path of the library)          ->   dlopen
//                                       <-   loaded (status, which entries there are)
//   entry (slot, arguments)             ->   enters the plugin
//                                       <-   request (interface, slot, arguments) ... of that entry
//   answer (of a request that waits)    ->
//                                       <-   returned (status, result): once for each entry
//
// WHO TRUSTS WHOM  The daemon believes nothing: whatever the child sends is checked field by field
// before anything is done, and the first frame that breaks a rule ends the child with the reason
// (Broken).  The child believes the daemon.
namespace cofounder::wire {

enum class Kind : std::uint8_t {
  begin = 1,     // daemon: the sandbox and the pulse page
  load = 2,      // daemon: which library
  entry = 3,     // daemon: slot of cof_plugin
  answer = 4,    // daemon: to the request with this sequence
  loaded = 5,    // child: to load, or why there is no sandbox
  request = 6,   // child: interface and slot of a host service
  returned = 7   // child: from the entry with this sequence
};

enum class Side { daemon, child };

struct Header {
  Kind kind{};
  std::uint8_t interface = 0;  // request: index in the table of interfaces
  std::uint8_t slot = 0;       // request: of the interface; entry: of cof_plugin
  std::uint8_t in_memory = 0;  // 1: the arguments stand in the memory file of the packet
  std::uint32_t size = 0;      // bytes of the arguments, wherever they stand
  std::uint64_t sequence = 0;  // entry and returned; request (0: wants no answer) and answer
};
static_assert(sizeof(Header) == 16);

// Arguments up to here stand in the packet.
inline constexpr std::size_t inline_bytes_max = 32 * 1024;
inline constexpr std::size_t packet_bytes_max = sizeof(Header) + inline_bytes_max;
// A frame's arguments: the largest cof_bytes and what is around it.
inline constexpr std::uint64_t frame_bytes_max = (1ull << 30) + (64ull << 20);

// How a child broke the rules.  It is ended, and the text is shown.
enum class Broken {
  no,
  too_short,           // no whole header
  unknown_kind,        // or one that only the other side sends
  bad_size,            // the header tells another size than there is, or one over the limit
  bad_flag,            // a field that must be 0 or 1 is not
  unknown_interface,
  unknown_slot,
  not_granted,         // an interface that the plugin did not get
  bad_argument,        // too few bytes, or a value that its type does not have
  trailing_bytes,
  bad_sequence,        // no such entry, or a number where none belongs
  cut_packet,          // MSG_TRUNC: larger than any packet may be
  cut_descriptors,     // MSG_CTRUNC: more than one descriptor
  stray_descriptor,    // one where none belongs
  missing_descriptor,
  not_sealed,          // the memory file could still change
  wrong_memory,        // no memory file, or one of another size
  out_of_turn,         // a second `loaded`, or anything before it
  too_many_waiting     // it takes no frames, but makes more and more of them necessary
};
const char* to_text(Broken broken) noexcept;

// A packet's header and, when they stand in it, its arguments.
struct Frame {
  Header header;
  std::string_view arguments;
};
struct Decoded {
  Frame frame;
  Broken broken = Broken::no;
};

// Reads a packet that `sender` sent, without the arguments' inside.  Pure; for any bytes.
Decoded decode(std::string_view packet, Side sender) noexcept;

// Whether the arguments are those of the frame's kind and slot.  Pure; for any bytes.
Broken check_arguments(const Header& header, std::string_view arguments);

// A frame as bytes, for arguments that fit.
std::string encode(const Header& header, std::string_view arguments);

}  // namespace cofounder::wire
