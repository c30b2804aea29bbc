// SPDX-License-Identifier: Apache-2.0
#include "core/wire/socket.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace cofounder::wire {
namespace {

// Growing is harmless for who maps `size` bytes, but a file that grows is none of ours.
constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Sent send_message(int socket, const msghdr& message) noexcept {
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return Sent::yes;
    if (errno == EINTR) continue;
    // ETOOMANYREFS: so many descriptors are on their way that more must wait.
    if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS) return Sent::full;
    return Sent::closed;
  }
}

// Takes the descriptors of a message: the first, and whether there were more.
Descriptor take_descriptors(msghdr& message, bool& several) noexcept {
  Descriptor first;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof number);
      Descriptor one{number};
      if (first) {
        several = true;
      } else {
        first = std::move(one);
      }
    }
  }
  return first;
}

void break_off(Incoming& incoming, Broken why) noexcept {
  incoming.what = Incoming::What::broken;
  incoming.broken = why;
}

// The descriptor is what the header says that it is.
void place_descriptor(Incoming& incoming, Descriptor descriptor) noexcept {
  const Header& header = incoming.frame.header;
  const bool wanted = header.in_memory == 1 || header.kind == Kind::begin;
  if (descriptor && !wanted) return break_off(incoming, Broken::stray_descriptor);
  if (!descriptor && wanted) return break_off(incoming, Broken::missing_descriptor);
  if (header.in_memory == 1) {
    const Broken broken = Memory::map(descriptor, header.size, incoming.memory);
    if (broken != Broken::no) return break_off(incoming, broken);
    incoming.frame.arguments = incoming.memory.bytes();
  } else {
    incoming.descriptor = std::move(descriptor);
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Memory::~Memory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Broken Memory::map(const Descriptor& file, std::uint64_t size, Memory& into) {
  if (size == 0 || size > frame_bytes_max) return Broken::wrong_memory;
  const int has = ::fcntl(file.get(), F_GET_SEALS);
  if (has < 0) return Broken::wrong_memory;  // no memory file
  if ((has & seals) != seals) return Broken::not_sealed;
  // One of huge pages could not be unmapped by its size.
  struct statfs system {};
  if (::fstatfs(file.get(), &system) != 0 || system.f_type != TMPFS_MAGIC) {
    return Broken::wrong_memory;
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || status.st_size < 0 ||
      static_cast<std::uint64_t>(status.st_size) != size) {
    return Broken::wrong_memory;
  }
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return Broken::wrong_memory;
  Memory mapped;
  mapped.data_ = data;
  mapped.size_ = size;
  into = std::move(mapped);
  return Broken::no;
}

Descriptor Memory::make(std::string_view bytes) noexcept {
  Descriptor file{::memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!file) return file;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t wrote = ::write(file.get(), bytes.data() + at, bytes.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return {};
    at += static_cast<std::size_t>(wrote);
  }
  if (::fcntl(file.get(), F_ADD_SEALS, seals | F_SEAL_SEAL) != 0) return {};
  return file;
}

std::optional<Outgoing> pack(Header header, std::string_view arguments) {
  if (arguments.size() > frame_bytes_max) return std::nullopt;
  header.size = static_cast<std::uint32_t>(arguments.size());
  Outgoing outgoing;
  if (arguments.size() <= inline_bytes_max) {
    outgoing.packet = encode(header, arguments);
    return outgoing;
  }
  header.in_memory = 1;
  outgoing.descriptor = Memory::make(arguments);
  if (!outgoing.descriptor) return std::nullopt;
  outgoing.packet = encode(header, {});
  return outgoing;
}

Sent send(int socket, const Outgoing& outgoing) noexcept {
  iovec part{const_cast<char*>(outgoing.packet.data()), outgoing.packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (outgoing.descriptor) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = outgoing.descriptor.get();
    std::memcpy(CMSG_DATA(rights), &number, sizeof number);
  }
  return send_message(socket, message);
}

Sent send_inline(int socket, const Header& header, std::string_view arguments) noexcept {
  iovec parts[2] = {{const_cast<Header*>(&header), sizeof header},
                    {const_cast<char*>(arguments.data()), arguments.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = arguments.empty() ? 1 : 2;
  return send_message(socket, message);
}

Incoming receive(int socket, char* buffer, Side sender, bool wait) noexcept {
  Incoming incoming;
  iovec part{buffer, packet_bytes_max};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  ssize_t got = 0;
  do {
    message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    incoming.what = errno == EAGAIN ? Incoming::What::nothing : Incoming::What::closed;
    return incoming;
  }
  bool several = false;
  Descriptor descriptor = take_descriptors(message, several);
  if (got == 0 && !descriptor) {
    // A packet may be empty, but who sends one breaks a rule, too: it is told as the end.
    incoming.what = Incoming::What::closed;
    return incoming;
  }
  incoming.what = Incoming::What::frame;
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    break_off(incoming, Broken::cut_packet);
  } else if ((message.msg_flags & MSG_CTRUNC) != 0 || several) {
    break_off(incoming, Broken::cut_descriptors);
  } else {
    const Decoded decoded = decode({buffer, static_cast<std::size_t>(got)}, sender);
    incoming.frame = decoded.frame;
    if (decoded.broken != Broken::no) {
      break_off(incoming, decoded.broken);
    } else {
      place_descriptor(incoming, std::move(descriptor));
    }
  }
  return incoming;
}

}  // namespace cofounder::wire
