// SPDX-License-Identifier: Apache-2.0
// Frames between the daemon and the process of an isolated plugin, both directions: from their first
// byte to the function that is called with what stood in them.
//
// The first byte says what the rest is:
//   0, 1   a packet of the child, of the daemon
//   2      a function's number, and arguments: a request of the child, or an entry of the daemon
//   3      a function's number, changes, and values: valid arguments that these were done to
//   4      a function's number, and an answer to it
//   5      descriptors, and a packet or what stands in the memory file: through a socket
#include "core/plugin_host/stubs.hpp"
#include "core/wire/function.hpp"
#include "core/wire/messages.hpp"
#include "core/wire/socket.hpp"
#include "core/wire/trampolines.hpp"

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.hpp"
#include "tests/wire/sample.hpp"

namespace {

using namespace cofounder;
using namespace cofounder::wire;
using fuzz::require;

// ---- Functions that say what they were called with -----------------------------------------------

int calls = 0;
std::string seen;  // the arguments of the last call, as bytes

template <class Pointer>
struct Fake;
template <class R, class... A>
struct Fake<R (*)(A...)> {
  using F = Function<R (*)(A...)>;

  static R call(A... given) {
    typename F::Values values{given...};
    Writer out;
    F::put_arguments(out, values);
    require(out.refused == COF_OK, "what is accepted could be sent");
    seen = std::move(out.bytes);
    ++calls;
    F::each([&]<std::size_t I>() {
      auto& value = std::get<I>(values);
      constexpr Role what = F::template role<I>();
      if constexpr (what == Role::sink) value->write(value->context, "written", 7);
      if constexpr (what == Role::handle) {
        if (value != nullptr) *value = 42;
      }
      if constexpr (what == Role::buffer) std::memset(value, 'x', std::get<I + 1>(values));
    });
    if constexpr (!std::is_void_v<R>) return COF_OK;
  }
};

template <class S>
struct FakeTable;
template <class... S>
struct FakeTable<Slots<S...>> {
  template <class Struct>
  static Struct make() {
    Struct made{};
    made.struct_size = sizeof made;
    ((made.*S::member = &Fake<typename Member<decltype(S::member)>::Type>::call), ...);
    return made;
  }
};

// ---- One function of the table -------------------------------------------------------------------

struct Known {
  Header header;  // of a call; its size is not set
  const void* table;
  std::string (*valid)(std::string_view values);
  // What its caller makes of an answer.
  bool (*take)(std::string_view answer);
};

template <auto SlotMember>
std::string valid_arguments(std::string_view given) {
  using F = Function<typename Member<decltype(SlotMember)>::Type>;
  Sample sample{given};
  Outs outs;
  typename F::Values values = sample_values<F>(sample, outs);
  Writer out;
  F::put_arguments(out, values);
  require(out.refused == COF_OK, "a sample keeps the rules");
  return std::move(out.bytes);
}

template <auto SlotMember>
bool take_answer(std::string_view answer) {
  using F = Function<typename Member<decltype(SlotMember)>::Type>;
  Sample sample;
  Outs outs;
  outs.written_max = 1u << 20;
  typename F::Values values = sample_values<F>(sample, outs);
  Arena arena;
  Reader in{answer, arena};
  std::conditional_t<std::is_void_v<typename F::Result>, std::int32_t, typename F::Result> result{};
  const bool whole = F::get_answer(in, result, values);
  require(outs.written.size() <= answer.size(), "no more is written than came");
  return whole;
}

template <class Service, class... S>
void add_service(std::vector<Known>& all, Slots<S...>) {
  static const Service table = FakeTable<Slots<S...>>::template make<Service>();
  Header header;
  header.kind = Kind::request;
  header.interface = *interface_number(Interface<Service>::iid);
  ((header.sequence = S::way == Way::post ? 0 : 7,
    all.push_back({header, &table, &valid_arguments<S::member>, &take_answer<S::member>}),
    ++header.slot),
   ...);
}

template <class... S>
void add_entries(std::vector<Known>& all, Slots<S...>) {
  Header header;
  header.kind = Kind::entry;
  header.sequence = 7;
  ((all.push_back({header, nullptr, &valid_arguments<S::member>, &take_answer<S::member>}),
    ++header.slot),
   ...);
}

template <class... Service>
std::vector<Known> everything(Services<Service...>) {
  std::vector<Known> all;
  (add_service<Service>(all, typename Interface<Service>::slots{}), ...);
  add_entries(all, EntrySlots{});
  return all;
}

const std::vector<Known>& functions() {
  static const std::vector<Known> all = everything(AllServices{});
  return all;
}

const Known& find(const Header& header) {
  for (const Known& known : functions()) {
    if (known.header.kind == header.kind && known.header.interface == header.interface &&
        known.header.slot == header.slot) {
      return known;
    }
  }
  require(false, "an accepted frame is for a function of the table");
  std::abort();
}

// ---- What each side does with a frame ------------------------------------------------------------

const cof_host host{};
constexpr std::size_t entry_head = 2 * sizeof(std::uint64_t);  // the call, and the limit of its result

// The daemon makes the call, and what it answers its caller can read.
void serve(const Frame& frame) {
  const Handler& handler = *find_handler(frame.header.interface, frame.header.slot);
  const Known& known = find(frame.header);
  const int before = calls;
  std::string answer;
  const bool served = handler.serve(known.table, &host, frame.arguments, answer);
  require(served == (handler.check(frame.arguments) == Broken::no), "the check and the call agree");
  require(calls == before + (served ? 1 : 0), "called once, or not at all");
  if (!served) return;
  require(seen == frame.arguments, "called with what stood in the frame");
  require(known.take(answer), "its answer is one");
}

// The child enters the plugin.
void enter(const Frame& frame) {
  static const cof_plugin plugin = FakeTable<EntrySlots>::make<cof_plugin>();
  plugin_host::Job job;
  job.entry = static_cast<Entry>(frame.header.slot);
  job.result_max = 1'000;
  job.arguments = frame.arguments.substr(std::min(entry_head, frame.arguments.size()));
  void* self = nullptr;
  const int before = calls;
  const std::string bytes = plugin_host::enter(plugin, &host, self, job);
  const auto returned = decode_returned(bytes);
  require(returned.has_value(), "what an entry returned can be read");
  require((returned->status == COF_OK) == (calls == before + 1), "entered, or said why not");
  if (calls != before) require(seen == job.arguments, "entered with what stood in the frame");
}

template <class Message>
void same_again(const std::optional<Message>& message, std::string_view bytes, Broken broken) {
  require(message.has_value() == (broken == Broken::no), "the check and the message agree");
  if (message) require(encode(*message) == bytes, "a message is written as it was read");
}

void judge(const Frame& frame) {
  const Broken broken = check_arguments(frame.header, frame.arguments);
  switch (frame.header.kind) {
    case Kind::request: return serve(frame);
    case Kind::entry: return enter(frame);
    case Kind::begin: return same_again(decode_begin(frame.arguments), frame.arguments, broken);
    case Kind::load: return same_again(decode_load(frame.arguments), frame.arguments, broken);
    case Kind::loaded: return same_again(decode_loaded(frame.arguments), frame.arguments, broken);
    case Kind::returned: return same_again(decode_returned(frame.arguments), frame.arguments, broken);
    case Kind::answer:
      for (const Known& known : functions()) (void)known.take(frame.arguments);
  }
}

bool judge_packet(std::string_view packet, Side sender) {
  const Decoded decoded = decode(packet, sender);
  const Decoded other = decode(packet, sender == Side::child ? Side::daemon : Side::child);
  require(decoded.broken != Broken::no || other.broken == Broken::unknown_kind,
          "only one side may send it");
  if (decoded.broken != Broken::no) return false;
  require(encode(decoded.frame.header, decoded.frame.arguments) == packet,
          "a packet is written as it was read");
  if (decoded.frame.header.in_memory == 0) judge(decoded.frame);
  return true;
}

// ---- Inputs --------------------------------------------------------------------------------------

std::uint8_t take_byte(std::string_view& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<std::uint8_t>(input[0]);
  input.remove_prefix(1);
  return byte;
}

const Known& take_function(std::string_view& input) {
  return functions()[take_byte(input) % functions().size()];
}

// As its caller sends it.
std::string packet_of(const Known& known, std::string_view arguments) {
  Header header = known.header;
  header.size = static_cast<std::uint32_t>(arguments.size());
  return encode(header, arguments);
}
Side sender_of(const Known& known) {
  return known.header.kind == Kind::entry ? Side::daemon : Side::child;
}

void nearly_valid(std::string_view input) {
  const Known& known = take_function(input);
  std::array<std::array<std::uint8_t, 3>, 3> changes{};
  const std::size_t count = take_byte(input) % (changes.size() + 1);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::uint8_t& byte : changes[i]) byte = take_byte(input);
  }
  const std::string head(known.header.kind == Kind::entry ? entry_head : 0, '\0');
  std::string packet = packet_of(known, head + known.valid(input));
  const int before = calls;
  if (count == 0) {
    require(judge_packet(packet, sender_of(known)) && calls == before + 1, "what is valid is called");
  }
  for (std::size_t i = 0; i < count; ++i) {
    packet[(changes[i][0] * 256U + changes[i][1]) % packet.size()] = static_cast<char>(changes[i][2]);
  }
  judge_packet(packet, sender_of(known));
}

Descriptor memory_of(std::string_view bytes, bool sealed) {
  if (sealed) return Memory::make(bytes);
  Descriptor file{::memfd_create("open", MFD_CLOEXEC)};
  require(::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
          "memory can be written");
  return file;
}

void send_raw(int socket, std::string packet, const std::vector<Descriptor>& descriptors) {
  iovec part{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
      const int number = descriptors[i].get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof number, &number, sizeof number);
    }
  }
  require(::sendmsg(socket, &message, 0) >= 0, "the socket takes a packet");
}

int next_descriptor() {
  const Descriptor next{::dup(2)};
  return next.get();
}

void through_socket(std::string_view input) {
  static int ends[2] = {-1, -1};
  if (ends[0] < 0) {
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "there is a socket");
  }
  static std::array<char, packet_bytes_max> buffer;
  const int next = next_descriptor();
  const std::uint8_t how = take_byte(input);
  const Side sender = (how & 1U) != 0 ? Side::daemon : Side::child;
  std::string packet{input};
  std::vector<Descriptor> descriptors;
  const bool in_memory = (how & 2U) != 0 && input.size() >= sizeof(Header);
  if (in_memory) {
    packet.resize(sizeof(Header));
    descriptors.push_back(memory_of(input.substr(sizeof(Header)), (how & 4U) != 0));
    if ((how & 8U) != 0) {  // so that most are what they say
      Header header;
      std::memcpy(&header, packet.data(), sizeof header);
      header.in_memory = 1;
      header.size = static_cast<std::uint32_t>(input.size() - sizeof header);
      std::memcpy(packet.data(), &header, sizeof header);
    }
  }
  for (unsigned i = 0; i < (how >> 4U) % 3; ++i) {
    descriptors.emplace_back(::fcntl(ends[0], F_DUPFD_CLOEXEC, 0));
  }
  send_raw(ends[1], packet, descriptors);
  descriptors.clear();
  {
    const Incoming incoming = receive(ends[0], buffer.data(), sender, false);
    require(incoming.what != Incoming::What::nothing, "what was sent comes");
    if (incoming.what == Incoming::What::frame) {
      require(incoming.frame.arguments.size() == incoming.frame.header.size, "with all its bytes");
      judge(incoming.frame);
    }
  }
  require(next_descriptor() == next, "no descriptor is left");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = fuzz::text_of(data, size);
  switch (take_byte(input) % 6) {
    case 0: judge_packet(input, Side::child); break;
    case 1: judge_packet(input, Side::daemon); break;
    case 2: {
      const Known& known = take_function(input);
      judge_packet(packet_of(known, input), sender_of(known));
      break;
    }
    case 3: nearly_valid(input); break;
    case 4: (void)take_function(input).take(input); break;
    default: through_socket(input);
  }
  return 0;
}
