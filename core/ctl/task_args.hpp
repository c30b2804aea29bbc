// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"

#include <string>

// The arguments of a task from --args, --arg and --file.
namespace cofounder::ctl {

// The options themselves, for the commands that have them.
std::vector<Option> argument_options(bool with_files);

// The value of an option that takes text: @FILE reads a file, - standard input.
std::string text_of(Session& session, const std::string& value);

// A JSON object.  Sends the files first, each with POST /v1/files.  Throws Failure.
std::string make_args(Session& session, const Given& given);

// "30s" or a Failure that names the option.
std::string checked_duration(const Given& given, std::string_view option);
// A whole number, or a Failure that names the option.
std::int64_t checked_integer(const Given& given, std::string_view option);

// The members queue, priority, timeout and attempts_max, as far as they were given.
std::vector<Option> task_options();
void write_task_options(const Given& given, json::Writer& out);

}  // namespace cofounder::ctl
