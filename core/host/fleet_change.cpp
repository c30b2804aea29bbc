// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/host/fleet.hpp"
#include "core/host/settings.hpp"

#include <algorithm>
#include <utility>

// Draining, stopping, and changing what runs.
namespace cofounder::host {

namespace {

bool is_up(const Slot& slot) noexcept {
  return slot.life != nullptr && (slot.life->state() == PluginState::ready ||
                                  slot.life->state() == PluginState::draining ||
                                  slot.life->state() == PluginState::starting);
}

Error not_found(const std::string& id) {
  Error error = make_error("plugin_not_found", "there is no plugin \"" + id + "\"");
  error.plugin = id;
  return error;
}

}  // namespace

Error Fleet::busy(const std::string& id) {
  Error error = make_error("plugin_busy", "plugin \"" + id + "\" is being started or stopped", true);
  error.plugin = id;
  error.hint = "try again when that is over";
  return error;
}

void Fleet::drain(UniqueFunction<void()> done) {
  Slots ready;
  for (const auto& [id, slot] : slots_) {
    if (slot->ready()) ready.push_back(slot.get());
  }
  for_all(ready, [](Slot& slot, Done next) { slot.life->drain(false, std::move(next)); },
          [done = std::move(done)](Errors) mutable { done(); });
  changed();
}

void Fleet::stop(UniqueFunction<void(bool clean)> done) {
  stopping_ = true;
  stop_done_ = std::move(done);
  Slots up;
  for (const auto& [id, slot] : slots_) {
    if (slot->retry != 0) world_.loop.clock().cancel(std::exchange(slot->retry, 0));
    slot->supervisor = nullptr;
    if (slot->life != nullptr) up.push_back(slot.get());
  }
  for (const auto& life : retired_) life->drain(true, [](std::optional<Error>) {});
  for_all(up, [](Slot& slot, Done next) { slot.life->drain(true, std::move(next)); },
          [this](Errors) { stop_in_order(); });
  changed();
}

// Whether a plugin that is still up requires this one.
bool Fleet::is_required_by_running(const Slot& slot) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const auto& entry) {
    const Slot& other = *entry.second;
    const auto& needs = other.manifest.requires_plugins;
    return is_up(other) && std::find(needs.begin(), needs.end(), slot.id) != needs.end();
  });
}

// Stops each plugin that no running one requires, latest first; called again when one has stopped.
void Fleet::stop_in_order() {
  bool waiting = false;
  for (auto it = slots_.rbegin(); it != slots_.rend(); ++it) {
    Slot& slot = *it->second;
    if (slot.life == nullptr || slot.stop_begun) continue;
    if (is_required_by_running(slot)) {
      waiting = true;
      continue;
    }
    slot.stop_begun = true;
    slot.settled = false;
    slot.life->stop([this, &slot](std::optional<Error>) {
      slot.settled = true;
      stop_in_order();
    });
  }
  const bool all = std::all_of(slots_.begin(), slots_.end(), [](const auto& entry) {
    return !entry.second->stop_begun || entry.second->settled;
  });
  if (all && !waiting && retiring_ == 0 && stop_done_) stopped_all();
}

void Fleet::stopped_all() {
  bool clean = true;
  const auto look = [&](const Lifecycle& life) {
    if (!life.stuck()) return;
    clean = false;
    log::error("a thread is stuck in plugin \"" + life.instance().id() + "\"",
               {{"COF_PLUGIN", life.instance().id()}});
  };
  for (const auto& [id, slot] : slots_) {
    if (slot->life != nullptr) look(*slot->life);
  }
  for (const auto& life : retired_) look(*life);
  UniqueFunction<void(bool)> done = std::move(stop_done_);
  stop_done_ = nullptr;
  done(clean);
}

// ---- One plugin ----------------------------------------------------------------------------------

void Fleet::start_plugin(const std::string& id, Done done) {
  Slot* const slot = find(id);
  if (slot == nullptr || slot->file.empty()) return done(not_found(id));
  if (slot->ready()) return done(std::nullopt);
  if (slot->settled) slot->supervisor = nullptr;  // the past is forgotten
  const bool quarantined = slot->state() == PluginState::quarantined;
  if (quarantined || !slot->settled || slot->reloading || stopping_) {
    if (!quarantined) return done(busy(id));
    Error error = make_error("plugin_quarantined",
                             "plugin \"" + id + "\" was given up: a thread is stuck in it");
    error.plugin = id;
    error.hint = "restart the daemon";
    return done(std::move(error));
  }
  if (slot->retry != 0) world_.loop.clock().cancel(std::exchange(slot->retry, 0));
  slot->wanted = true;
  if (slot->life != nullptr) ++slot->restarts;
  bring_up(*slot, std::move(done));
}

void Fleet::stop_plugin(const std::string& id, Done done) {
  Slot* const slot = find(id);
  if (slot == nullptr) return done(not_found(id));
  if (slot->retry != 0) world_.loop.clock().cancel(std::exchange(slot->retry, 0));
  if (slot->reloading) return done(busy(id));
  slot->wanted = false;
  slot->supervisor = nullptr;
  if (!slot->ready()) return done(std::nullopt);
  if (is_required_by_running(*slot)) {
    Error error = make_error("plugin_required", "a running plugin requires \"" + id + "\"");
    error.plugin = id;
    error.hint = "stop that one first";
    slot->wanted = true;
    return done(std::move(error));
  }
  stop_one(*slot, std::move(done));
}

void Fleet::stop_one(Slot& slot, Done done) {
  slot.settled = false;
  slot.life->drain(true, [this, &slot, done = std::move(done)](std::optional<Error>) mutable {
    slot.life->stop([this, &slot, done = std::move(done)](std::optional<Error> error) mutable {
      slot.settled = true;
      changed();
      done(std::move(error));
    });
  });
  changed();
}

// ---- Configuration in two phases -----------------------------------------------------------------

void Fleet::reconfigure(const Config& config, Done done) {
  const auto next = std::make_shared<Config>(config);
  std::map<std::string, std::shared_ptr<const PluginConfig>> settings;
  Slots running;
  for (const auto& [id, slot] : slots_) {
    if (slot->reloading) return done(busy(id));
    if (!slot->ready()) continue;
    Slot candidate;
    candidate.id = id;
    candidate.file = slot->file;
    candidate.config = config_of(id, *next);
    if (!candidate.config.enabled) continue;  // it is stopped in the end
    if (is_isolated(candidate, *next) != slot->life->isolated()) {
      log::warning("another isolation is used when the plugin is started again",
                   {{"COF_PLUGIN", id}});
    }
    auto made = make_settings(slot->manifest, candidate.config);
    if (made.has_error()) return done(made.error());
    settings.emplace(id, std::move(*made));
    running.push_back(slot.get());
  }
  const Step check_step = [settings](Slot& slot, Done checked) {
    slot.life->check(settings.at(slot.id), std::move(checked));
  };
  for_all(running, check_step,
          [this, next, settings, done = std::move(done)](Errors errors) mutable {
            if (!errors.empty()) return done(std::move(errors.begin()->second));
            apply_all(std::move(next), std::move(settings), std::move(done));
          });
}

void Fleet::apply_all(std::shared_ptr<Config> config,
                      std::map<std::string, std::shared_ptr<const PluginConfig>> settings,
                      Done done) {
  config_ = std::move(*config);
  Slots running;
  for (const auto& [id, slot] : slots_) {
    slot->config = config_of(id, config_);
    if (slot->ready() && settings.contains(id)) running.push_back(slot.get());
  }
  const Step apply_step = [settings = std::move(settings)](Slot& slot, Done applied) {
    slot.life->apply(settings.at(slot.id), std::move(applied));
  };
  for_all(running, apply_step, [this, done = std::move(done)](Errors errors) mutable {
    for (auto& [id, error] : errors) {
      log::error(error.message, {{"COF_PLUGIN", id}});
      find(id)->error = error;
    }
    if (!errors.empty()) return done(std::move(errors.begin()->second));
    switch_enabled(std::move(done));
  });
}

// Stops what the new configuration disables, and starts what it enables.
void Fleet::switch_enabled(Done done) {
  Slots to_stop;
  Slots to_start;
  for (const auto& [id, slot] : slots_) {
    if (!slot->settled) continue;
    if (!slot->config.enabled && slot->ready()) to_stop.push_back(slot.get());
    const bool off = slot->state() == PluginState::stopped || slot->state() == PluginState::failed;
    if (slot->config.enabled && off && !slot->file.empty()) to_start.push_back(slot.get());
  }
  const auto first = [](Errors errors) {
    return errors.empty() ? std::optional<Error>{} : std::move(errors.begin()->second);
  };
  for_all(to_stop, [this](Slot& slot, Done next) { stop_plugin(slot.id, std::move(next)); },
          [this, to_start, first, done = std::move(done)](Errors stopped) mutable {
            if (!stopped.empty()) return done(first(std::move(stopped)));
            for_all(to_start,
                    [this](Slot& slot, Done next) { start_plugin(slot.id, std::move(next)); },
                    [this, first, done = std::move(done)](Errors errors) mutable {
                      changed();  // limits may be others
                      done(first(std::move(errors)));
                    });
          });
}

}  // namespace cofounder::host
