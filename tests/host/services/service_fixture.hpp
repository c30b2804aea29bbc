// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/ids.hpp"
#include "core/host/instance.hpp"
#include "core/host/metric_registry.hpp"
#include "core/host/services/services.hpp"
#include "core/host/services/state.hpp"
#include "core/process/program.hpp"
#include "core/store/stores.hpp"
#include "tests/support/fake_clock.hpp"

#include <cofounder/plugin.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cofounder::host::test {

inline cof_str text(std::string_view value) { return {value.data(), value.size()}; }
inline cof_bytes bytes(std::string_view value) { return {value.data(), value.size()}; }
inline const cof_str broken_text{"\xff", 1};
inline const cof_str null_text{nullptr, 1};
constexpr std::uint64_t no_call = 999'999'999;  // never a call

// A plugin's sink.
struct Sink {
  std::string written;
  std::int32_t answer = COF_OK;
  static std::int32_t write(void* context, const void* data, std::uint64_t size) {
    auto& sink = *static_cast<Sink*>(context);
    sink.written.append(static_cast<const char*>(data), size);
    return sink.answer;
  }
  cof_sink sink{this, write};
  operator const cof_sink*() const { return &sink; }
};

// A reply as the plugin got it.
struct Got {
  std::int32_t status;
  std::uint64_t tag;
  std::uint64_t call_id;
  bool last;
  std::int32_t kind;
  std::int64_t value;
  std::int64_t value2;
  std::string body;
  std::string name;
  std::string id;
  std::string code;
  std::string message;
  bool retryable;
  std::int64_t retry_after_ms;
};

// A plugin in this process: writes down its replies.  While it is `held`, reply() does not return.
struct Plugin {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Got> replies;
  bool held = false;

  static void reply(void* self, const cof_reply* r) {
    const auto copy = [](auto part) {
      return std::string{static_cast<const char*>(part.data), part.size};
    };
    auto& plugin = *static_cast<Plugin*>(self);
    std::unique_lock lock{plugin.mutex};
    plugin.replies.push_back({r->status, r->tag, r->call_id, (r->flags & COF_REPLY_LAST) != 0,
                              r->kind, r->value, r->value2, copy(r->body), copy(r->name),
                              copy(r->id), copy(r->error_code), copy(r->error_message),
                              r->retryable == 1, r->retry_after_ms});
    plugin.changed.wait(lock, [&] { return !plugin.held; });
  }
  void hold(bool hold) {
    {
      const std::lock_guard lock{mutex};
      held = hold;
    }
    changed.notify_all();
  }
};

// The host around one loaded plugin: real loop, workers, files and metrics; a clock that stands
// still; the memory store.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    std::string pattern = testing::TempDir() + "cofounderd_services_XXXXXX";
    top = ::mkdtemp(pattern.data());
    for (const char* name : {"in", "out"}) std::filesystem::create_directories(top / name);
    config.paths.state = top / "state";
    config.paths.scratch = top / "scratch";
    config.files.read = {top / "in"};
    config.files.write = {top / "out"};
    manifest.id = "x";
    manifest.version = "1.0.0";
    plugin_config.settings = "{}";
  }

  // After the test has set manifest and configuration.
  void load() {
    files = std::make_unique<Files>(config);
    ASSERT_FALSE(files->open());
    stores.tasks.open({[](auto) {}, [](auto) {}, [](bool, Error) {}, {}, {}}, [](auto) {});
    world = std::make_unique<Instance::World>(Instance::World{.loop = loop,
                                                              .ports = ports,
                                                              .files = *files,
                                                              .metrics = metrics,
                                                              .version = "1.0.0",
                                                              .public_url = {},
                                                              .clock = &clock,
                                                              .programs = &programs});
    instance = new Instance{*world, manifest, std::make_shared<PluginConfig>(plugin_config)};
    kept().push_back(instance);  // as in the daemon: it is never freed
    cof_plugin api{};
    api.struct_size = sizeof api;
    api.reply = Plugin::reply;
    instance->adopt(api);
    instance->self = &plugin;
    host = instance->border();
    loop.poll();
  }

  void TearDown() override {
    if (instance != nullptr) {
      plugin.hold(false);
      instance->end_own_call();
      for (const auto& call : instance->calls().all()) instance->end_call(call, {});
      wait_for([&] { return instance->operations_open() == 0; });
      instance->set_gone();
      instance->workers().close();
      loop.poll();
      instance->detach();
    }
    client.close();
    loop.poll();
    files.reset();
    std::filesystem::remove_all(top);
  }

  template <class Table>
  static const Table* table(std::string_view iid) {
    return static_cast<const Table*>(find_service(iid));
  }

  // Runs the loop until it is so; fails after 20 s.
  template <class Condition>
  void wait_for(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    for (;;) {
      loop.poll();
      if (condition()) return;
      if (std::chrono::steady_clock::now() > until) {
        FAIL() << "it did not happen";
      }
      std::this_thread::yield();
    }
  }

  std::vector<Got> replies(std::uint64_t tag) {
    const std::lock_guard lock{plugin.mutex};
    std::vector<Got> found;
    std::copy_if(plugin.replies.begin(), plugin.replies.end(), std::back_inserter(found),
                 [&](const Got& got) { return got.tag == tag; });
    return found;
  }
  // The last reply of a tag, waited for.
  Got last(std::uint64_t tag) {
    wait_for([&] {
      const auto all = replies(tag);
      return !all.empty() && all.back().last;
    });
    const auto all = replies(tag);
    return all.empty() ? Got{} : all.back();
  }

  std::shared_ptr<Call> add_call(std::int32_t kind, std::string args = "{}", TaskId task = 77,
                                 int attempt = 1) {
    auto call = std::make_shared<Call>();
    call->kind = kind;
    call->args = std::move(args);
    if (kind == COF_CALL_OPERATION) {
      call->attempt = {task, attempt};
      call->task_id = to_string(task);
      call->attempt_number = attempt;
    }
    if (kind == COF_CALL_ROUTE) call->route = std::make_unique<RouteSide>();
    call->stage = Call::entered;
    instance->calls().add(call);
    return call;
  }
  void cancel(Call& call, std::int32_t reason = COF_CANCEL_REQUESTED) {
    call.cancel_reason = reason;
    instance->cancel_operations(call);
  }
  void end(const std::shared_ptr<Call>& call) {
    bool over = false;
    call->done = [&over](CallEnd) { over = true; };
    instance->end_call(call, {});
    wait_for([&] { return over; });
  }
  void advance(Nanoseconds by) {
    clock.advance(by, [this] { loop.poll(); });
  }

  double metric(std::string_view name, std::string_view label, std::string_view value) const {
    const auto document = json::parse(metrics.snapshot()).value();
    const auto families = document.root().find("families");
    for (std::size_t i = 0; i < families.size(); ++i) {
      if (families.at(i).string_or("name", "") != name) continue;
      const auto samples = families.at(i).find("samples");
      for (std::size_t j = 0; j < samples.size(); ++j) {
        if (samples.at(j).find("labels").string_or(label, "") == value) {
          return samples.at(j).find("value").as_number().value_or(-1);
        }
      }
    }
    return 0;
  }

  std::filesystem::path top;
  Config config;
  PluginConfig plugin_config;
  Manifest manifest;
  Loop loop;
  cofounder::test::FakeClock clock;
  Stores stores = make_memory_store(loop, clock);
  http::Client client{loop, {}};
  Programs programs{loop, clock, find_helper("cofounderd-reaper")};
  MetricRegistry metrics;

  // What reached the rest of the core.
  std::vector<NewTask> submitted;
  Result<Submitted> submit_answer{Submitted{.id = 5, .is_new = true, .submitted_at = {}}};
  std::vector<TaskId> cancelled;
  struct Progress {
    AttemptKey key;
    double fraction;
    std::string text;
  };
  std::vector<Progress> progress;
  std::vector<std::string> output;
  std::vector<std::pair<std::string, std::string>> events;

  HostPorts ports{
      .tasks = stores.tasks,
      .values = stores.values,
      .usage = stores.usage,
      .http = client,
      .submit =
          [this](NewTask task, TaskStore::Done<Submitted> done) {
            submitted.push_back(std::move(task));
            done(submit_answer);
          },
      .cancel =
          [this](TaskId task, TaskStore::Done<CancelResult> done) {
            cancelled.push_back(task);
            done(CancelResult::cancelled);
          },
      .progress =
          [this](AttemptKey key, double fraction, std::string message) {
            progress.push_back({key, fraction, std::move(message)});
          },
      .output = [this](AttemptKey, std::string json) { output.push_back(std::move(json)); },
      .publish =
          [this](std::string topic, std::string json) {
            events.emplace_back(std::move(topic), std::move(json));
          },
      .capacity_changed = [] {},
      .core_metrics =
          [this](json::Writer& out) {
            out.begin_object().member("name", "core").member("asked", ++core_asked).end_object();
          }};
  int core_asked = 0;

  std::unique_ptr<Files> files;
  std::unique_ptr<Instance::World> world;
  Plugin plugin;
  Instance* instance = nullptr;
  const cof_host* host = nullptr;

 private:
  static std::vector<Instance*>& kept() {
    static auto& all = *new std::vector<Instance*>;  // for leak checkers
    return all;
  }
};

}  // namespace cofounder::host::test
