// SPDX-License-Identifier: Apache-2.0
#include "core/host/border.hpp"
#include "core/host/proxy.hpp"
#include "core/process/sandbox_build.hpp"
#include "core/wire/trampolines.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

// How the process of an isolated plugin begins: what it is given, and its limits.
namespace cofounder::host {
namespace {

// The page that both see; nobody can make it smaller.
wire::Descriptor make_pulse(wire::Pulse*& pulse) {
  wire::Descriptor page{::memfd_create("pulse", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!page || ::ftruncate(page.get(), wire::pulse_bytes) != 0 ||
      ::fcntl(page.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return {};
  }
  void* const data = ::mmap(nullptr, wire::pulse_bytes, PROT_READ, MAP_SHARED, page.get(), 0);
  if (data == MAP_FAILED) return {};
  pulse = static_cast<wire::Pulse*>(data);
  return page;
}

// Sealed, so that a child can fill no more of the daemon's memory than a report has.
wire::Descriptor make_crash_file() {
  wire::Descriptor file{::memfd_create("crash", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!file || ::ftruncate(file.get(), CrashReport::bytes_max) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return {};
  }
  return file;
}

// On which its calls run.
std::uint32_t threads_of(const Instance& instance, const PluginConfig::Limits& limits) {
  return instance.manifest().parallel
             ? static_cast<std::uint32_t>(std::clamp(limits.threads, 1, 256))
             : 1;
}

ChildLimits make_limits(const PluginConfig& config) {
  ChildLimits limits;
  limits.descriptors = 1'024;
  limits.file_bytes = config.limits.scratch_bytes_max;
  if (config.limits.cpu_seconds_max > 0) {
    limits.cpu_seconds = static_cast<std::uint64_t>(config.limits.cpu_seconds_max);
  }
  if (!has_sandbox) return limits;  // sanitizers map terabytes
  limits.data_bytes = config.limits.memory_bytes_max;
  // Also what is shared or only reserved: allocators reserve 64 MiB for each thread.
  limits.address_space_bytes = 2 * config.limits.memory_bytes_max + (8ull << 30);
  return limits;
}

CgroupLimits make_group_limits(const Instance& instance, const PluginConfig::Limits& limits) {
  CgroupLimits group;
  if (has_sandbox) group.memory_bytes = limits.memory_bytes_max;
  // Those that its calls run on, and one that gives the beat.
  group.processes = threads_of(instance, limits) + 1 + static_cast<unsigned>(limits.threads_max);
  if (limits.cpu_percent_max > 0) group.cpu_percent = static_cast<unsigned>(limits.cpu_percent_max);
  return group;
}

wire::Load make_load(Instance& instance, const LibraryCopy& copy) {
  wire::Load load;
  load.library = copy.path.native();
  load.shown = copy.shown.native();
  load.plugin_id = instance.id();
  load.daemon_version = instance.world().version;
  load.threads = threads_of(instance, instance.config()->limits);
  load.minors.resize(wire::AllServices::count);
  for (const ServiceVersion& service : services()) {
    const auto number = wire::interface_number(service.iid);
    if (!number) continue;
    load.minors[*number] = static_cast<char>(service.minor);
    if (instance.names(service.iid)) load.granted |= 1U << *number;
  }
  return load;
}

}  // namespace

void Proxy::load(ChildStarter& starter, std::string program, LibraryCopy copy, SandboxRules rules,
                 Loaded done) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return done(make_why("child_not_started", std::string{"has no socket: "} + std::strerror(errno)));
  }
  link_ = std::make_unique<ChildLink>(instance_.loop(), wire::Descriptor{ends[0]});
  ChildOrder order;
  order.socket = wire::Descriptor{ends[1]};
  // The child's end waits in recvmsg(): blocking belongs to the open file, which each end has for
  // itself.
  if (::fcntl(order.socket.get(), F_SETFL, 0) != 0) {
    return done(make_why("child_not_started", std::string{"has no socket: "} + std::strerror(errno)));
  }
  crash_ = make_crash_file();
  order.crash = wire::Descriptor{::fcntl(crash_.get(), F_DUPFD_CLOEXEC, 0)};
  if (!order.crash) return done(make_why("child_not_started", "has no memory for its crash report"));
  order.arguments = {"cofounderd-plugin-host", instance_.id()};
  order.program = std::move(program);
  order.limits = make_limits(*instance_.config());
  order.plugin = instance_.id();
  order.group = make_group_limits(instance_, instance_.config()->limits);
  link_->on_frame = [this](wire::Incoming& incoming) { on_frame(incoming); };
  link_->on_broken = [this](wire::Broken why) { broken(why); };
  link_->on_closed = [this] {
    // Its end follows, with the reason; one that only closed the socket is of no use.
    if (process_ != nullptr) process_->kill();
  };
  loaded_ = std::move(done);
  starter.start(std::move(order),
                [this, alive = alive_, copy = std::move(copy), rules = std::move(rules)](
                    Result<std::unique_ptr<ChildProcess>> started) mutable {
                  if (*alive) on_started(copy, std::move(rules), std::move(started));
                });
}

void Proxy::on_started(const LibraryCopy& copy, SandboxRules rules,
                       Result<std::unique_ptr<ChildProcess>> started) {
  if (finished_) return;  // the child, if there is one, ends with `started`
  if (started.has_error()) return std::exchange(loaded_, nullptr)(started.error());
  process_ = std::move(*started);
  watch_ = std::make_unique<ChildWatch>(instance_.loop().clock(), process_->pid(),
                                        instance_.config()->limits.idle_cpu_max);
  process_->on_exit([this](const ChildEnd& how) { on_exit(how); });
  wire::Descriptor page = make_pulse(pulse_);
  if (!page) return end(make_why("child_not_started", "has no memory to share with the daemon"));
  wire::Begin begin;
  begin.build = wire::build();
  begin.sandbox = has_sandbox;
  begin.read_execute = std::move(rules.read_execute);
  begin.read_write = std::move(rules.read_write);
  wire::Header header;
  header.kind = wire::Kind::begin;
  link_->send(header, encode(begin), std::move(page));
  header.kind = wire::Kind::load;
  link_->send(header, encode(make_load(instance_, copy)));
  link_->start();
}

}  // namespace cofounder::host
