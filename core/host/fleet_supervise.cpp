// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/host/fleet.hpp"

#include <utility>

// Isolated plugins whose process failed.
namespace cofounder::host {

namespace {
constexpr Milliseconds file_wait{5'000};
}

// While it is brought up or down, whoever does that hears of its end.
void Fleet::lost(Slot& slot, const Lifecycle* life) {
  const bool is_current = slot.life.get() == life;
  if (!is_current || !life->isolated() || slot.reloading || !slot.settled || !slot.wanted || stopping_) {
    return;
  }
  slot.settled = false;
  Error why = *life->last_error();
  // Done when the process is gone, so there are never two.
  slot.life->stop([this, &slot, why = std::move(why), alive = alive_](std::optional<Error>) mutable {
    if (!*alive) return;
    slot.settled = true;
    if (slot.wanted && !stopping_) supervise(slot, std::move(why));
  });
}

void Fleet::supervise(Slot& slot, Error why) {
  if (slot.supervisor == nullptr) {
    Supervisor::Options options;
    options.failures_max = slot.config.restart_failures_max;
    options.window = slot.config.restart_window;
    slot.supervisor = std::make_unique<Supervisor>(world_.loop.clock(), slot.id, options,
                                                   [this, &slot] { restart(slot); });
  }
  // Those that its end took with it may not be counted as failures yet, but then they are in flight.
  const Instance::Counters& counters = slot.life->instance().counters();
  const auto open = static_cast<std::uint64_t>(slot.life->caller().in_flight());
  if (counters.calls > counters.failures + open) slot.supervisor->succeeded();
  failed_again(slot, std::move(why));
}

void Fleet::failed_again(Slot& slot, Error why) {
  slot.supervisor->lost(std::move(why));
  slot.error = slot.supervisor->last_error();
  slot.failed = true;
  if (slot.supervisor->state() == Supervisor::State::quarantined) {
    log::error(slot.error->message, {{"COF_PLUGIN", slot.id}});
    if (slot.life != nullptr && slot.life->why()) slot.life->why()->what = slot.error->message;
    watch_file(slot);
  }
  changed();
}

void Fleet::restart(Slot& slot) {
  ++slot.restarts;
  const Supervisor* const by = slot.supervisor.get();
  bring_up(slot, [this, &slot, by, alive = alive_](std::optional<Error> error) {
    if (!*alive || slot.supervisor.get() != by) return;  // an operator came between
    if (error) return failed_again(slot, std::move(*error));
    slot.supervisor->started();
  });
}

// A new file ends the quarantine.
void Fleet::watch_file(Slot& slot) {
  if (slot.retry != 0) return;
  slot.retry = world_.loop.clock().call_after(file_wait, [this, &slot, alive = alive_] {
    if (!*alive) return;
    slot.retry = 0;
    const bool given_up = slot.supervisor != nullptr &&
                          slot.supervisor->state() == Supervisor::State::quarantined;
    if (stopping_ || !slot.wanted || !slot.settled || !given_up) return;
    const Result<LibraryFile> file = LibraryFile::open(slot.file);
    if (file.has_error() || file->identity() == slot.identity) return watch_file(slot);
    log::info("its file is a new one, so it is started again", {{"COF_PLUGIN", slot.id}});
    start_plugin(slot.id, [](std::optional<Error>) {});
  });
}

}  // namespace cofounder::host
