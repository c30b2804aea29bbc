// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

// What the daemon tells systemd and takes from it.  Without systemd everything here is a no-op.
namespace cofounder::systemd {

void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_reloading();
void notify_stopping();
void notify_watchdog();

// How often notify_watchdog() is wanted: half of WatchdogSec; nothing when it is off.
std::optional<std::chrono::milliseconds> watchdog_interval();

// Sockets that systemd listens on for us, by FileDescriptorName ("control", "http"); they are ours
// to close.
struct Socket {
  int descriptor = -1;
  std::string name;
};
std::vector<Socket> take_sockets();

}  // namespace cofounder::systemd
