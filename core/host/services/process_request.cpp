// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/process_request.hpp"

#include "core/host/services/scratch_folder.hpp"
#include "core/host/services/service.hpp"

#include <cofounder/services/scratch.h>

#include <algorithm>
#include <optional>

namespace cofounder::host {
namespace {

constexpr std::size_t string_bytes_max = 128 * 1024;  // as the kernel's, with the '\0'
constexpr std::size_t strings_bytes_max = 1u << 20;
constexpr std::size_t strings_max = 16'384;
constexpr std::size_t input_bytes_max = 64u << 20;
constexpr std::uint64_t line_bytes_default = 64 * 1024;
constexpr std::uint64_t line_bytes_most = 1u << 20;
constexpr std::uint64_t output_bytes_default = 1u << 20;
constexpr std::uint64_t errors_bytes_default = 16 * 1024;
constexpr std::uint64_t errors_bytes_most = 1u << 20;
constexpr std::int64_t grace_ms_default = 5'000;
constexpr std::int64_t grace_ms_most = 60'000;
constexpr std::uint64_t files_open_default = 1'024;
constexpr std::string_view default_path = "PATH=/usr/local/bin:/usr/bin:/bin";

bool is_program(std::string_view text) noexcept {
  return !text.empty() && text.find('\0') == std::string_view::npos &&
         (text.front() == '/' || text.find('/') == std::string_view::npos);
}

// What runs when the plugin asks for `program`: it, or the path that the operator wrote for the
// name.  Nothing when the manifest or the operator does not allow it.
std::optional<std::string> granted(Instance& instance, std::string_view program) {
  const auto& wanted = instance.manifest().permissions.programs;
  const auto asks = [&](std::string_view one) { return one == program || one == "*"; };
  if (std::none_of(wanted.begin(), wanted.end(), asks)) return std::nullopt;
  const bool is_name = program.front() != '/';
  const auto config = instance.config();
  for (const std::string& allowed : config->programs) {
    if (allowed == program) return allowed;
    const auto slash = allowed.rfind('/');
    if (is_name && slash != std::string::npos &&
        std::string_view{allowed}.substr(slash + 1) == program) {
      return allowed;
    }
  }
  return std::nullopt;
}

// Strings that are each ended by '\0'; `bytes_left` and the room in `out` are shared by both lists.
std::int32_t take_strings(cof_bytes given, std::size_t& bytes_left, std::size_t& strings_left,
                          std::vector<std::string>& out) {
  std::string_view rest;
  if (const auto status = take_bytes(given, rest, bytes_left); status != COF_OK) return status;
  if (rest.empty()) return COF_OK;
  if (rest.back() != '\0') return COF_EINVALID;
  bytes_left -= rest.size();
  while (!rest.empty()) {
    const auto text = rest.substr(0, rest.find('\0'));
    if (text.size() >= string_bytes_max || strings_left == 0) return COF_ETOOBIG;
    --strings_left;
    out.emplace_back(text);
    rest.remove_prefix(text.size() + 1);
  }
  return COF_OK;
}

bool is_variable(const std::string& text) noexcept {
  const auto equals = text.find('=');
  return equals != std::string::npos && equals != 0;
}

std::int32_t take_texts(const cof_process_request& request, ProgramSpec& spec) {
  std::size_t bytes_left = strings_bytes_max;
  std::size_t strings_left = strings_max;
  std::string_view input;
  if (const auto status = first_of({take_strings(request.args, bytes_left, strings_left, spec.args),
                                    take_strings(request.environment, bytes_left, strings_left,
                                                 spec.environment),
                                    take_bytes(request.input, input, input_bytes_max)});
      status != COF_OK) {
    return status;
  }
  auto& variables = spec.environment;
  if (!std::all_of(variables.begin(), variables.end(), is_variable)) return COF_EINVALID;
  const auto is_path = [](const std::string& one) { return one.starts_with("PATH="); };
  if (std::none_of(variables.begin(), variables.end(), is_path)) {
    variables.emplace_back(default_path);
  }
  spec.input = input;
  return COF_OK;
}

std::int32_t take_output(Instance& instance, const cof_process_request& request,
                         ProgramRequest& out) {
  if ((request.flags & ~(std::uint32_t{COF_PROCESS_PULL} | COF_PROCESS_MERGE)) != 0 ||
      request.output < COF_PROCESS_WHOLE || request.output > COF_PROCESS_DISCARD) {
    return COF_EUNSUPPORTED;
  }
  out.output = request.output;
  out.pull = (request.flags & COF_PROCESS_PULL) != 0;
  out.spec.merge_errors = (request.flags & COF_PROCESS_MERGE) != 0;
  if (out.pull && request.output != COF_PROCESS_LINES) return COF_EINVALID;
  const auto bounded = [](std::uint64_t wanted, std::uint64_t usual, std::uint64_t most) {
    return static_cast<std::size_t>(std::min(wanted == 0 ? usual : wanted, most));
  };
  out.line_bytes_max = bounded(request.line_bytes_max, line_bytes_default, line_bytes_most);
  out.output_bytes_max = bounded(request.output_bytes_max, output_bytes_default,
                                 instance.config()->limits.process_output_bytes_max);
  out.errors_bytes_max = bounded(request.errors_bytes_max, errors_bytes_default, errors_bytes_most);
  return COF_OK;
}

std::int32_t take_limits(const cof_process_request& request, ProgramRequest& out) {
  if (request.timeout_ms < 0 || request.grace_ms < 0) return COF_EINVALID;
  const std::int64_t grace = request.grace_ms == 0 ? grace_ms_default : request.grace_ms;
  out.timeout = Milliseconds{request.timeout_ms};
  out.spec.grace = Milliseconds{std::min(grace, grace_ms_most)};
  auto& limits = out.spec.limits;
  limits.address_space = request.memory_bytes_max;
  limits.cpu_seconds = request.cpu_seconds_max;
  limits.file_bytes = request.file_bytes_max;
  limits.descriptors = request.files_open_max == 0 ? files_open_default : request.files_open_max;
  return COF_OK;
}

}  // namespace

std::int32_t take_process_request(Instance& instance, std::uint64_t call_id,
                                  const cof_process_request* given, ProgramRequest& out) {
  cof_process_request request;
  std::string_view program;
  if (const auto status = take_struct(given, request); status != COF_OK) return status;
  if (const auto status = take_text(request.program, program, 4'096); status != COF_OK) {
    return status;
  }
  if (!is_program(program)) return COF_EINVALID;
  if (auto status = take_output(instance, request, out); status != COF_OK) return status;
  if (auto status = take_limits(request, out); status != COF_OK) return status;
  auto path = granted(instance, program);
  if (!path) return COF_EDENIED;
  out.spec.program = *path;
  out.spec.args.push_back(std::move(*path));
  if (auto status = take_texts(request, out.spec); status != COF_OK) return status;
  if (request.folder == 0) return COF_OK;
  std::filesystem::path folder;
  const auto status = scratch_folder(instance, call_id, request.folder, true, folder);
  out.spec.folder = folder.native();
  return status;
}

}  // namespace cofounder::host
