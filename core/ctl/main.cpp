// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/command.hpp"

#include <unistd.h>

#include <iostream>

int main(int argc, char** argv) {
  using namespace cofounder::ctl;
  Session session{UnixHttp{{}},
                  false,
                  std::cout,
                  std::cerr,
                  std::cin,
                  isatty(STDOUT_FILENO) == 1,
                  isatty(STDERR_FILENO) == 1};
  const int code = run_ctl({argv + 1, argv + argc}, session);
  if (!std::cout.flush()) return exit_code::failed;
  return code;
}
