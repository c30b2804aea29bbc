// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/host/fleet.hpp"
#include "core/host/settings.hpp"

#include <algorithm>
#include <utility>

// Replacing a plugin that runs by a new generation of it, without a moment in which there is none.
namespace cofounder::host {

struct Fleet::Reload {
  Slot& slot;
  Slot candidate;                   // what the file says now
  std::unique_ptr<Lifecycle> life;  // of the new generation
  std::size_t step = 0;
  Done done;
};

void Fleet::reload_plugin(const std::string& id, Done done) {
  Slot* const slot = find(id);
  if (slot == nullptr || !slot->ready()) return start_plugin(id, std::move(done));
  if (!slot->settled || slot->reloading || stopping_) return done(busy(id));
  const auto reload = std::make_shared<Reload>(Reload{*slot, {}, nullptr, 0, std::move(done)});
  Slot& candidate = reload->candidate;
  candidate.id = id;
  candidate.file = slot->file;
  candidate.config = slot->config;
  slot->reloading = true;
  ++retiring_;
  if (auto error = read_file(candidate)) return reload_failed(reload, std::move(*error));
  if (auto error = requirement_missing(candidate)) return reload_failed(reload, std::move(*error));
  const bool isolated = is_isolated(candidate, config_);
  if (!isolated) {
    if (auto error = loader_blocked(id)) return reload_failed(reload, std::move(*error));
  }
  auto settings = make_settings(candidate.manifest, candidate.config);
  if (settings.has_error()) return reload_failed(reload, settings.error());
  reload->life = make_life(*slot, candidate.manifest, *settings, isolated);
  reload_next(reload);
}

// One step after the other; what fails ends the new generation, and the old one goes on.
void Fleet::reload_next(const std::shared_ptr<Reload>& reload) {
  Lifecycle& life = *reload->life;
  Done next = [this, reload](std::optional<Error> error) {
    if (!error && stopping_) error = busy(reload->slot.id);
    if (error) return reload_failed(reload, std::move(*error));
    reload_next(reload);
  };
  const auto settings = life.instance().config();
  switch (reload->step++) {
    case 0:
      return life.load(std::exchange(reload->candidate.library, nullptr),
                       config_.paths.state / "plugins", reload->slot.codes, std::move(next));
    case 1:
      return life.check(settings, std::move(next));
    case 2:
      return life.apply(settings, std::move(next));
    case 3:
      return life.start(std::move(next));
    case 4:
      return life.probe(std::move(next));
    default:
      return switch_over(reload);
  }
}

void Fleet::reload_failed(const std::shared_ptr<Reload>& reload, Error error) {
  Slot& slot = reload->slot;
  if (error.plugin.empty()) error.plugin = slot.id;
  log::error("not reloaded: " + error.message, {{"COF_PLUGIN", slot.id}});
  auto over = [this, reload, &slot, error = std::move(error)](std::optional<Error>) mutable {
    slot.reloading = false;
    if (reload->life != nullptr) {
      if (reload->life->blocks_loader()) loader_blocked_by_ = slot.id;
      if (reload->life->why()) slot.why = reload->life->why();
      retired_.push_back(std::move(reload->life));
    }
    retired_one();
    // What happened to the old one meanwhile.
    if (slot.life->caller().given_up()) lost(slot, slot.life.get());
    Done done = std::move(reload->done);
    done(std::move(error));
  };
  if (reload->life == nullptr) return over(std::nullopt);
  reload->life->set_replaced();
  reload->life->stop(std::move(over));
}

// From here on new calls go to the new generation; those that run end where they are.
void Fleet::switch_over(const std::shared_ptr<Reload>& reload) {
  Slot& slot = reload->slot;
  Slot& candidate = reload->candidate;
  slot.remember();
  std::unique_ptr<Lifecycle> old = std::exchange(slot.life, std::move(reload->life));
  slot.manifest = std::move(candidate.manifest);
  slot.interfaces = std::move(candidate.interfaces);
  slot.identity = candidate.identity;
  slot.reloading = false;
  ++slot.generation;
  slot.supervisor = nullptr;
  slot.failed = false;
  slot.error.reset();
  slot.why = nullptr;
  note_code(slot);
  retire(std::move(old));
  changed();
  log::info("reloaded, generation " + std::to_string(slot.generation), {{"COF_PLUGIN", slot.id}});
  Done done = std::move(reload->done);
  done(std::nullopt);
}

void Fleet::retire(std::unique_ptr<Lifecycle> life) {
  Lifecycle& old = *life;
  old.set_replaced();
  retired_.push_back(std::move(life));
  // Its calls take as long as they take: only the daemon's end hurries them.
  old.drain(false, [this, &old, alive = alive_](std::optional<Error>) {
    if (!*alive) return;
    old.stop([this, &old, alive](std::optional<Error>) {
      if (!*alive) return;
      world_.loop.post([this, &old, alive] {
        if (!*alive) return;
        if (old.isolated()) std::erase_if(retired_, [&](const auto& one) { return one.get() == &old; });
        retired_one();
      });
    });
  });
}

void Fleet::retired_one() {
  --retiring_;
  if (stopping_) stop_in_order();
}

}  // namespace cofounder::host
