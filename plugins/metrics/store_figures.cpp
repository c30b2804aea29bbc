// SPDX-License-Identifier: Apache-2.0
#include "store_figures.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "figures.hpp"

namespace metrics {
namespace sdk = cofounder::sdk;
namespace {

constexpr std::chrono::seconds fresh_for{1};
constexpr std::chrono::seconds patience{2};  // well below Prometheus's scrape_timeout of 10 s
constexpr std::array states = {"scheduled", "ready",     "running",  "succeeded",
                               "failed",    "cancelled", "timed_out"};
constexpr std::array windows = {"day", "month"};

const char* name_of(bool is_tasks) { return is_tasks ? "tasks" : "costs"; }

double seconds(sdk::Nanoseconds duration) { return static_cast<double>(duration.count()) / 1e9; }

}  // namespace

void StoreFigures::register_families(sdk::Host host) {
  if (std::exchange(registered_, true)) return;
  tasks_ = host.gauge("store_tasks", "Tasks in the store, by state.", "status");
  spend_ = host.gauge("spend_usd", "Spent in this window of the calendar, calls without a known "
                                   "price left out (see llm_unpriced).", "window");
  budget_gauge_ = host.gauge("budget_usd", "What may be spent in this window.", "window");
  errors_ = host.counter("metrics_refresh_errors",
                         "Times that figures could not be had from the store.", "phase");
  refreshed_ = host.gauge("metrics_last_refresh_timestamp_seconds",
                          "When these figures came from the store, Unix time; absent when they did not.",
                          "phase", "seconds");
  queries_ = host.histogram("db_query_duration_seconds", "How long the store took for figures.",
                            {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5}, "phase", "seconds");
  // From 0 on, so that the first error is an increase.
  for (const bool is_tasks : {true, false}) errors_.add(0, name_of(is_tasks));
}

void StoreFigures::apply(sdk::Host host, const Budget& budget) {
  register_families(host);
  for (const std::string& window : windows_) budget_gauge_.forget(window);
  windows_.clear();
  for (const auto& [window, micros] : budget) {
    windows_.insert(window);
    budget_gauge_.set(static_cast<double>(micros) / 1e6, window);
  }
}

bool StoreFigures::begin(sdk::Nanoseconds now) {
  if (running_ || now - last_ < fresh_for) return false;
  last_ = now;
  running_ = true;
  is_late_ = false;
  missing_ = {Phase::tasks, Phase::costs};
  return true;
}

sdk::Task<void> StoreFigures::refresh(sdk::Context ctx) {
  auto began = ctx.host().now();
  const bool has_tasks = co_await refresh_tasks(ctx);
  ended(Phase::tasks, has_tasks, ctx.host(), began);
  began = ctx.host().now();
  const bool has_costs = co_await refresh_costs(ctx);
  ended(Phase::costs, has_costs, ctx.host(), began);
  running_ = false;
  for (const std::uint64_t timer : std::exchange(waiting_, {})) ctx.host().wake(timer);
}

sdk::Task<bool> StoreFigures::refresh_tasks(sdk::Context ctx) {
  const auto stats = co_await ctx.stats();
  if (!stats || !stats->contains("tasks")) co_return false;
  for (const char* state : states) {
    tasks_.set(stats->at("tasks").value(state, 0.0), state);
  }
  co_return true;
}

sdk::Task<bool> StoreFigures::refresh_costs(sdk::Context ctx) {
  std::vector<std::pair<std::string, double>> spent;
  for (const char* name : windows) {
    const auto window = window_at(name, ctx.host().wall());
    const auto usage = co_await ctx.usage_sum("provider", window->from, window->to);
    if (!usage) co_return false;
    spent.emplace_back(name, static_cast<double>(total_of(*usage).micros) / 1e6);
  }
  for (const auto& [name, dollars] : spent) spend_.set(dollars, name);
  co_return true;
}

void StoreFigures::ended(Phase phase, bool good, sdk::Host host, sdk::Nanoseconds began) {
  std::erase(missing_, phase);
  const char* name = name_of(phase == Phase::tasks);
  queries_.observe(seconds(host.now() - began), name);
  if (!good) {
    fail(phase);
    return;
  }
  refreshed_.set(static_cast<double>(host.wall().time_since_epoch().count()) / 1000, name);
}

void StoreFigures::fail(Phase phase) {
  const char* name = name_of(phase == Phase::tasks);
  errors_.add(1, name);
  refreshed_.forget(name);
  if (phase == Phase::tasks) {
    for (const char* state : states) tasks_.forget(state);
  } else {
    for (const char* window : windows) spend_.forget(window);
  }
}

sdk::Task<void> StoreFigures::wait(sdk::Context ctx) {
  if (!running_) co_return;
  if (!is_late_) {
    std::uint64_t timer = 0;
    auto nap = ctx.sleep(patience, timer);
    waiting_.insert(timer);
    auto slept = co_await nap;
    (void)slept;  // what ended it does not matter: running_ tells
    waiting_.erase(timer);
    if (!running_ || ctx.cancelled()) co_return;
  }
  // The next scrapes need not wait for it again.
  is_late_ = true;
  for (const Phase phase : missing_) fail(phase);
}

}  // namespace metrics
