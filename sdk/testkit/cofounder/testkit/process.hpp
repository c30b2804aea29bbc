// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "slots.hpp"

// The inside of testkit.hpp: programs that a script stands for.
namespace cofounder::testkit {

namespace detail {

// Strings that are each ended by '\0'.
inline std::vector<std::string> split_strings(cof_bytes given) {
  std::vector<std::string> all;
  std::string_view rest = view(given);
  if (!rest.empty() && rest.back() != '\0') {
    throw Refused{COF_EINVALID, "a list of strings does not end with '\\0'"};
  }
  while (!rest.empty()) {
    all.emplace_back(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(all.back().size() + 1);
  }
  return all;
}

inline void check_program(const cof_process_request& request) {
  if ((request.flags & ~3u) != 0) throw Refused{COF_EUNSUPPORTED, "unknown flags"};
  if (request.output < 0 || request.output > COF_PROCESS_DISCARD) {
    throw Refused{COF_EUNSUPPORTED, "unknown output"};
  }
  if (request.folder < 0 || request.folder > COF_SCRATCH_TASK) {
    throw Refused{COF_EUNSUPPORTED, "unknown folder"};
  }
  if (request.timeout_ms < 0 || request.grace_ms < 0) {
    throw Refused{COF_EINVALID, "a negative time"};
  }
  const std::string_view program = view(request.program);
  if (program.empty() || (program.front() != '/' && program.find('/') != program.npos)) {
    throw Refused{COF_EINVALID, "neither a name nor an absolute path"};
  }
}

}  // namespace detail

inline void Host::finish_program(Process& process, std::int32_t status) {
  const Program& program = process.program;
  QueuedReply end{.tag = process.tag, .call_id = process.call_id, .status = status};
  end.kind = COF_PROCESS_END;
  std::uint64_t output_bytes = 0;
  for (const std::string& line : program.lines) output_bytes += line.size() + 1;
  if (process.started) {
    end.value = program.signal != 0 ? -program.signal : program.code;
    if (status != COF_OK && program.code == 0 && program.signal == 0) end.value = -15;
    end.value2 = static_cast<std::int64_t>(output_bytes);
    end.body = program.errors;
    end.name = nlohmann::json{{"duration_ms", 1000},
                              {"cpu_ms", 900},
                              {"rss_bytes_peak", 1 << 20},
                              {"output_bytes", output_bytes},
                              {"output_bytes_dropped", 0},
                              {"lines", program.lines.size()},
                              {"lines_dropped", program.lines_dropped},
                              {"lines_cut", 0},
                              {"errors_bytes", program.errors.size()},
                              {"left", 0}}
                   .dump();
  }
  if (status != COF_OK) end.error_message = "scripted end of the program";
  queue(std::move(end));
  processes.erase(process.handle);
}

// Sends what the script and the plugin's credit allow.
inline void Host::pump(Process& process) {
  const Program& program = process.program;
  if (!process.started) {
    if (program.status < 0 && program.lines.empty()) return finish_program(process, program.status);
    process.started = true;
    queue(QueuedReply{.tag = process.tag,
                      .call_id = process.call_id,
                      .flags = 0,
                      .kind = COF_PROCESS_STARTED,
                      .value = 4242});
  }
  const bool by_line = process.request.output == COF_PROCESS_LINES;
  while (by_line && process.next_line < program.lines.size()) {
    if (process.pulled && process.credit <= 0) return;
    const std::string& line = program.lines[process.next_line++];
    process.credit -= static_cast<std::int64_t>(std::max<std::size_t>(line.size(), 1));
    queue(QueuedReply{.tag = process.tag,
                      .call_id = process.call_id,
                      .flags = 0,
                      .kind = COF_PROCESS_OUTPUT,
                      .value = static_cast<std::int64_t>(process.next_line) +
                               static_cast<std::int64_t>(program.lines_dropped),
                      .body = line});
  }
  if (program.endless) return;
  std::string whole;
  for (const std::string& line : program.lines) whole += line + "\n";
  if (process.request.output == COF_PROCESS_WHOLE && !whole.empty()) {
    queue(QueuedReply{.tag = process.tag,
                      .call_id = process.call_id,
                      .flags = 0,
                      .kind = COF_PROCESS_OUTPUT,
                      .body = std::move(whole)});
  }
  finish_program(process, program.status);
}

inline void Slots::fill_process(Host& self) {
  self.process_table = {sizeof self.process_table, 0, {}, {}, {}, {}};
  self.process_table.start = [](const cof_host* host, std::uint64_t id,
                                const cof_process_request* given, std::uint64_t tag,
                                std::uint64_t* handle) {
    return serve(host, "process start", [&](Host& the, Wire& wire) -> std::int32_t {
      const cof_process_request& request = *wire(given);
      detail::check_program(request);
      ProgramRun run;
      run.call_id = id;
      run.program = view(request.program);
      run.args = detail::split_strings(request.args);
      run.environment = detail::split_strings(request.environment);
      run.input = view(request.input);
      run.flags = request.flags;
      run.output = request.output;
      run.folder = request.folder;
      run.timeout_ms = request.timeout_ms;
      run.grace_ms = request.grace_ms;
      run.output_bytes_max = request.output_bytes_max;
      run.memory_bytes_max = request.memory_bytes_max;
      if (!the.accepts(id)) return COF_EGONE;
      Process process;
      if (the.on_program) {
        process.program = the.on_program(run);
      } else if (!the.programs.empty()) {
        process.program = std::move(the.programs.front());
        the.programs.pop_front();
      } else {
        process.program = Program::broken(COF_ENOTFOUND);
      }
      if (process.program.refused < 0) return process.program.refused;
      need_tag(the, tag);
      process.handle = ++the.next_handle_;
      process.call_id = id;
      process.tag = tag;
      process.pulled = (request.flags & COF_PROCESS_PULL) != 0;
      process.request = run;
      process.run = the.runs.size();
      the.runs.push_back(std::move(run));
      if (handle != nullptr) *handle = process.handle;
      const std::uint64_t key = process.handle;
      the.pump(the.processes.emplace(key, std::move(process)).first->second);
      return COF_OK;
    });
  };
  self.process_table.signal = [](const cof_host* host, std::uint64_t handle, std::int32_t number) {
    return serve(host, "process signal", [&](Host& the, Wire&) {
      const auto found = the.processes.find(handle);
      if (found == the.processes.end()) return COF_EGONE;
      the.runs.at(found->second.run).signals.push_back(number);
      return COF_OK;
    });
  };
  self.process_table.cancel = [](const cof_host* host, std::uint64_t handle) {
    return serve(host, "process cancel", [&](Host& the, Wire&) {
      const auto found = the.processes.find(handle);
      if (found == the.processes.end()) return COF_EGONE;
      ++the.process_cancels;
      the.finish_program(found->second, COF_ECANCELLED);
      return COF_OK;
    });
  };
  self.process_table.pull = [](const cof_host* host, std::uint64_t handle, std::uint64_t more) {
    return serve(host, "process pull", [&](Host& the, Wire&) {
      const auto found = the.processes.find(handle);
      if (found == the.processes.end()) return COF_EGONE;
      found->second.credit += static_cast<std::int64_t>(more);
      the.pump(found->second);
      return COF_OK;
    });
  };
}

}  // namespace cofounder::testkit
