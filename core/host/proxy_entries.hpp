// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/proxy.hpp"
#include "core/wire/function.hpp"

#include <utility>

// The functions of a cof_plugin whose code runs elsewhere, made from the table of entries; for
// proxy.cpp only.
namespace cofounder::host {

template <wire::Entry entry, class Pointer>
struct EntryStub;

template <wire::Entry entry, class R, class... A>
struct EntryStub<entry, R (*)(A...)> {
  using F = wire::Function<R (*)(A...)>;

  static R call(A... given) {
    typename F::Values values{given...};
    Proxy* const proxy = proxy_of(values);
    wire::Writer out;
    const auto* const entering = proxy->entering_;
    out.put(entering == nullptr ? std::uint64_t{0} : entering->call->id);
    out.put(entering == nullptr ? std::uint64_t{0} : entering->result_max);
    F::put_arguments(out, values);
    // What the daemon hands over keeps the rules: anything else is its own fault.
    const std::int32_t status = out.refused != COF_OK
                                    ? std::int32_t{COF_EINTERNAL}
                                    : proxy->send_entry(entry, std::move(out.bytes));
    if constexpr (!std::is_void_v<R>) return status;
  }

 private:
  static Proxy* proxy_of(typename F::Values& values) {
    if constexpr (entry == wire::Entry::create) {
      Proxy* const proxy = Instance::of(std::get<0>(values)).proxy();
      *std::get<2>(values) = proxy;
      return proxy;
    } else {
      return static_cast<Proxy*>(std::get<0>(values));
    }
  }
};

inline cof_plugin all_entry_stubs() {
  cof_plugin api{};
  [&]<class... S, std::size_t... I>(wire::Slots<S...>, std::index_sequence<I...>) {
    ((api.*S::member = &EntryStub<static_cast<wire::Entry>(I),
                                  typename wire::Member<decltype(S::member)>::Type>::call),
     ...);
  }(wire::EntrySlots{}, std::make_index_sequence<wire::EntrySlots::count>{});
  return api;
}

}  // namespace cofounder::host
