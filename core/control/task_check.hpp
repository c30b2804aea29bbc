// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/config/config.hpp"
#include "core/host/manifest.hpp"
#include "core/scheduler/task.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// What a check has to know of the plugins.
struct OperationSource {
  std::function<const Manifest::Operation*(std::string_view op)> find;
  std::function<std::vector<std::string>()> all;  // "cloudinary.upload", ...; for hints only
};

// The fields of a task as a client gives them, without looking at op and args: code
// "invalid_task", the message names the field.  `now` is what `delay` counts from.
Result<NewTask> parse_task(json::View task, Time now);

// Checks op and args and fills in what was left open: "unknown_op", "invalid_args".
Result<NewTask> complete_task(NewTask task, json::View args, const OperationSource& operations,
                              const Config& config);
// The same when the args are text only.
Result<NewTask> complete_task(NewTask task, const OperationSource& operations,
                              const Config& config);

// "an operation that sounds like it", or what there is instead.
std::string hint_for_op(std::string_view op, const std::vector<std::string>& all);

// The ids in strings "upload:ID" anywhere in the args.
std::vector<std::string> uploads_in(std::string_view args);

// The limits of names that are not the plugins' business: [a-z0-9][a-z0-9._-]{0,63}.
bool is_name(std::string_view text) noexcept;

}  // namespace cofounder
