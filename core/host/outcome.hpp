// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/call_table.hpp"

#include <string>

// What the end of a call means to the rest of the core; the rules are those of cof_outcome.
namespace cofounder::host {

// Of an operation's attempt.
Outcome outcome_of(Call& call, CallEnd end, const std::string& plugin);
// Of any call that did not succeed; the call's cancel counts.
Error error_of(const Call& call, const CallEnd& end, const std::string& plugin);
// The HTTP status of a route's call that failed without respond().
int http_status_of(std::int32_t status) noexcept;
// "operation \"upload\"", "start": for messages.
std::string name_of(const Call& call);

}  // namespace cofounder::host
