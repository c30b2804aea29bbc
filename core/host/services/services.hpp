// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

// What the services give to the rest of the host.
namespace cofounder::host {

class Instance;
struct Call;

// The table of "cof.http/1", or null.  Each begins with uint32_t struct_size, minor.
const void* find_service(std::string_view iid) noexcept;

// All that this host has, for negotiation.
struct ServiceVersion {
  std::string_view iid;  // "cof.http/1"
  std::uint32_t minor = 0;
};
std::span<const ServiceVersion> services() noexcept;

// What the services keep for one plugin: rate limits, timers, file handles.
class ServiceState;
struct ServiceStateDeleter {
  void operator()(ServiceState* state) const noexcept;
};
using ServiceStatePtr = std::unique_ptr<ServiceState, ServiceStateDeleter>;
ServiceStatePtr make_service_state(Instance& instance);

// On the loop: the call is over and its operations are cancelled; releases what is bound to it
// (files).  For the plugin's own call (id 0): the plugin stopped or was given up.
void call_over(Instance& instance, Call& call) noexcept;

}  // namespace cofounder::host
