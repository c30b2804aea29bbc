// SPDX-License-Identifier: Apache-2.0
#include "core/host/instance.hpp"

#include "core/host/border.hpp"
#include "core/host/negotiation.hpp"
#include "core/host/proxy.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace cofounder::host {

namespace {

int threads_of(const Manifest& manifest, const PluginConfig& config) {
  return manifest.parallel ? std::clamp(config.limits.threads, 1, 256) : 1;
}

constexpr std::size_t topics_max = 64;

}  // namespace

Reply Reply::failure(const Error& error) {
  Reply reply;
  reply.status = status_of_error(error);
  reply.error_code = error.code;
  reply.error_message = error.message;
  reply.retryable = error.retryable ? 1 : 0;
  reply.retry_after = error.retry_after;
  return reply;
}

Operation::Operation(Instance& instance, std::shared_ptr<Call> for_call, std::uint64_t reply_tag)
    : tag{reply_tag},
      call{std::move(for_call)},
      after_cancel{call->cancel_reason != 0},
      instance_{instance},
      owed_{tag != 0} {
  if (tag != 0) {
    ++instance_.operations_open_;
    ++call->replies_owed;
  }
}

Operation::~Operation() { instance_.close_operation(*this); }

Instance::Instance(World& world, Manifest manifest, std::shared_ptr<const PluginConfig> config,
                   Isolation isolation)
    : world_{world},
      manifest_{std::move(manifest)},
      config_{std::move(config)},
      own_{std::make_shared<Call>()},
      workers_{"plugin:" + manifest_.id, threads_of(manifest_, *config_), world_.loop} {
  for (const auto* list : {&manifest_.required, &manifest_.optional}) {
    for (const std::string& text : *list) {
      const auto wanted = parse_interface(text);
      const auto minor = wanted ? minor_of_service(wanted->iid()) : std::nullopt;
      if (minor && *minor >= wanted->minor) granted_.insert(wanted->iid());
    }
  }
  border_.struct_size = sizeof border_;
  border_.abi_major = COF_ABI_MAJOR;
  border_.abi_minor = COF_ABI_MINOR;
  border_.context = this;
  border_.query = &Instance::query;
  // Texts of this instance, for the world may end before it.
  border_.version = to_cof(*new std::string{world_.version});
  border_.plugin_id = to_cof(manifest_.id);
  services_ = make_service_state(*this);
  if (isolation == Isolation::process) proxy_ = std::make_unique<Proxy>(*this);
}

Instance::~Instance() = default;

const void* Instance::query(const cof_host* host, cof_str iid) noexcept {
  std::string_view name;
  if (host == nullptr || take_text(iid, name, 128) != COF_OK) return nullptr;
  return of(host).names(name) ? find_service(name) : nullptr;
}

Instance& Instance::of(const cof_host* host) noexcept {
  return *static_cast<Instance*>(host->context);
}

bool Instance::names(std::string_view iid) const noexcept {
  return granted_.find(iid) != granted_.end();
}

std::shared_ptr<const PluginConfig> Instance::config() const {
  const std::lock_guard lock{mutex_};
  return config_;
}

std::shared_ptr<const PluginConfig> Instance::config_for(std::uint64_t call_id) const {
  if (call_id != 0) {
    if (const std::shared_ptr<Call> call = find_call(call_id); call && call->candidate) {
      return call->candidate;
    }
  }
  return config();
}

void Instance::apply_config(std::shared_ptr<const PluginConfig> config) {
  const std::lock_guard lock{mutex_};
  config_ = std::move(config);
}

std::shared_ptr<Call> Instance::find_call(std::uint64_t id) const {
  if (gone()) return nullptr;
  if (id == 0) return own_->over ? nullptr : own_;
  return calls_.find(id);
}

// ---- Operations ----------------------------------------------------------------------------------

std::shared_ptr<Operation> Instance::begin(std::uint64_t call_id, std::uint64_t tag) {
  std::shared_ptr<Call> call = find_call(call_id);
  if (call == nullptr) return nullptr;
  return std::make_shared<Operation>(*this, std::move(call), tag);
}

void Instance::reply(const std::shared_ptr<Operation>& operation, Reply reply) {
  if (reply.last) {
    if (operation->replied_.exchange(true)) return;
    if (operation->attached_) forget_operation(operation);
  }
  if (operation->tag == 0 || gone()) {
    if (reply.delivered && !gone()) post(std::move(reply.delivered));
    if (reply.last) close_operation(*operation);
    return;
  }
  run(operation->call->strand, [this, operation, reply = std::move(reply)]() mutable {
    enter_reply(operation, reply);
  });
}

void Instance::reply_all(const std::shared_ptr<Operation>& operation, std::vector<Reply> replies) {
  if (operation->tag == 0 || gone()) {
    for (Reply& reply : replies) {
      if (reply.delivered && !gone()) post(std::move(reply.delivered));
    }
    return;
  }
  run(operation->call->strand, [this, operation, replies = std::move(replies)]() mutable {
    for (Reply& reply : replies) enter_reply(operation, reply);
  });
}

void Instance::run(Workers::Strand& strand, Workers::Job job, Workers::Order order) {
  if (proxy_ == nullptr) return workers_.post(strand, std::move(job), order);
  // The child keeps the order; here an entry is a frame to be sent.
  if (world_.loop.is_this_thread()) return job();
  to_loop(std::move(job));
}

std::int64_t Instance::inside_since(const Call& call) const noexcept {
  return proxy_ == nullptr ? call.inside_since_ns.load() : proxy_->inside_since(call);
}

void Instance::on_cancel(const std::shared_ptr<Operation>& operation,
                         UniqueFunction<void()> cancel) {
  if (operation->replied_) return;
  Call& call = *operation->call;
  if (call.over || (call.cancel_reason != 0 && !operation->after_cancel)) {
    cancel();
    return;
  }
  operation->cancel_ = std::move(cancel);
  operation->attached_ = true;
  call.attached.emplace(operation.get(), operation);
}

void Instance::forget_operation(const std::shared_ptr<Operation>& operation) {
  if (!world_.loop.is_this_thread()) {
    to_loop([this, operation] { forget_operation(operation); });
    return;
  }
  if (!operation->attached_.exchange(false)) return;
  operation->cancel_ = nullptr;
  operation->call->attached.erase(operation.get());
}

void Instance::cancel_operations(Call& call) {
  cancel_attached(std::make_shared<Attached>(std::exchange(call.attached, {})));
}

// A plugin may have begun a hundred thousand: the loop has other work between.
void Instance::cancel_attached(const std::shared_ptr<Attached>& attached) {
  constexpr int slice = 256;
  for (int done = 0; done < slice && !attached->empty(); ++done) {
    const auto operation = attached->begin()->second;
    attached->erase(attached->begin());
    if (!operation->attached_.exchange(false)) continue;
    UniqueFunction<void()> cancel = std::move(operation->cancel_);
    if (!operation->replied_) cancel();
  }
  if (!attached->empty()) to_loop([this, attached] { cancel_attached(attached); });
}

void Instance::close_operation(Operation& operation) noexcept {
  if (!operation.owed_.exchange(false)) return;
  --operation.call->replies_owed;
  if (--operations_open_ == 0 && own_->over) {
    to_loop([this] {
      if (operations_open_ == 0 && on_no_operations) on_no_operations();
    });
  }
}

// ---- The end of calls ----------------------------------------------------------------------------

std::int32_t Instance::complete(std::uint64_t call_id, CallEnd end) {
  const std::shared_ptr<Call> call = call_id == 0 ? nullptr : find_call(call_id);
  if (call == nullptr) {
    ++counters_.late_completions;
    return COF_EGONE;
  }
  check_result(*call, end);
  return end_call(call, std::move(end)) ? COF_OK : COF_EGONE;
}

bool Instance::end_call(const std::shared_ptr<Call>& call, CallEnd end) {
  if (!calls_.end(*call)) {
    ++counters_.late_completions;
    return false;
  }
  to_loop([this, call, end = std::move(end)]() mutable { finish(call, std::move(end)); });
  return true;
}

void Instance::finish(const std::shared_ptr<Call>& call, CallEnd end) {
  if (call->timer != 0) loop().clock().cancel(std::exchange(call->timer, 0));
  cancel_operations(*call);
  call_over(*this, *call);
  if (inside_since(*call) != 0 || call->replies_owed != 0) {
    std::erase_if(lingering_, [this](const auto& one) {
      return inside_since(*one) == 0 && one->replies_owed == 0;
    });
    lingering_.push_back(call);
  }
  if (on_over) on_over(*call, end);
  UniqueFunction<void(CallEnd)> done = std::move(call->done);
  if (done) done(std::move(end));
}

bool Instance::unwatched_since_before(std::int64_t mono_ns) {
  const auto hangs = [&](const std::shared_ptr<Call>& call) {
    const std::int64_t since = inside_since(*call);
    return since != 0 && since < mono_ns;
  };
  return hangs(own_) || std::any_of(lingering_.begin(), lingering_.end(), hangs);
}

void Instance::end_own_call() {
  if (own_->over.exchange(true)) return;
  own_->cancel_reason = COF_CANCEL_STOPPING;
  cancel_operations(*own_);
  call_over(*this, *own_);
}

// ---- Posting, topics -----------------------------------------------------------------------------

void Instance::post(UniqueFunction<void()> action) { to_loop(std::move(action)); }

void Instance::detach() noexcept {
  detached_ = true;
  while (posting_ != 0) std::this_thread::yield();
}

bool Instance::subscribe(std::string_view topic) {
  const std::lock_guard lock{mutex_};
  if (topics_.find(topic) != topics_.end()) return true;
  if (topics_.size() >= topics_max) return false;
  topics_.emplace(topic);
  return true;
}

void Instance::unsubscribe(std::string_view topic) {
  const std::lock_guard lock{mutex_};
  if (const auto it = topics_.find(topic); it != topics_.end()) topics_.erase(it);
}

bool Instance::subscribes(std::string_view topic) const {
  const std::lock_guard lock{mutex_};
  return std::any_of(topics_.begin(), topics_.end(), [&](const std::string& wanted) {
    if (wanted.size() >= 2 && wanted.ends_with(".*")) {
      return topic.starts_with(std::string_view{wanted}.substr(0, wanted.size() - 1));
    }
    return wanted == topic;
  });
}

}  // namespace cofounder::host
