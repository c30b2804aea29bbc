// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "endpoint.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cofounder::sdk::inline v1 {

namespace detail {
struct Slots;
}

// What a plugin derives from.  Its constructor says what it can do:
//
//   class Hello : public sdk::Plugin {
//    public:
//     Hello() { operation("greet", &Hello::greet); }
//     Json greet(const Json& args);
//   };
//
// The constructor does no I/O; one that wants the host takes an sdk::Host.  In a serial plugin
// nothing here overlaps, so that members need no locks; see abi.h for parallel ones.
//
// How a call fails: return a Failure (from a Result), or throw Failed; any other exception is a bug
// of the plugin and ends the call with status COF_EINTERNAL and code "exception".
class Plugin {
 public:
  Plugin() = default;
  explicit Plugin(Host host) noexcept : host_{host} {}
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  virtual ~Plugin() = default;

  // ---- Hooks, in the order in which they come; all optional

  // Says whether `config` would do, by throwing Failed when not; changes nothing.
  virtual void check(Context, const Json& config) { (void)config; }
  // Uses it.  Comes again at every reload.
  virtual void apply(Context, const Json& config) { (void)config; }
  virtual Task<void> start(Context) { co_return; }
  // Whether the plugin could work now: throws Failed when not.
  virtual Task<void> probe(Context) { co_return; }
  // No new work comes.  Ends when the plugin's own work is done.
  virtual Task<void> drain(Context) { co_return; }
  virtual Task<void> stop(Context) { co_return; }

 protected:
  // An operation of the manifest.  `method` takes (Context, Json), either or none of them, and
  // gives Json or Result<Json>, or as a coroutine Task<Json> or Task<Result<Json>>.
  template <class Method>
  void operation(std::string name, Method method) {
    operations_.push_back(detail::make_endpoint<Json>(std::move(name), self<Method>(), method));
  }

  // A route of the manifest, by its id.  `method` takes (Context, RouteRequest) and gives
  // RouteResponse, alone, in a Result or in a Task.
  template <class Method>
  void route(std::string id, Method method) {
    routes_.push_back(detail::make_endpoint<RouteRequest>(std::move(id), self<Method>(), method));
  }

  // Events of `topic` ("task.succeeded", or a prefix "task.*"), subscribed to before start();
  // Context::name() is the topic.  `method` takes (Context, Json) and gives nothing or Task<void>.
  template <class Method>
  void on_event(std::string topic, Method method) {
    events_.push_back(detail::make_endpoint<Json>(std::move(topic), self<Method>(), method));
  }

  // Valid in every hook and call; in the constructor only when it was given to Plugin's own.
  Host host() const noexcept { return host_; }

  // The plugin itself as a context: what is started for it belongs to no call and lives until the
  // plugin stops.  For spawn().
  Context background() const noexcept { return Context{*background_}; }

  // Runs `task` beside all calls, soon and on a worker.  It ends when what it waits for is
  // cancelled at stop; a failure is logged.
  void spawn(Task<void> task) const;

 private:
  friend struct detail::Slots;

  template <class Method>
  auto* self() noexcept {
    return static_cast<typename detail::Signature<Method>::Class*>(this);
  }

  Host host_;
  const detail::Call* background_ = nullptr;
  std::vector<detail::Endpoint<Json>> operations_;
  std::vector<detail::Endpoint<RouteRequest>> routes_;
  std::vector<detail::Endpoint<Json>> events_;
};

namespace detail {

// The first reply of a spawned task starts it, so that all of it runs in replies that belong to no
// call: those never overlap, not even in a parallel plugin.
inline Detached spawn(Host host, Task<void> task, Future<void> turn) {
  try {
    auto came = co_await turn;
    if (!came) co_return;
    Task<void> running = std::move(task);
    co_await running;
  } catch (const std::exception& error) {
    host.log(LogLevel::error, std::string{"background work failed: "} + error.what());
  } catch (...) {
    host.log(LogLevel::error, "background work failed");
  }
}

}  // namespace detail

inline void Plugin::spawn(Task<void> task) const {
  Future<void> turn = background().sleep(Nanoseconds{0});
  detail::spawn(host_, std::move(task), std::move(turn));
}

}  // namespace cofounder::sdk::inline v1
