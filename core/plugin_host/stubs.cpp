// SPDX-License-Identifier: Apache-2.0
#include "core/plugin_host/stubs.hpp"

#include "core/wire/function.hpp"
#include "core/wire/trampolines.hpp"

#include <array>
#include <atomic>
#include <new>
#include <utility>

#include <time.h>

namespace cofounder::plugin_host {
namespace {

// One plugin lives in this process, so what a host has is here once.
struct World {
  Channel* channel = nullptr;
  std::atomic<bool> gone{false};
  std::uint32_t granted = 0;
  std::string version;
  std::string plugin_id;
  cof_host host{};
};
World& world() noexcept {
  static World* const the_world = new World;  // never destroyed: threads of the plugin may use it
  return *the_world;
}

// ---- The services --------------------------------------------------------------------------------

template <class F>
bool outs_are_given(typename F::Values& values) {
  bool given = true;
  F::each([&]<std::size_t I>() {
    if constexpr (F::template role<I>() == wire::Role::sink) {
      const cof_sink* const sink = std::get<I>(values);
      if (sink == nullptr || sink->write == nullptr) given = false;
    }
  });
  return given;
}

template <class F>
std::uint64_t* handle_of(typename F::Values& values) {
  std::uint64_t* handle = nullptr;
  F::each([&]<std::size_t I>() {
    if constexpr (F::template role<I>() == wire::Role::handle) handle = std::get<I>(values);
  });
  return handle;
}

// Asks the daemon; the status or number that the function returns.
template <class F, wire::Way way>
std::int64_t ask(wire::Header header, typename F::Values& values) {
  if (world().gone) return COF_EGONE;
  wire::Writer out;
  F::put_arguments(out, values);
  if (!outs_are_given<F>(values)) out.refuse(COF_EINVALID);
  if (out.refused != COF_OK) return out.refused;
  if (out.bytes.size() > wire::frame_bytes_max) return COF_ETOOBIG;
  if constexpr (way == wire::Way::post) {
    world().channel->post(header, out.bytes);
    return COF_OK;
  } else {
    std::string answer = world().channel->ask(header, out.bytes, handle_of<F>(values));
    wire::Arena arena;
    wire::Reader in{answer, arena};
    if constexpr (std::is_void_v<typename F::Result>) {
      return COF_OK;
    } else {
      typename F::Result result{};
      const bool whole = F::get_answer(in, result, values);
      wire::wipe(answer);
      return whole ? std::int64_t{result} : std::int64_t{COF_EINTERNAL};
    }
  }
}

template <class S, std::uint8_t interface, std::uint8_t slot, class Pointer>
struct Stub;
template <class S, std::uint8_t interface, std::uint8_t slot, class R, class... A>
struct Stub<S, interface, slot, R (*)(A...)> {
  using F = wire::Function<R (*)(A...)>;

  static R call(A... given) noexcept {
    typename F::Values values{given...};
    if (std::get<0>(values) == nullptr) return result(COF_EINVALID);
    wire::Header header;
    header.kind = wire::Kind::request;
    header.interface = interface;
    header.slot = slot;
    try {
      return result(ask<F, S::way>(header, values));
    } catch (const std::bad_alloc&) {
      return result(COF_EUNAVAILABLE);
    }
  }

 private:
  static R result(std::int64_t value) noexcept {
    if constexpr (std::is_void_v<R>) {
      static_cast<void>(value);
    } else {
      return static_cast<R>(value);
    }
  }
};

template <class Service, std::uint8_t interface, class S>
struct Table;
template <class Service, std::uint8_t interface, class... S>
struct Table<Service, interface, wire::Slots<S...>> {
  static Service& instance() {
    static Service table = [] {
      Service made{};
      made.struct_size = sizeof made;
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((made.*S::member = &Stub<S, interface, static_cast<std::uint8_t>(I),
                                  typename wire::Member<decltype(S::member)>::Type>::call),
         ...);
      }(std::index_sequence_for<S...>{});
      return made;
    }();
    return table;
  }
  static const void* make(std::uint32_t minor) {
    instance().minor = minor;
    return &instance();
  }
};

using MakeTable = const void* (*)(std::uint32_t minor);
template <class... Service>
constexpr std::array<MakeTable, sizeof...(Service)> all_tables(wire::Services<Service...>) {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<MakeTable, sizeof...(Service)>{
        &Table<Service, static_cast<std::uint8_t>(I),
               typename wire::Interface<Service>::slots>::make...};
  }(std::index_sequence_for<Service...>{});
}
constexpr auto tables = all_tables(wire::AllServices{});
std::array<const void*, tables.size()> made_tables{};

// ---- What need not be asked each time -------------------------------------------------------------

template <class Wanted, class... Service>
constexpr std::uint8_t number_of(wire::Services<Service...>) {
  std::uint8_t number = 0;
  static_cast<void>(((std::is_same_v<Wanted, Service> || (++number, false)) || ...));
  return number;
}
template <class Service>
Service& table_of() {
  return Table<Service, number_of<Service>(wire::AllServices{}),
               typename wire::Interface<Service>::slots>::instance();
}

std::int64_t nanoseconds(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Both processes have the same clocks.
std::int64_t now_ns(const cof_host* host) noexcept {
  if (host == nullptr) return COF_EINVALID;
  return world().gone ? std::int64_t{COF_EGONE} : nanoseconds(CLOCK_MONOTONIC);
}
std::int64_t wall_ms(const cof_host* host) noexcept {
  if (host == nullptr) return COF_EINVALID;
  return world().gone ? std::int64_t{COF_EGONE} : nanoseconds(CLOCK_REALTIME) / 1'000'000;
}

std::int32_t (*ask_cancel_reason)(const cof_host*, std::uint64_t) = nullptr;  // the stub

// It is made for loops, and may lag 50 ms: so "go on" holds for 20.
std::int32_t cancel_reason(const cof_host* host, std::uint64_t call_id) noexcept {
  thread_local std::uint64_t asked_for = 0;
  thread_local std::int64_t good_until = 0;
  const std::int64_t now = nanoseconds(CLOCK_MONOTONIC);
  if (call_id == asked_for && now < good_until && !world().gone) return 0;
  const std::int32_t reason = ask_cancel_reason(host, call_id);
  asked_for = call_id;
  good_until = reason == 0 ? now + 20'000'000 : 0;
  return reason;
}

void take_shortcuts() {
  table_of<cof_timer_service>().now_ns = now_ns;
  table_of<cof_timer_service>().wall_ms = wall_ms;
  auto& calls = table_of<cof_call_service>();
  ask_cancel_reason = std::exchange(calls.cancel_reason, &cancel_reason);
}

const void* query(const cof_host* host, cof_str iid) noexcept {
  if (host == nullptr || (iid.data == nullptr && iid.size != 0)) return nullptr;
  const auto number = wire::interface_number({iid.data, iid.size});
  if (!number || (world().granted >> *number & 1U) == 0) return nullptr;
  return made_tables[*number];
}

// ---- The entries ---------------------------------------------------------------------------------

template <auto SlotMember>
std::string enter_slot(const cof_plugin& api, const cof_host* host, void*& self, const Job& job) {
  using F = wire::Function<typename wire::Member<decltype(SlotMember)>::Type>;
  wire::Arena arena;
  wire::Reader in{job.arguments, arena};
  typename F::Values values{};
  wire::Outs outs;
  outs.written_max = job.result_max;
  wire::Returned returned;
  if (!F::get_arguments(in, values, outs) || api.*SlotMember == nullptr) {
    returned.status = COF_EINTERNAL;
    return encode(returned);
  }
  F::each([&]<std::size_t I>() {
    using T = std::tuple_element_t<I, typename F::Values>;
    if constexpr (std::is_same_v<T, const cof_host*>) std::get<I>(values) = host;
    if constexpr (std::is_same_v<T, void*> && I == 0) std::get<I>(values) = self;
    if constexpr (std::is_same_v<T, void**>) std::get<I>(values) = &self;
  });
  if constexpr (std::is_void_v<typename F::Result>) {
    std::apply(api.*SlotMember, values);
  } else {
    returned.status = std::apply(api.*SlotMember, values);
  }
  returned.too_big = outs.too_big;
  if (returned.status == COF_OK && !outs.too_big) returned.result = outs.written;
  return encode(returned);
}

using EnterSlot = std::string (*)(const cof_plugin&, const cof_host*, void*&, const Job&);
template <class... S>
constexpr std::array<EnterSlot, sizeof...(S)> all_entries(wire::Slots<S...>) {
  return {&enter_slot<S::member>...};
}
constexpr auto entries = all_entries(wire::EntrySlots{});

}  // namespace

const cof_host* make_host(Channel& channel, const wire::Load& load) {
  World& mine = world();
  mine.channel = &channel;
  mine.granted = load.granted;
  mine.version = load.daemon_version;
  mine.plugin_id = load.plugin_id;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    made_tables[i] = tables[i](i < load.minors.size() ? static_cast<unsigned char>(load.minors[i]) : 0);
  }
  take_shortcuts();
  mine.host.struct_size = sizeof mine.host;
  mine.host.abi_major = COF_ABI_MAJOR;
  mine.host.abi_minor = COF_ABI_MINOR;
  mine.host.query = &query;
  mine.host.version = {mine.version.data(), mine.version.size()};
  mine.host.plugin_id = {mine.plugin_id.data(), mine.plugin_id.size()};
  return &mine.host;
}

void set_gone() noexcept { world().gone = true; }

std::string enter(const cof_plugin& api, const cof_host* host, void*& self, const Job& job) {
  return entries[static_cast<std::size_t>(job.entry)](api, host, self, job);
}

}  // namespace cofounder::plugin_host
