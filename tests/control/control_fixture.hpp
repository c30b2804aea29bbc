// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/control/control.hpp"
#include "core/host/files.hpp"
#include "core/store/stores.hpp"
#include "tests/control/fake_plugin_host.hpp"
#include "tests/http/server_fixture.hpp"

#include <pwd.h>
#include <unistd.h>

namespace cofounder::test {

// The whole control over a real socket: real scheduler and memory store, plugins that the test
// plays.
class ControlTest : public ServerTest {
 protected:
  ControlTest() {
    config_.paths.state = folder_ / "state";
    config_.paths.scratch = folder_ / "scratch";
    config_.control.access = {{Access::admin, {::getpwuid(::getuid())->pw_name}}};
    config_.control.tasks_per_request_max = 10;
    config_.files.upload_bytes_max = 1u << 20;
    config_.scheduler.queues["narrow"] = 1;
  }
  ~ControlTest() override { end_server(); }

  void start() {
    HostPorts ports{
        stores_.tasks, stores_.values, stores_.usage, client_, {}, {}, {}, {}, {}, {}, {}};
    plugins_ = std::make_unique<PluginHost>(loop_, config_, std::move(ports), "1.0");
    FakePlugins& fake = fake_plugins();
    auto& hello = fake.add("hello");
    fake.add_operation(hello, "greet",
                       R"({"type":"object","required":["name"],"additionalProperties":false,
                           "properties":{"name":{"type":"string"},
                                         "tags":{"type":"array","items":{"type":"string"}},
                                         "loud":{"type":"boolean","default":false}}})");
    for (const char* name : {"hold", "fail", "flaky"}) fake.add_operation(hello, name, "{}");
    fake.add_operation(fake.add("cloudinary"), "upload", "{}");
    std::filesystem::create_directories(config_.paths.state);
    ASSERT_EQ(plugins_->files().open(), std::nullopt);
    Scheduler::Options options;
    options.queue_max = config_.scheduler.queues;
    options.retry.first = Milliseconds{60'000};
    options.retry.jitter = 0;
    scheduler_ = std::make_unique<Scheduler>(stores_.tasks, *plugins_, loop_.clock(), options);
    schedules_ = std::make_unique<ScheduleEngine>(stores_.schedules, loop_.clock(),
                                                  [this](const Schedule& schedule) {
                                                    NewTask task;
                                                    task.op = schedule.op;
                                                    task.args = schedule.args;
                                                    task.schedule = schedule.name;
                                                    return control_->complete_task(std::move(task));
                                                  });
    control_ = std::make_unique<Control>(ControlPorts{
        loop_, *scheduler_, stores_.tasks, *schedules_, *plugins_, config_, "1.0", "here",
        [this](UniqueFunction<void(std::optional<Error>)> done) { done(reload_error_); },
        [] { return std::string{"memory"}; }, [this] { return store_problem_; }});
    scheduler_->start([](auto) {});
    schedules_->start([](auto) {});
    serve(control_->local_handler());
    on_loop([] {});
  }

  RawResponse ask(std::string_view method, std::string_view target, std::string_view body = {}) {
    if (!peer_) peer_.emplace(path_);
    return peer_->request(method, target, body);
  }
  static json::Document parsed(const RawResponse& response) {
    auto document = json::parse(response.body);
    if (!document) throw std::runtime_error{"no JSON: " + response.body};
    return std::move(*document);
  }
  static std::string member(const RawResponse& response, std::string_view pointer) {
    const auto document = parsed(response);
    const auto view = document.root().at_pointer(pointer);
    if (!view) return "absent";
    return std::string{view.as_string().value_or(view.text())};
  }
  static std::string code(const RawResponse& response) { return member(response, "/error/code"); }

  Config config_;
  http::Client client_{loop_, {}};
  Stores stores_ = make_memory_store(loop_, loop_.clock(), "here");
  std::unique_ptr<PluginHost> plugins_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<ScheduleEngine> schedules_;
  std::unique_ptr<Control> control_;
  std::optional<Error> store_problem_;
  std::optional<Error> reload_error_;
  std::optional<HttpPeer> peer_;
};

}  // namespace cofounder::test
