// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"
#include "core/base/loop.hpp"
#include "core/wire/socket.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace cofounder::host {

// The daemon's end of the socket to one child.  Never blocks: what the socket does not take waits
// here, and while much waits nothing is read, so that a child that does not read gets no more made
// for it than fits.  (A child that waits for room in the socket reads meanwhile: no deadlock.)
// On the loop only.
class ChildLink {
 public:
  ChildLink(Loop& loop, wire::Descriptor socket);
  ~ChildLink();
  ChildLink(const ChildLink&) = delete;
  ChildLink& operator=(const ChildLink&) = delete;

  // For each frame, its header and shape checked, but not its arguments.
  UniqueFunction<void(wire::Incoming&)> on_frame;
  // Once; nothing is read any more.
  UniqueFunction<void(wire::Broken)> on_broken;
  UniqueFunction<void()> on_closed;

  void start();
  // Sends, or keeps it to be sent.  False: there is no memory or descriptor for it.
  bool send(const wire::Header& header, std::string_view arguments);
  bool send(const wire::Header& header, std::string_view arguments, wire::Descriptor descriptor);
  // Reads what the child had sent before it ended.
  void drain();
  void close();

  std::size_t waiting_bytes() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace cofounder::host
