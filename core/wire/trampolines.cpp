// SPDX-License-Identifier: Apache-2.0
#include "core/wire/trampolines.hpp"

#include "core/wire/function.hpp"

#include <array>
#include <span>

namespace cofounder::wire {
namespace {

template <auto SlotMember>
struct Trampoline {
  using M = Member<decltype(SlotMember)>;
  using F = Function<typename M::Type>;

  static Broken check(std::string_view arguments) {
    Arena arena;
    Reader in{arguments, arena};
    typename F::Values values{};
    Outs outs;
    if (F::get_arguments(in, values, outs)) return Broken::no;
    return in.good() ? Broken::trailing_bytes : Broken::bad_argument;
  }

  static bool serve(const void* table, const cof_host* host, std::string_view arguments,
                    std::string& answer) {
    Arena arena;
    Reader in{arguments, arena};
    typename F::Values values{};
    Outs outs;
    outs.written_max = COF_BYTES_BYTES_MAX;
    if (!F::get_arguments(in, values, outs)) return false;
    F::make_buffer(values, outs);
    std::get<0>(values) = host;
    const auto function = static_cast<const typename M::Owner*>(table)->*SlotMember;
    Writer out;
    if constexpr (std::is_void_v<typename F::Result>) {
      std::apply(function, values);
      F::put_answer(out, COF_OK, outs);
    } else {
      F::put_answer(out, std::apply(function, values), outs);
    }
    wipe(outs.written);
    answer = std::move(out.bytes);
    return true;
  }
};

template <class S>
struct Handlers;
template <class... S>
struct Handlers<Slots<S...>> {
  static constexpr std::array<Handler, sizeof...(S)> of(const char* iid) {
    return {Handler{iid, S::way, &Trampoline<S::member>::check, &Trampoline<S::member>::serve}...};
  }
};

template <class Service>
constexpr auto handlers_of = Handlers<typename Interface<Service>::slots>::of(Interface<Service>::iid);

template <class S>
struct Everything;
template <class... Service>
struct Everything<Services<Service...>> {
  static constexpr std::array<std::span<const Handler>, sizeof...(Service)> interfaces = {
      std::span<const Handler>{handlers_of<Service>}...};
};
constexpr const auto& everything = Everything<AllServices>::interfaces;

}  // namespace

bool is_interface(std::uint8_t interface) noexcept { return interface < everything.size(); }

std::size_t slot_count(std::uint8_t interface) noexcept {
  return is_interface(interface) ? everything[interface].size() : 0;
}

const Handler* find_handler(std::uint8_t interface, std::uint8_t slot) noexcept {
  if (slot >= slot_count(interface)) return nullptr;
  return &everything[interface][slot];
}

std::optional<std::uint8_t> interface_number(std::string_view iid) noexcept {
  for (std::size_t i = 0; i < everything.size(); ++i) {
    if (iid == everything[i].front().iid) return static_cast<std::uint8_t>(i);
  }
  return std::nullopt;
}

}  // namespace cofounder::wire
