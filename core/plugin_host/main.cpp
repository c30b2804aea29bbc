// SPDX-License-Identifier: Apache-2.0
#include "core/host/library.hpp"
#include "core/plugin_host/stubs.hpp"
#include "core/process/crash_handler.hpp"
#include "core/process/sandbox.hpp"
#include "core/process/sandbox_build.hpp"

#include <ctime>
#include <pthread.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>

// cofounderd-plugin-host: one isolated plugin.  Started by the daemon only, with a socket to it as
// descriptor 3 (core/wire/frame.hpp); it ends when the daemon closes that.  What it says of its
// crash goes to descriptor 4.
namespace cofounder::plugin_host {
namespace {

constexpr int daemon_socket = 3;
constexpr int crash_file = 4;
constexpr int bad_start = 64;    // EX_USAGE
constexpr int not_loaded = 65;   // the daemon was told why
constexpr int beat_ms = 2'000;

wire::Pulse* pulse = nullptr;

struct Plugin {
  Channel* channel = nullptr;
  const cof_host* host = nullptr;
  cof_plugin api{};
  void* self = nullptr;  // create() sets it, and overlaps nothing
};

std::int64_t mono_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// The first frames come before there are threads: one after the other.
wire::Incoming expect(wire::Kind kind, char* buffer) {
  wire::Incoming incoming = wire::receive(daemon_socket, buffer, wire::Side::daemon, true);
  if (incoming.what != wire::Incoming::What::frame || incoming.frame.header.kind != kind) {
    ::_exit(bad_start);
  }
  return incoming;
}

void tell(const wire::Loaded& loaded) {
  wire::Header header;
  header.kind = wire::Kind::loaded;
  const auto outgoing = wire::pack(header, encode(loaded));
  if (!outgoing || wire::send(daemon_socket, *outgoing) != wire::Sent::yes) ::_exit(bad_start);
}

[[noreturn]] void give_up(std::string_view code, std::string_view text) {
  wire::Loaded loaded;
  loaded.status = COF_EFAILED;
  loaded.code = code;
  loaded.text = text;
  tell(loaded);
  ::_exit(not_loaded);
}

void* map_pulse(const wire::Descriptor& page) {
  void* const data = ::mmap(nullptr, wire::pulse_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                            page.get(), 0);
  if (data == MAP_FAILED) ::_exit(bad_start);
  return data;
}

// What the daemon asked for stands before any code of the plugin runs, or nothing of it ever does.
void enter_sandbox(const wire::Begin& begin) {
  if (begin.sandbox != has_sandbox) {
    give_up("plugin_host_mismatch", "the daemon and its cofounderd-plugin-host are different builds");
  }
  if (!has_sandbox) return;
  SandboxRules rules;
  rules.read_execute = begin.read_execute;
  rules.read_write = begin.read_write;
  const SandboxRefusal refusal = cofounder::enter_sandbox(rules);
  if (refusal) give_up(SandboxRefusal::code, refusal.message());
}

void begin(char* buffer) {
  const wire::Incoming incoming = expect(wire::Kind::begin, buffer);
  const auto first = wire::decode_begin(incoming.frame.arguments);
  if (!first) ::_exit(bad_start);
  if (first->build != wire::build()) {
    give_up("plugin_host_mismatch", "the daemon is \"" + first->build + "\", but its "
                                    "cofounderd-plugin-host is \"" + std::string{wire::build()} + "\"");
  }
  pulse = static_cast<wire::Pulse*>(map_pulse(incoming.descriptor));
  enter_sandbox(*first);
}

std::uint32_t entries_of(const cof_plugin& api) {
  std::uint32_t entries = 0;
  std::uint32_t bit = 1;
  [&]<class... S>(wire::Slots<S...>) {
    ((entries |= api.*S::member != nullptr ? bit : 0, bit <<= 1), ...);
  }(wire::EntrySlots{});
  return entries;
}

// A thread that enters the plugin never ends by itself; pthread_exit() and pthread_cancel() unwind it
// to here.  Its entry would never return, and what it held locked nobody can take any more.
class NeverEnds {
 public:
  NeverEnds() = default;
  NeverEnds(const NeverEnds&) = delete;
  NeverEnds& operator=(const NeverEnds&) = delete;
  ~NeverEnds() { ::_exit(wire::thread_ended); }
};

void run_jobs(Plugin& plugin, std::size_t thread) {
  const NeverEnds guard{};
  wire::Pulse::Thread& shown = pulse->threads[std::min(thread, wire::Pulse::threads_max - 1)];
  for (;;) {
    const Job job = plugin.channel->next();
    std::string returned;
    if (job.skipped) {
      wire::Returned cancelled;
      cancelled.status = COF_ECANCELLED;
      returned = encode(cancelled);
    } else {
      shown.since_ns.store(mono_ns(), std::memory_order_relaxed);
      shown.sequence.store(job.sequence, std::memory_order_release);
      returned = enter(plugin.api, plugin.host, plugin.self, job);
      shown.sequence.store(0, std::memory_order_release);
    }
    if (job.entry == wire::Entry::destroy) set_gone();
    plugin.channel->end(job, returned);
  }
}

struct WorkerStart {
  Plugin* plugin;
  std::size_t number;
};
void* worker_main(void* given) {
  const std::unique_ptr<WorkerStart> start{static_cast<WorkerStart*>(given)};
  run_jobs(*start->plugin, start->number);
  return nullptr;
}

// Says that this process runs at all: not stopped, not starved.
void* beat_main(void*) {
  for (;;) {
    pulse->beats.fetch_add(1, std::memory_order_relaxed);
    ::poll(nullptr, 0, beat_ms);
  }
}

void start_thread(void* (*main)(void*), void* given, std::size_t stack_bytes) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  if (stack_bytes != 0) ::pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread{};
  if (::pthread_create(&thread, &attributes, main, given) != 0) {
    give_up("plugin_not_loaded", "the process cannot have so many threads");
  }
  ::pthread_attr_destroy(&attributes);
  ::pthread_detach(thread);
}

int run() {
  if (!install_crash_handler(crash_file)) return bad_start;
  const auto buffer = std::make_unique<char[]>(wire::packet_bytes_max);
  begin(buffer.get());
  const wire::Incoming incoming = expect(wire::Kind::load, buffer.get());
  const auto load = wire::decode_load(incoming.frame.arguments);
  if (!load || load->threads == 0 || load->threads > wire::Pulse::threads_max) return bad_start;

  Channel channel{daemon_socket, load->threads == 1};
  static Plugin plugin;
  plugin.channel = &channel;
  plugin.host = make_host(channel, *load);
  const auto api = host::open_library(load->library, load->shown);
  if (api.has_error()) give_up(api.error().code, api.error().message);
  plugin.api = *api;
  note_modules();

  start_thread(beat_main, nullptr, 64 * 1024);
  for (std::size_t i = 1; i < load->threads; ++i) {
    start_thread(worker_main, new WorkerStart{&plugin, i}, 0);
  }
  wire::Loaded loaded;
  loaded.entries = entries_of(plugin.api);
  tell(loaded);
  run_jobs(plugin, 0);
  return 0;
}

}  // namespace
}  // namespace cofounder::plugin_host

int main() { return cofounder::plugin_host::run(); }
