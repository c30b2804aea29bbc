// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugin_class.hpp"

#include <memory>
#include <string_view>
#include <type_traits>

// The table that the host calls.  Every slot is noexcept and turns exceptions into a status and a
// reason.
namespace cofounder::sdk::inline v1::detail {

// What `self` points to.
struct Instance {
  explicit Instance(const cof_host* host) noexcept : tables{host}, background{tables} {}

  HostTables tables;
  Call background;
  std::unique_ptr<Plugin> plugin;
};

struct Slots {
  template <class Class>
  static std::int32_t create(const cof_host* host, const cof_call* call, void** self) noexcept {
    return guarded(HostTables{host}, *call, [&]() -> std::int32_t {
      auto instance = std::make_unique<Instance>(host);
      const HostTables& tables = instance->tables;
      if (tables.call == nullptr || tables.error == nullptr) {
        throw Failed{Failure{COF_EUNSUPPORTED, "manifest_incomplete",
                             "The manifest has to require cof.call/1.0 and cof.error/1.0."}};
      }
      if constexpr (std::is_constructible_v<Class, Host>) {
        instance->plugin = std::make_unique<Class>(Host{tables});
      } else {
        instance->plugin = std::make_unique<Class>();
      }
      instance->plugin->host_ = Host{tables};
      instance->plugin->background_ = &instance->background;
      *self = instance.release();
      return COF_OK;
    });
  }

  static void destroy(void* self) noexcept { delete static_cast<Instance*>(self); }

  static std::int32_t configure(void* self, const cof_call* call,
                                const cof_configuration* given) noexcept {
    return guarded(self, *call, [&](Instance& instance) {
      const auto configuration = copy_struct(given);
      const Json config = Json::parse(view(configuration.json));
      const Call now{instance.tables, *call};
      if (configuration.phase == COF_CONFIGURE_CHECK) {
        instance.plugin->check(Context{now}, config);
      } else if (configuration.phase == COF_CONFIGURE_APPLY) {
        instance.plugin->apply(Context{now}, config);
      } else {
        return std::int32_t{COF_EUNSUPPORTED};
      }
      return std::int32_t{COF_OK};
    });
  }

  static std::int32_t start(void* self, const cof_call* call) noexcept {
    return guarded(self, *call, [&](Instance& instance) {
      for (const auto& event : instance.plugin->events_) {
        checked(
            instance.tables(instance.tables.event, &cof_event_service::subscribe, to_c(event.name)),
            "subscribe to " + event.name)
            .value();
      }
      return run_hook(instance, *call, &Plugin::start);
    });
  }
  static std::int32_t drain(void* self, const cof_call* call) noexcept {
    return hook(self, call, &Plugin::drain);
  }
  static std::int32_t stop(void* self, const cof_call* call) noexcept {
    return hook(self, call, &Plugin::stop);
  }
  static std::int32_t probe(void* self, const cof_call* call) noexcept {
    return hook(self, call, &Plugin::probe);
  }

  static std::int32_t invoke(void* self, const cof_call* call, const cof_invocation* given,
                             const cof_sink* result) noexcept {
    return guarded(self, *call, [&](Instance& instance) {
      const auto invocation = copy_struct(given);
      const Plugin& plugin = *instance.plugin;
      switch (call->kind) {
        case COF_CALL_OPERATION:
          return enter(instance, find(plugin.operations_, invocation, "unknown_operation"), *call,
                       invocation, parse_args(invocation), result);
        case COF_CALL_ROUTE:
          return enter(
              instance, find(plugin.routes_, invocation, "unknown_route"), *call, invocation,
              RouteRequest{view(invocation.name), view(invocation.args), view(invocation.body)},
              result);
        case COF_CALL_EVENT:
          return enter(instance, find(plugin.events_, invocation, "unknown_topic"), *call,
                       invocation, parse_args(invocation), result);
        default:
          return std::int32_t{COF_EUNSUPPORTED};
      }
    });
  }

  static void reply(void*, const cof_reply* reply) noexcept { Pending::enter(copy_struct(reply)); }

 private:
  static Json parse_args(const cof_invocation& invocation) {
    return invocation.args.size == 0 ? Json::object() : Json::parse(view(invocation.args));
  }

  template <class Input>
  static const Endpoint<Input>& find(const std::vector<Endpoint<Input>>& endpoints,
                                     const cof_invocation& invocation, const char* code) {
    const std::string_view name = view(invocation.name);
    for (const auto& endpoint : endpoints) {
      if (endpoint.name == name) return endpoint;
    }
    for (const auto& endpoint : endpoints) {  // a topic "task.*"
      const std::string_view pattern = endpoint.name;
      if (pattern.ends_with(".*") && name.starts_with(pattern.substr(0, pattern.size() - 1))) {
        return endpoint;
      }
    }
    throw Failed{Failure{COF_EUNSUPPORTED, code,
                         "This version of the plugin has no " + std::string{name} + "."}};
  }

  static void fill(Call& call, const cof_invocation& invocation) {
    call.attempt = invocation.attempt;
    call.attempts_max = invocation.attempts_max;
    call.name = view(invocation.name);
    call.task_id = view(invocation.task_id);
    call.checkpoint = view(invocation.checkpoint);
  }

  template <class Input>
  static std::int32_t enter(Instance& instance, const Endpoint<Input>& endpoint,
                            const cof_call& call, const cof_invocation& invocation, Input input,
                            const cof_sink* result) {
    if (endpoint.now) {
      Call now{instance.tables, call};
      fill(now, invocation);
      return end_now(now, endpoint.now(Context{now}, std::move(input)), result);
    }
    auto running = std::make_unique<RunningCall>(instance.tables, call);
    fill(*running, invocation);
    Task<Outcome> task = endpoint.later(Context{*running}, std::move(input));
    return run(std::move(running), std::move(task), result);
  }

  using Hook = Task<void> (Plugin::*)(Context);
  static std::int32_t run_hook(Instance& instance, const cof_call& call, Hook hook) {
    auto running = std::make_unique<RunningCall>(instance.tables, call);
    const Context ctx{*running};
    Task<Outcome> task = await_outcome(ctx, (instance.plugin.get()->*hook)(ctx));
    return run(std::move(running), std::move(task), nullptr);
  }
  static std::int32_t hook(void* self, const cof_call* call, Hook hook) noexcept {
    return guarded(self, *call,
                   [&](Instance& instance) { return run_hook(instance, *call, hook); });
  }

  template <class Function>
  static std::int32_t guarded(void* self, const cof_call& call, Function function) noexcept {
    auto& instance = *static_cast<Instance*>(self);
    return guarded(instance.tables, call, [&] { return function(instance); });
  }
  template <class Function>
  static std::int32_t guarded(const HostTables& tables, const cof_call& call,
                              Function function) noexcept {
    try {
      return function();
    } catch (...) {
      return end_now(Call{tables, call}, exception_outcome(), nullptr);
    }
  }
};

template <class Class>
constexpr cof_plugin make_table() noexcept {
  static_assert(std::is_base_of_v<Plugin, Class>, "A plugin derives from cofounder::sdk::Plugin.");
  cof_plugin table{};
  table.struct_size = sizeof table;
  table.abi_major = COF_ABI_MAJOR;
  table.abi_minor = COF_ABI_MINOR;
  table.create = &Slots::create<Class>;
  table.destroy = &Slots::destroy;
  table.configure = &Slots::configure;
  table.start = &Slots::start;
  table.invoke = &Slots::invoke;
  table.reply = &Slots::reply;
  // No `cancel`: the host ends what a call waits for, and its coroutine unwinds.
  table.drain = &Slots::drain;
  table.stop = &Slots::stop;
  table.probe = &Slots::probe;
  return table;
}

}  // namespace cofounder::sdk::inline v1::detail
