// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"
#include "core/http/readers.hpp"

#include <functional>

// The daemon's event stream.
namespace cofounder::ctl {

// Reads GET `target` until `sink` returns false or the stream ends; `silence` is asked every
// `silence_max` without a byte.  Throws Failure.
void read_events(Session& session, const std::string& target, Milliseconds silence_max,
                 const std::function<bool(const http::SseEvent&)>& sink,
                 const std::function<bool()>& silence);

// A line for people, or with --json {"id":..., "type":..., "data":...}.
void print_event(Session& session, const http::SseEvent& event);

// Shows the task's events until it is over; `get` asks for the task.  Returns the exit code.
int watch_task(Session& session, const std::string& id, const std::function<Answer()>& get);

}  // namespace cofounder::ctl
