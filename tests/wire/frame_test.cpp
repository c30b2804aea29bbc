// SPDX-License-Identifier: Apache-2.0
#include "core/wire/messages.hpp"
#include "core/wire/socket.hpp"
#include "core/wire/trampolines.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cofounder::wire {
namespace {

// ---- Broken frames -------------------------------------------------------------------------------

Header request(std::uint8_t interface, std::uint8_t slot, std::uint64_t sequence) {
  Header header;
  header.kind = Kind::request;
  header.interface = interface;
  header.slot = slot;
  header.sequence = sequence;
  return header;
}

struct Bad {
  const char* what;
  std::string packet;
  Broken broken;
};

std::vector<Bad> bad_frames() {
  const auto with = [](Header header, std::string_view arguments) {
    header.size = static_cast<std::uint32_t>(arguments.size());
    return encode(header, arguments);
  };
  const std::string eight(8, '\0');
  const std::string twelve(12, '\0');
  Header of_daemon = request(0, 0, 0);
  of_daemon.kind = Kind::entry;
  Header unknown = of_daemon;
  unknown.kind = static_cast<Kind>(99);
  Header nothing = of_daemon;
  nothing.kind = static_cast<Kind>(0);
  Header flag = request(3, 0, 1);
  flag.in_memory = 2;
  Header big = request(3, 0, 1);
  big.size = 0xffffffff;
  Header says_more = request(5, 2, 1);
  says_more.size = 8;
  Header says_less = request(5, 2, 1);
  says_less.size = 0;
  Header memory_and_bytes = request(3, 0, 1);
  memory_and_bytes.in_memory = 1;
  memory_and_bytes.size = 8;
  Header returned;
  returned.kind = Kind::returned;
  Header returned_of_slot = returned;
  returned_of_slot.slot = 1;
  returned_of_slot.sequence = 1;
  Header returned_of_interface = returned;
  returned_of_interface.interface = 1;
  returned_of_interface.sequence = 1;
  Header returned_good = returned;
  returned_good.sequence = 1;
  Header loaded;
  loaded.kind = Kind::loaded;
  Header loaded_numbered = loaded;
  loaded_numbered.sequence = 3;
  const std::string flag_two("\0\0\0\0\2\0\0\0\0", 9);
  const std::string handle_two("\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2", 25);
  const std::string many_labels = std::string(8, '\0') + std::string(4, '\xff') + std::string(8, '\0');
  const std::string long_text = std::string(12, '\0') + std::string(4, '\xff') + "abc";
  const std::string read_much = std::string(16, '\0') + std::string("\0\0\0\0\0\0\0\1", 8);
  return {
      {"no byte", "", Broken::too_short},
      {"a byte", "x", Broken::too_short},
      {"a byte less than a header", std::string(15, '\1'), Broken::too_short},
      {"kind 0", with(nothing, ""), Broken::unknown_kind},
      {"kind 99", with(unknown, ""), Broken::unknown_kind},
      {"an entry from the child", with(of_daemon, ""), Broken::unknown_kind},
      {"memory flag 2", encode(flag, ""), Broken::bad_flag},
      {"size of 4 GiB", encode(big, ""), Broken::bad_size},
      {"says more than there is", encode(says_more, ""), Broken::bad_size},
      {"says less than there is", encode(says_less, eight), Broken::bad_size},
      {"memory and bytes", encode(memory_and_bytes, eight), Broken::bad_size},
      {"interface 40", with(request(40, 0, 1), ""), Broken::unknown_interface},
      {"interface 255", with(request(255, 0, 1), ""), Broken::unknown_interface},
      {"slot 2 of the log", with(request(0, 2, 1), ""), Broken::unknown_slot},
      {"slot 255", with(request(4, 255, 1), ""), Broken::unknown_slot},
      {"a post that wants an answer", with(request(0, 0, 1), ""), Broken::bad_sequence},
      {"a question that wants none", with(request(0, 1, 0), "abcd"), Broken::bad_sequence},
      {"returned from nothing", with(returned, ""), Broken::bad_sequence},
      {"returned with a slot", with(returned_of_slot, ""), Broken::unknown_slot},
      {"returned with an interface", with(returned_of_interface, ""), Broken::unknown_interface},
      {"loaded with a number", with(loaded_numbered, ""), Broken::bad_sequence},
      {"returned without a status", with(returned_good, ""), Broken::bad_argument},
      {"returned with flag 2", with(returned_good, flag_two), Broken::bad_argument},
      {"loaded without a status", with(loaded, "abc"), Broken::bad_argument},
      {"log.enabled without a level", with(request(0, 1, 1), ""), Broken::bad_argument},
      {"log.enabled with more", with(request(0, 1, 1), eight), Broken::trailing_bytes},
      {"log.write with a text beyond the end", with(request(0, 0, 0), long_text), Broken::bad_argument},
      {"now_ns with arguments", with(request(5, 2, 1), eight), Broken::trailing_bytes},
      {"timer.after with handle flag 2", with(request(5, 0, 1), handle_two), Broken::bad_argument},
      {"metric.add with 4 G labels", with(request(8, 1, 0), many_labels), Broken::bad_argument},
      {"file.read of more than a frame", with(request(15, 2, 1), read_much), Broken::bad_argument},
      {"kv.put of half a struct", with(request(7, 1, 1), twelve), Broken::bad_argument},
  };
}

Broken judge(std::string_view packet) {
  const Decoded decoded = decode(packet, Side::child);
  if (decoded.broken != Broken::no) return decoded.broken;
  return check_arguments(decoded.frame.header, decoded.frame.arguments);
}

TEST(Frames, BrokenOnesAreToldApart) {
  for (const Bad& bad : bad_frames()) {
    EXPECT_STREQ(to_text(judge(bad.packet)), to_text(bad.broken)) << bad.what;
  }
}

TEST(Frames, RandomBytesAreJudged) {
  std::mt19937 random{1};
  for (int i = 0; i < 200'000; ++i) {
    std::string packet(random() % 80, '\0');
    for (char& c : packet) c = static_cast<char>(random() % 5 == 0 ? random() : random() % 8);
    Header header;
    if (packet.size() >= sizeof header && random() % 2 == 0) {  // so that some are nearly good
      std::memcpy(&header, packet.data(), sizeof header);
      header.kind = static_cast<Kind>(5 + random() % 3);
      header.in_memory = 0;
      header.size = static_cast<std::uint32_t>(packet.size() - sizeof header);
      std::memcpy(packet.data(), &header, sizeof header);
    }
    static_cast<void>(judge(packet));
  }
}

// ---- The socket ----------------------------------------------------------------------------------

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    child = Descriptor{ends[0]};
    daemon = Descriptor{ends[1]};
  }
  Incoming take() { return receive(daemon.get(), buffer.get(), Side::child, false); }
  // Sends bytes with these descriptors as a stranger would.
  void send_raw(std::string packet, const std::vector<int>& descriptors) const {
    iovec part{packet.data(), packet.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
    if (!descriptors.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
      cmsghdr* const rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size() * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(child.get(), &message, 0), static_cast<ssize_t>(packet.size()));
  }

  Descriptor child;
  Descriptor daemon;
  std::unique_ptr<char[]> buffer{new char[packet_bytes_max]};
};

Header big_request(std::size_t size) {
  Header header = request(1, 0, 1);  // error.set
  header.in_memory = 1;
  header.size = static_cast<std::uint32_t>(size);
  return header;
}

int memory_file(std::size_t size, unsigned flags, int seal_with) {
  const int file = ::memfd_create("test", flags);
  EXPECT_GE(file, 0);
  EXPECT_EQ(::ftruncate(file, static_cast<off_t>(size)), 0);
  if (seal_with != 0) {
    EXPECT_EQ(::fcntl(file, F_ADD_SEALS, seal_with), 0);
  }
  return file;
}

int open_descriptors() {
  int count = 0;
  for (int i = 0; i < 256; ++i) count += ::fcntl(i, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

TEST(Socket, SmallAndLargeArgumentsArrive) {
  Pair pair;
  for (const std::size_t size : {std::size_t{0}, std::size_t{9}, inline_bytes_max, inline_bytes_max + 1,
                                 std::size_t{3'000'000}}) {
    std::string arguments(size, 'a');
    if (size > 0) arguments.back() = 'z';
    const auto outgoing = pack(request(1, 0, 5), arguments);
    ASSERT_TRUE(outgoing);
    EXPECT_EQ(static_cast<bool>(outgoing->descriptor), size > inline_bytes_max);
    ASSERT_EQ(send(pair.child.get(), *outgoing), Sent::yes);
    const Incoming incoming = pair.take();
    ASSERT_EQ(incoming.what, Incoming::What::frame) << to_text(incoming.broken);
    EXPECT_EQ(incoming.frame.header.sequence, 5U);
    EXPECT_TRUE(incoming.frame.arguments == arguments);
  }
  EXPECT_EQ(pair.take().what, Incoming::What::nothing);
  pair.child = Descriptor{};
  EXPECT_EQ(pair.take().what, Incoming::What::closed);
}

TEST(Socket, HostileDescriptorsAreRefusedAndClosed) {
  Pair pair;
  const int before = open_descriptors();
  constexpr int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  struct Case {
    std::string packet;
    std::vector<int> descriptors;
    Broken broken;
  };
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const std::string in_memory = encode(big_request(50'000), "");
  const std::vector<Case> cases = {
      {in_memory, {}, Broken::missing_descriptor},
      {in_memory, {memory_file(50'000, MFD_ALLOW_SEALING, 0)}, Broken::not_sealed},
      {in_memory, {memory_file(50'000, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_GROW)}, Broken::not_sealed},
      {in_memory, {memory_file(50'000, MFD_ALLOW_SEALING, F_SEAL_WRITE | F_SEAL_GROW)}, Broken::not_sealed},
      {in_memory, {memory_file(49'999, MFD_ALLOW_SEALING, sealed)}, Broken::wrong_memory},
      {in_memory, {memory_file(50'001, MFD_ALLOW_SEALING, sealed)}, Broken::wrong_memory},
      {in_memory, {::dup(pipe_ends[0])}, Broken::wrong_memory},
      {in_memory, {::open("/dev/zero", O_RDONLY)}, Broken::wrong_memory},
      {in_memory, {memory_file(50'000, MFD_ALLOW_SEALING, sealed), ::dup(pipe_ends[0])}, Broken::cut_descriptors},
      {in_memory, {::dup(0), ::dup(0), ::dup(0), ::dup(0)}, Broken::cut_descriptors},
      {encode(request(5, 2, 1), ""), {::dup(pipe_ends[0])}, Broken::stray_descriptor},
      {encode(big_request(0), ""), {memory_file(0, MFD_ALLOW_SEALING, sealed)}, Broken::wrong_memory},
      {std::string(packet_bytes_max + 1, 'x'), {}, Broken::cut_packet},
      {"short", {::dup(pipe_ends[0])}, Broken::too_short},
  };
  for (const Case& one : cases) {
    pair.send_raw(one.packet, one.descriptors);
    for (const int descriptor : one.descriptors) ::close(descriptor);
    const Incoming incoming = pair.take();
    EXPECT_EQ(incoming.what, Incoming::What::broken);
    EXPECT_STREQ(to_text(incoming.broken), to_text(one.broken));
  }
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Socket, AFullOneIsSaidToBeFull) {
  Pair pair;
  const std::string arguments(8'000, 'x');
  int sent = 0;
  while (send_inline(pair.child.get(), request(1, 0, 1), arguments) == Sent::yes) ++sent;
  EXPECT_GT(sent, 4);
  EXPECT_LT(sent, 1'000);
  EXPECT_EQ(pair.take().what, Incoming::What::broken);  // the header does not say its size
  EXPECT_EQ(send_inline(pair.child.get(), request(1, 0, 1), arguments), Sent::yes);
  pair.daemon = Descriptor{};
  EXPECT_EQ(send_inline(pair.child.get(), request(1, 0, 1), arguments), Sent::closed);
}

// ---- Messages ------------------------------------------------------------------------------------

TEST(Messages, ComeBackAsTheyWent) {
  Begin begin;
  begin.build = build();
  begin.read_execute = {"/usr/lib", "/lib"};
  begin.read_write = {"/tmp/x"};
  begin.sandbox = true;
  const auto begun = decode_begin(encode(begin));
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->read_execute, begin.read_execute);
  EXPECT_EQ(begun->read_write, begin.read_write);
  EXPECT_TRUE(begun->sandbox);
  Load load;
  load.library = "/a";
  load.plugin_id = "echo";
  load.granted = 5;
  load.threads = 4;
  load.minors = std::string("\0\1", 2);
  const auto loading = decode_load(encode(load));
  ASSERT_TRUE(loading);
  EXPECT_EQ(loading->plugin_id, "echo");
  EXPECT_EQ(loading->granted, 5U);
  EXPECT_EQ(loading->threads, 4U);
  EXPECT_EQ(loading->minors, load.minors);
  const std::string bytes = encode(Returned{COF_EFAILED, true, "x"});
  const auto returned = decode_returned(bytes);
  ASSERT_TRUE(returned);
  EXPECT_EQ(returned->status, COF_EFAILED);
  EXPECT_TRUE(returned->too_big);
  EXPECT_EQ(returned->result, "x");
  EXPECT_FALSE(decode_returned(bytes + "y"));
}

}  // namespace
}  // namespace cofounder::wire
