// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/process/program.hpp"

#include <cofounder/services/process.h>

#include <cstddef>
#include <cstdint>

namespace cofounder::host {

class Instance;

// A cof_process_request, checked and copied.
struct ProgramRequest {
  ProgramSpec spec;
  std::int32_t output = COF_PROCESS_WHOLE;
  bool pull = false;
  Milliseconds timeout{0};  // 0: none
  std::size_t line_bytes_max = 0;
  std::size_t output_bytes_max = 0;
  std::size_t errors_bytes_max = 0;
};

// The statuses of cof.process/1 start().
std::int32_t take_process_request(Instance& instance, std::uint64_t call_id,
                                  const cof_process_request* given, ProgramRequest& out);

}  // namespace cofounder::host
