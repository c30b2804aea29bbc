// SPDX-License-Identifier: Apache-2.0
#include "core/host/child_link.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <deque>
#include <utility>

namespace cofounder::host {
namespace {

namespace asio = boost::asio;
constexpr std::size_t waiting_bytes_max = 1u << 20;  // then nothing is read
constexpr int frames_per_turn = 64;                  // then others get their turn
constexpr std::size_t bytes_per_turn = 1u << 20;
constexpr int frames_in_socket_max = 4'096;          // more than any socket holds

}  // namespace

struct ChildLink::State : std::enable_shared_from_this<ChildLink::State> {
  State(Loop& loop, wire::Descriptor given, ChildLink& link)
      : socket{loop.context(), given.release()}, owner{&link} {}

  asio::posix::stream_descriptor socket;
  ChildLink* owner;  // null when it is gone
  std::unique_ptr<char[]> buffer{new char[wire::packet_bytes_max]};
  struct Waiting {
    wire::Outgoing outgoing;
    std::size_t bytes;
  };
  std::deque<Waiting> waiting;
  std::size_t waiting_bytes = 0;
  bool reading = false;   // a wait for input is under way
  bool writing = false;
  bool ended = false;     // closed or broken
  bool failed = false;    // a read found it closed, once

  bool is_open() const { return owner != nullptr && socket.is_open(); }
  bool paused() const { return waiting_bytes > waiting_bytes_max; }

  void wait_read() {
    if (reading || ended || !is_open() || paused()) return;
    reading = true;
    socket.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        self->reading = false;
                        if (!error) self->read(false);
                      });
  }

  // `last`: all that is there, however much waits.
  void read(bool last) {
    const int frames_max = last ? frames_in_socket_max : frames_per_turn;
    std::size_t bytes = 0;
    for (int i = 0; i < frames_max && is_open() && !ended; ++i) {
      if (!last && (paused() || bytes > bytes_per_turn)) break;  // written() goes on
      wire::Incoming incoming =
          wire::receive(socket.native_handle(), buffer.get(), wire::Side::child, false);
      if (incoming.what == wire::Incoming::What::nothing) break;
      if (incoming.what == wire::Incoming::What::frame) {
        bytes += incoming.frame.header.size;
        owner->on_frame(incoming);
        continue;
      }
      // A child that ended with something unread makes one read fail, before all that it had said.
      const bool is_closed = incoming.what == wire::Incoming::What::closed;
      if (is_closed && !std::exchange(failed, true)) continue;
      ended = true;
      if (incoming.what == wire::Incoming::What::broken) return owner->on_broken(incoming.broken);
      return owner->on_closed();
    }
    wait_read();
  }

  void wait_write() {
    if (writing || !is_open()) return;
    writing = true;
    socket.async_wait(asio::posix::stream_descriptor::wait_write,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        self->writing = false;
                        if (!error) self->written();
                      });
  }

  void written() {
    while (!waiting.empty() && is_open()) {
      const wire::Sent sent = wire::send(socket.native_handle(), waiting.front().outgoing);
      if (sent == wire::Sent::full) return wait_write();
      if (sent == wire::Sent::closed) {  // the end comes by reading
        waiting.clear();
        waiting_bytes = 0;
        break;
      }
      waiting_bytes -= waiting.front().bytes;
      waiting.pop_front();
    }
    wait_read();
  }

  void push(wire::Outgoing outgoing, std::size_t bytes) {
    waiting.push_back({std::move(outgoing), bytes});
    waiting_bytes += bytes;
    wait_write();
  }

  bool send(wire::Header header, std::string_view arguments, wire::Descriptor descriptor) {
    if (!is_open()) return true;
    header.size = static_cast<std::uint32_t>(arguments.size());
    if (waiting.empty() && !descriptor && arguments.size() <= wire::inline_bytes_max) {
      if (wire::send_inline(socket.native_handle(), header, arguments) != wire::Sent::full) return true;
    }
    auto outgoing = wire::pack(header, arguments);
    if (!outgoing) return false;
    if (descriptor) outgoing->descriptor = std::move(descriptor);
    if (waiting.empty() && wire::send(socket.native_handle(), *outgoing) != wire::Sent::full) {
      return true;
    }
    push(std::move(*outgoing), arguments.size() + sizeof(Waiting));
    return true;
  }
};

ChildLink::ChildLink(Loop& loop, wire::Descriptor socket)
    : state_{std::make_shared<State>(loop, std::move(socket), *this)} {}

ChildLink::~ChildLink() {
  close();
  state_->owner = nullptr;
}

void ChildLink::start() { state_->wait_read(); }

bool ChildLink::send(const wire::Header& header, std::string_view arguments) {
  return state_->send(header, arguments, {});
}
bool ChildLink::send(const wire::Header& header, std::string_view arguments,
                     wire::Descriptor descriptor) {
  return state_->send(header, arguments, std::move(descriptor));
}

void ChildLink::drain() {
  const auto state = state_;  // what is read may end this
  state->read(true);
}

void ChildLink::close() {
  if (!state_->socket.is_open()) return;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
  state_->ended = true;
}

std::size_t ChildLink::waiting_bytes() const noexcept { return state_->waiting_bytes; }

}  // namespace cofounder::host
