// SPDX-License-Identifier: Apache-2.0
#include "core/host/fleet.hpp"

#include "core/base/log.hpp"
#include "core/host/negotiation.hpp"
#include "core/host/settings.hpp"

#include <algorithm>
#include <utility>

// Bringing plugins up.
namespace cofounder::host {

PluginState Slot::state() const noexcept {
  if (supervisor != nullptr && supervisor->state() == Supervisor::State::quarantined) {
    return PluginState::quarantined;
  }
  if (life != nullptr && life->state() == PluginState::quarantined) return PluginState::quarantined;
  if (failed && settled) return PluginState::failed;
  if (life != nullptr) return life->state();
  return wanted ? PluginState::loaded : PluginState::stopped;
}

void Slot::remember() {
  if (life == nullptr) return;
  const Instance::Counters& counters = life->instance().counters();
  past.calls += counters.calls;
  past.failures += counters.failures;
  past.late_completions += counters.late_completions;
  past.durations.add(life->caller().durations());
  if (life->why()) why = life->why();
}

Fleet::Fleet(Instance::World& world, const Config& config) : world_{world}, config_{config} {}

Fleet::~Fleet() { *alive_ = false; }

Slot* Fleet::find(std::string_view id) noexcept {
  const auto it = slots_.find(id);
  return it == slots_.end() ? nullptr : it->second.get();
}
const Slot* Fleet::find(std::string_view id) const noexcept {
  const auto it = slots_.find(id);
  return it == slots_.end() ? nullptr : it->second.get();
}

void Fleet::changed() {
  if (on_change) on_change();
}

void Fleet::for_all(const Slots& slots, const Step& each, UniqueFunction<void(Errors)> done) {
  struct Wait {
    std::size_t left;
    Errors errors;
    UniqueFunction<void(Errors)> done;
  };
  // One more than there are, so that nothing ends while the loop below still runs.
  const auto wait = std::make_shared<Wait>(Wait{slots.size() + 1, {}, std::move(done)});
  const auto one_done = [wait](const std::string& id, std::optional<Error> error) {
    if (error) wait->errors.emplace(id, std::move(*error));
    if (--wait->left == 0) wait->done(std::move(wait->errors));
  };
  for (Slot* slot : slots) {
    each(*slot, [one_done, id = slot->id](std::optional<Error> error) {
      one_done(id, std::move(error));
    });
  }
  one_done({}, std::nullopt);
}

// ---- The steps of one plugin ---------------------------------------------------------------------

// One after the other: dlopen() holds a lock of the whole process while constructors run, so that
// of two loads one waits for the other anyway, and would be blamed for its hanging.
void Fleet::load(Slot& slot, Done done) {
  slot.settled = false;
  loads_.push_back({&slot, std::move(done)});
  if (!loading_) load_next();
}

void Fleet::note_code(Slot& slot) {
  if (slot.life == nullptr || slot.life->isolated() || slot.life->sha256().empty()) return;
  slot.codes.insert(slot.life->sha256());
}

void Fleet::load_next() {
  loading_ = !loads_.empty();
  if (!loading_) return;
  Slot& slot = *loads_.front().slot;
  Done done = [this, &slot, next = std::move(loads_.front().done)](
                  std::optional<Error> error) mutable {
    if (slot.life != nullptr && slot.life->blocks_loader()) loader_blocked_by_ = slot.id;
    note_code(slot);
    next(std::move(error));
    load_next();
  };
  loads_.pop_front();

  Result<std::shared_ptr<const PluginConfig>> settings = make_settings(slot.manifest, slot.config);
  const bool isolated = is_isolated(slot, config_);
  std::optional<Error> error;
  if (settings.has_error()) error = settings.error();
  if (!error && !isolated) error = loader_blocked(slot.id);
  if (error) {
    slot.library = nullptr;
    return done(std::move(error));
  }
  slot.remember();
  if (slot.life != nullptr) retired_.push_back(std::move(slot.life));
  slot.life = make_life(slot, slot.manifest, *settings, isolated);
  slot.life->load(std::exchange(slot.library, nullptr), config_.paths.state / "plugins", slot.codes,
                  std::move(done));
}

std::optional<Error> Fleet::loader_blocked(const std::string& id) const {
  if (loader_blocked_by_.empty()) return std::nullopt;
  Error error = make_error("loader_blocked", "plugin \"" + id + "\" cannot be loaded: plugin \"" +
                                                 loader_blocked_by_ +
                                                 "\" hangs in a constructor and blocks the loader");
  error.plugin = id;
  error.hint = "remove " + find(loader_blocked_by_)->file.string() + " and restart the daemon";
  return error;
}

std::unique_ptr<Lifecycle> Fleet::make_life(Slot& slot, const Manifest& manifest,
                                            std::shared_ptr<const PluginConfig> settings,
                                            bool isolated) {
  auto life = std::make_unique<Lifecycle>(
      world_, manifest, std::move(settings),
      isolated ? Instance::Isolation::process : Instance::Isolation::in_process);
  life->on_given_up = [this, &slot, raw = life.get(), alive = alive_] {
    if (!*alive) return;
    changed();
    lost(slot, raw);
  };
  return life;
}

void Fleet::check(Slot& slot, Done done) {
  const auto settings = slot.life->instance().config();
  slot.life->check(settings, std::move(done));
}

void Fleet::run(Slot& slot, Done done) {
  slot.life->apply(slot.life->instance().config(),
                   [&slot, done = std::move(done)](std::optional<Error> error) mutable {
                     if (error) return done(std::move(error));
                     slot.life->start(std::move(done));
                   });
}

// The plugin did not come up: what there is of it is taken down, then `done` is called.
void Fleet::fail(Slot& slot, Error error, Done done) {
  refuse(slot, error);
  slot.settled = false;  // until it is down
  auto settled = [this, &slot, error, done = std::move(done)](std::optional<Error>) mutable {
    slot.settled = true;
    // One that was ready before is its supervisor's.
    if (slot.config.on_start_error == "retry" && slot.supervisor == nullptr) schedule_retry(slot);
    changed();
    done(std::move(error));
  };
  if (slot.life == nullptr) return settled(std::nullopt);
  slot.life->stop(std::move(settled));
}

void Fleet::schedule_retry(Slot& slot) {
  const bool stuck = slot.life != nullptr && slot.life->state() == PluginState::quarantined;
  if (stopping_ || stuck || slot.file.empty() || slot.retry != 0) return;
  slot.retry = world_.loop.clock().call_after(slot.retry_wait, [this, &slot, alive = alive_] {
    if (!*alive) return;
    slot.retry = 0;
    if (stopping_ || !slot.wanted || !slot.settled || slot.ready()) return;
    slot.retry_wait = std::min(slot.retry_wait * 2, Milliseconds{60'000});
    ++slot.restarts;
    bring_up(slot, [](std::optional<Error>) {});
  });
}

std::optional<Error> Fleet::requirement_missing(const Slot& slot) const {
  for (const std::string& id : slot.manifest.requires_plugins) {
    const Slot* const needed = find(id);
    if (needed != nullptr && needed->ready()) continue;
    Error error = make_error("requirement_missing", "plugin \"" + slot.id + "\" requires plugin \"" +
                                                        id + "\", which does not run", true);
    error.plugin = slot.id;
    return error;
  }
  return std::nullopt;
}

// All steps for one plugin, from its file on.
void Fleet::bring_up(Slot& slot, Done done) {
  slot.failed = false;
  slot.error.reset();
  if (auto error = read_file(slot)) return fail(slot, std::move(*error), std::move(done));
  if (auto error = requirement_missing(slot)) return fail(slot, std::move(*error), std::move(done));
  const auto shared = std::make_shared<Done>(std::move(done));
  const auto or_fail = [this, &slot, shared](auto next) {
    return [this, &slot, shared, next](std::optional<Error> error) mutable {
      if (error) return fail(slot, std::move(*error), std::move(*shared));
      next();
    };
  };
  load(slot, or_fail([this, &slot, shared, or_fail] {
         check(slot, or_fail([this, &slot, shared, or_fail] {
                 run(slot, or_fail([this, &slot, shared] {
                       slot.settled = true;
                       slot.retry_wait = Milliseconds{1'000};
                       changed();
                       (*shared)(std::nullopt);
                     }));
               }));
       }));
}

// ---- All of them, at the daemon's start ----------------------------------------------------------

void Fleet::start(Done done) {
  start_done_ = std::move(done);
  discover();
  std::vector<const Manifest*> manifests;
  for (const auto& [id, slot] : slots_) {
    if (slot->wanted && !slot->failed) manifests.push_back(&slot->manifest);
  }
  StartOrder order = start_order(manifests);
  for (auto& [id, error] : order.refused) refuse(*find(id), std::move(error));
  order_ = std::move(order.ids);
  warn_of_isolation();

  Slots all;
  for (const std::string& id : order_) all.push_back(find(id));
  for (Slot* slot : all) slot->settled = false;
  // Those of the first directory first: what hangs while it is loaded is rather another one.
  const auto is_shipped = [this](const Slot* slot) {
    return !config_.plugins.directories.empty() &&
           slot->file.parent_path() == config_.plugins.directories.front();
  };
  std::sort(all.begin(), all.end(), [&](const Slot* one, const Slot* other) {
    return std::pair{!is_shipped(one), one->id} < std::pair{!is_shipped(other), other->id};
  });
  const auto ended = [](Fleet& fleet, Slot& slot, Done next) {
    return [&fleet, &slot, next = std::move(next)](std::optional<Error> error) mutable {
      if (error) return fleet.fail(slot, std::move(*error), std::move(next));
      next(std::nullopt);
    };
  };
  const Step load_step = [this, ended](Slot& slot, Done next) {
    load(slot, ended(*this, slot, std::move(next)));
  };
  const Step check_step = [this, ended](Slot& slot, Done next) {
    if (slot.failed) return next(std::nullopt);
    check(slot, ended(*this, slot, std::move(next)));
  };
  for_all(all, load_step, [this, all, check_step](Errors) {
    for_all(all, check_step, [this](Errors) { start_in_order(); });
  });
}

// Starts each plugin whose requirements run; called again whenever one has settled.
void Fleet::start_in_order() {
  bool moved = true;
  while (moved) {
    moved = false;
    for (const std::string& id : order_) {
      Slot& slot = *find(id);
      if (slot.settled || slot.failed || slot.life->state() != PluginState::starting) continue;
      if (start_next(slot)) moved = true;
    }
  }
  const bool all = std::all_of(order_.begin(), order_.end(),
                               [this](const std::string& id) { return find(id)->settled; });
  if (all && start_done_) started_all();
}

// True when it was begun or refused.
bool Fleet::start_next(Slot& slot) {
  if (slot.running) return false;
  const auto settled = [this, alive = alive_](std::optional<Error>) {
    if (*alive) world_.loop.post([this, alive] { if (*alive) start_in_order(); });
  };
  for (const std::string& id : slot.manifest.requires_plugins) {
    const Slot& needed = *find(id);
    if (!needed.settled) return false;
    if (needed.ready()) continue;
    Error error = make_error("requirement_missing", "plugin \"" + slot.id + "\" requires plugin \"" +
                                                        id + "\", which did not start");
    error.plugin = slot.id;
    fail(slot, std::move(error), settled);
    return true;
  }
  slot.running = true;
  run(slot, [this, &slot, settled](std::optional<Error> error) {
    slot.running = false;
    if (error) return fail(slot, std::move(*error), settled);
    slot.settled = true;
    changed();
    settled(std::nullopt);
  });
  return true;
}

void Fleet::started_all() {
  remove_old_copies(config_.paths.state / "plugins");
  std::optional<Error> first;
  for (const auto& [id, slot] : slots_) {
    if (slot->failed && slot->config.on_start_error == "fail" && !first) first = slot->error;
  }
  changed();
  Done done = std::move(start_done_);
  start_done_ = nullptr;
  done(std::move(first));
}

}  // namespace cofounder::host
