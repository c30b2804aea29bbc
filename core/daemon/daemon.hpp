// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.hpp"

#include <filesystem>
#include <memory>

namespace cofounder {

// The whole daemon: owns every part by value in the order of start, and so ends them in the order
// of stop.  Nothing else knows the concrete types.
class Daemon {
 public:
  // `file` is read again by a reload.
  Daemon(Config config, std::filesystem::path file);
  ~Daemon();

  // Starts, runs until SIGTERM or SIGINT, drains and stops.  The exit code: 0, or 1 when it could
  // not start (the reason is logged).  It does not return when a plugin holds a thread for ever:
  // the process then ends by _exit() once the store is closed.
  int run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
