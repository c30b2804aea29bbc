// SPDX-License-Identifier: Apache-2.0
// Stands for the daemon: runs the program that its arguments name, until somebody kills it.  Writes
// what the program writes.
#include "core/base/loop.hpp"
#include "core/process/program.hpp"

#include <unistd.h>

#include <cstdlib>

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  cofounder::Loop loop;
  cofounder::Programs programs{loop, loop.clock(), cofounder::find_helper("cofounderd-reaper")};
  cofounder::ProgramSpec spec;
  spec.grace = cofounder::Milliseconds{std::atoi(argv[1])};
  spec.program = argv[2];
  spec.args.assign(argv + 2, argv + argc);
  if (const char* lock = std::getenv("LOCK")) spec.environment = {std::string{"LOCK="} + lock};
  cofounder::ProgramHandler handler;
  handler.on_output = [](std::string_view bytes) {
    if (::write(1, bytes.data(), bytes.size()) < 0) std::_Exit(1);
  };
  handler.on_end = [&](const cofounder::ProgramEnd&) { loop.stop(); };
  const auto program = programs.start(std::move(spec), std::move(handler));
  loop.run();
}
