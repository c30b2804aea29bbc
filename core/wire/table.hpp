// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// THE table of what crosses the border: every function of every interface, and the plugin's own
// entries.  The stubs in the child (plugin_host/stubs.cpp), the trampolines and the frame reader in
// the daemon (trampolines.cpp, frame.cpp) and the proxies of the entries are made from it by the
// compiler.  What each parameter is (in, out, array) its type says, see function.hpp; here stands
// what types do not tell.  A new slot of a service's struct that is missing here does not compile.
namespace cofounder::wire {

enum class Way {
  wait,  // the child waits for the answer; made on the loop
  post,  // [post]: no answer, the stub returns COF_OK
  tag,   // as wait; it takes a tag, so it can be refused while too many replies wait for the child
  disk,  // [disk]: as wait, but made on a worker of the daemon, for it may wait for the disk
  disk_tag  // both
};
constexpr bool takes_tag(Way way) noexcept { return way == Way::tag || way == Way::disk_tag; }
constexpr bool waits_for_disk(Way way) noexcept { return way == Way::disk || way == Way::disk_tag; }

template <auto Member, Way How = Way::wait>
struct Slot {
  static constexpr auto member = Member;
  static constexpr Way way = How;
};

template <class... S>
struct Slots {
  static constexpr std::size_t count = sizeof...(S);
};

template <class Service>
struct Interface;

// clang-format off
template <> struct Interface<cof_log_service> {
  static constexpr const char* iid = COF_LOG_IID;
  using S = cof_log_service;
  using slots = Slots<Slot<&S::write, Way::post>, Slot<&S::enabled>>;
};
template <> struct Interface<cof_error_service> {
  static constexpr const char* iid = COF_ERROR_IID;
  using S = cof_error_service;
  using slots = Slots<Slot<&S::set>>;
};
template <> struct Interface<cof_config_service> {
  static constexpr const char* iid = COF_CONFIG_IID;
  using S = cof_config_service;
  using slots = Slots<Slot<&S::get>>;
};
template <> struct Interface<cof_secret_service> {
  static constexpr const char* iid = COF_SECRET_IID;
  using S = cof_secret_service;
  using slots = Slots<Slot<&S::get, Way::disk>>;
};
template <> struct Interface<cof_http_service> {
  static constexpr const char* iid = COF_HTTP_IID;
  using S = cof_http_service;
  using slots = Slots<Slot<&S::start, Way::tag>, Slot<&S::cancel>, Slot<&S::pull, Way::post>>;
};
template <> struct Interface<cof_timer_service> {
  static constexpr const char* iid = COF_TIMER_IID;
  using S = cof_timer_service;
  using slots = Slots<Slot<&S::after, Way::tag>, Slot<&S::cancel>, Slot<&S::now_ns>, Slot<&S::wall_ms>>;
};
template <> struct Interface<cof_task_service> {
  static constexpr const char* iid = COF_TASK_IID;
  using S = cof_task_service;
  using slots = Slots<Slot<&S::submit, Way::tag>, Slot<&S::checkpoint, Way::tag>, Slot<&S::get, Way::tag>,
                      Slot<&S::cancel, Way::tag>, Slot<&S::defer>>;
};
template <> struct Interface<cof_kv_service> {
  static constexpr const char* iid = COF_KV_IID;
  using S = cof_kv_service;
  using slots = Slots<Slot<&S::get, Way::tag>, Slot<&S::put, Way::tag>, Slot<&S::remove, Way::tag>,
                      Slot<&S::take, Way::tag>, Slot<&S::scan, Way::tag>>;
};
template <> struct Interface<cof_metric_service> {
  static constexpr const char* iid = COF_METRIC_IID;
  using S = cof_metric_service;
  using slots = Slots<Slot<&S::family>, Slot<&S::add, Way::post>, Slot<&S::set, Way::post>,
                      Slot<&S::observe, Way::post>, Slot<&S::forget, Way::post>, Slot<&S::snapshot>>;
};
template <> struct Interface<cof_stats_service> {
  static constexpr const char* iid = COF_STATS_IID;
  using S = cof_stats_service;
  using slots = Slots<Slot<&S::tasks, Way::tag>>;
};
template <> struct Interface<cof_usage_service> {
  static constexpr const char* iid = COF_USAGE_IID;
  using S = cof_usage_service;
  using slots = Slots<Slot<&S::record, Way::tag>, Slot<&S::sum, Way::tag>>;
};
template <> struct Interface<cof_route_service> {
  static constexpr const char* iid = COF_ROUTE_IID;
  using S = cof_route_service;
  using slots = Slots<Slot<&S::respond>, Slot<&S::send, Way::tag>>;
};
template <> struct Interface<cof_event_service> {
  static constexpr const char* iid = COF_EVENT_IID;
  using S = cof_event_service;
  using slots = Slots<Slot<&S::publish, Way::post>, Slot<&S::subscribe>, Slot<&S::unsubscribe>>;
};
template <> struct Interface<cof_call_service> {
  static constexpr const char* iid = COF_CALL_IID;
  using S = cof_call_service;
  using slots = Slots<Slot<&S::complete>, Slot<&S::cancel_reason>, Slot<&S::progress, Way::post>,
                      Slot<&S::emit, Way::tag>, Slot<&S::argument>, Slot<&S::post>>;
};
template <> struct Interface<cof_scratch_service> {
  static constexpr const char* iid = COF_SCRATCH_IID;
  using S = cof_scratch_service;
  using slots = Slots<Slot<&S::path, Way::disk>>;
};
template <> struct Interface<cof_file_service> {
  static constexpr const char* iid = COF_FILE_IID;
  using S = cof_file_service;
  using slots = Slots<Slot<&S::open, Way::disk>, Slot<&S::size>, Slot<&S::read, Way::disk>,
                      Slot<&S::write, Way::disk>, Slot<&S::commit, Way::disk>, Slot<&S::name>,
                      Slot<&S::release>>;
};
template <> struct Interface<cof_process_service> {
  static constexpr const char* iid = COF_PROCESS_IID;
  using S = cof_process_service;
  using slots = Slots<Slot<&S::start, Way::disk_tag>, Slot<&S::signal, Way::post>, Slot<&S::cancel>,
                      Slot<&S::pull, Way::post>>;
};
template <> struct Interface<cof_identity_service> {
  static constexpr const char* iid = COF_IDENTITY_IID;
  using S = cof_identity_service;
  using slots = Slots<Slot<&S::who, Way::tag>>;
};

// In the order of their numbers on the wire.
template <class... Service> struct Services { static constexpr std::size_t count = sizeof...(Service); };
using AllServices =
    Services<cof_log_service, cof_error_service, cof_config_service, cof_secret_service,
             cof_http_service, cof_timer_service, cof_task_service, cof_kv_service,
             cof_metric_service, cof_stats_service, cof_usage_service, cof_route_service,
             cof_event_service, cof_call_service, cof_scratch_service, cof_file_service,
             cof_process_service, cof_identity_service>;

// The plugin's own functions.
using P = cof_plugin;
using EntrySlots = Slots<Slot<&P::create>, Slot<&P::destroy>, Slot<&P::configure>, Slot<&P::start>,
                         Slot<&P::invoke>, Slot<&P::reply>, Slot<&P::cancel>, Slot<&P::drain>,
                         Slot<&P::stop>, Slot<&P::probe>>;
// clang-format on

enum class Entry : std::uint8_t {
  create, destroy, configure, start, invoke, reply, cancel, drain, stop, probe
};

// ---- What keeps the table whole ---------------------------------------------------------------

namespace detail {

template <class Slot, class... Rest>
inline constexpr bool is_none_of = (!std::is_same_v<Slot, Rest> && ...);

// `heads` bytes, then function pointers and nothing else; each stands here once.  That they have the
// struct's order is not needed: both sides use this one.
template <class Struct, std::size_t heads, class S>
inline constexpr bool is_whole = false;
template <class Struct, std::size_t heads, class... S>
inline constexpr bool is_whole<Struct, heads, Slots<S...>> =
    heads + sizeof...(S) * sizeof(void (*)()) == sizeof(Struct);

template <class S>
inline constexpr bool is_distinct = true;
template <class First, class... Rest>
inline constexpr bool is_distinct<Slots<First, Rest...>> =
    is_none_of<Slot<First::member>, Slot<Rest::member>...> && is_distinct<Slots<Rest...>>;

template <class S>
inline constexpr bool are_whole = false;
template <class... Service>
inline constexpr bool are_whole<Services<Service...>> =
    (is_whole<Service, 2 * sizeof(std::uint32_t), typename Interface<Service>::slots> && ...) &&
    (is_distinct<typename Interface<Service>::slots> && ...);

}  // namespace detail

static_assert(detail::are_whole<AllServices>, "a slot of a service is missing in the table");
static_assert(detail::is_whole<cof_plugin, 4 * sizeof(std::uint32_t), EntrySlots> &&
                  detail::is_distinct<EntrySlots>,
              "an entry of cof_plugin is missing in the table");

}  // namespace cofounder::wire
