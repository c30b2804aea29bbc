// SPDX-License-Identifier: Apache-2.0
// metrics: what the daemon and its plugins did, for Prometheus and for people.
#include <cofounder/plugin.hpp>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "budget.hpp"
#include "exposition.hpp"
#include "store_figures.hpp"
#include "summary.hpp"

namespace sdk = cofounder::sdk;

namespace {

constexpr std::string_view keys[] = {"model", "provider", "op", "day"};

sdk::RouteResponse json_response(std::string text) {
  return {std::move(text), "application/json"};
}

class Metrics : public sdk::Plugin {
 public:
  Metrics() {
    route("metrics", &Metrics::metrics);
    route("summary", &Metrics::summary_route);
    route("costs", &Metrics::costs_route);
    route("budget", &Metrics::budget_route);
    operation("summary", &Metrics::summary);
    operation("costs", &Metrics::costs);
    operation("budget", &Metrics::budget);
  }

  void check(sdk::Context, const sdk::Json& config) override {
    metrics::read_budget(config);
    metrics::check_prices(config);
  }
  void apply(sdk::Context, const sdk::Json& config) override {
    budget_ = metrics::read_budget(config);
    figures_.apply(host(), budget_);
  }

 private:
  sdk::Task<sdk::Result<sdk::RouteResponse>> metrics(sdk::Context ctx, sdk::RouteRequest request) {
    if (figures_.begin(host().now())) spawn(refresh(background()));
    co_await figures_.wait(ctx);
    co_return expose(request);
  }

  sdk::Task<void> refresh(sdk::Context ctx) { return figures_.refresh(ctx); }

  sdk::Result<sdk::RouteResponse> expose(const sdk::RouteRequest& request) {
    const auto snapshot = host().metrics_snapshot();
    if (!snapshot) return snapshot.failure();
    const auto format = metrics::choose_format(request.header("accept"));
    return sdk::RouteResponse{metrics::expose(*snapshot, format),
                              std::string{metrics::content_type(format)}};
  }

  // All of these always answer: what is unknown is null in it.
  static sdk::Task<std::string> summarize(sdk::Context ctx) {
    const auto stats = co_await ctx.stats();
    const auto now = ctx.host().wall();
    const auto usage = co_await ctx.usage_sum("provider", sdk::WallTime{}, now);
    co_return metrics::summarize(stats, usage);
  }

  static sdk::Task<sdk::Result<std::string>> sum_costs(sdk::Context ctx, std::string period,
                                                       std::string by) {
    const auto now = ctx.host().wall();
    const auto from = metrics::period_start(period, now);
    if (!from) {
      co_return sdk::Failure(COF_EINVALID, "invalid_period",
                             "period must be one of today, week, month, all");
    }
    if (std::find(std::begin(keys), std::end(keys), by) == std::end(keys)) {
      co_return sdk::Failure(COF_EINVALID, "invalid_by",
                             "by must be one of model, provider, op, day");
    }
    const auto usage = co_await ctx.usage_sum(by, *from, now);
    co_return metrics::list_costs(usage, period, by);
  }

  static sdk::Task<sdk::Result<std::string>> sum_budget(sdk::Context ctx, std::string name,
                                                        metrics::Budget budget) {
    const auto now = ctx.host().wall();
    const auto window = metrics::window_at(name, now);
    if (!window) {
      co_return sdk::Failure(COF_EINVALID, "invalid_window", "window must be one of day, month");
    }
    const auto usage = co_await ctx.usage_sum("provider", window->from, window->to);
    co_return metrics::show_budget(*window, now, budget, usage);
  }

  sdk::Task<sdk::RouteResponse> summary_route(sdk::Context ctx, sdk::RouteRequest) {
    std::string text = co_await summarize(ctx);
    co_return json_response(std::move(text));
  }

  sdk::Task<sdk::Result<sdk::RouteResponse>> costs_route(sdk::Context ctx,
                                                         sdk::RouteRequest request) {
    std::string period = request.param("period").value_or("month");
    std::string by = request.param("by").value_or("model");
    auto text = co_await sum_costs(ctx, std::move(period), std::move(by));
    if (!text) co_return text.failure();
    co_return json_response(std::move(*text));
  }

  sdk::Task<sdk::Result<sdk::RouteResponse>> budget_route(sdk::Context ctx,
                                                          sdk::RouteRequest request) {
    std::string window = request.param("window").value_or("month");
    auto text = co_await sum_budget(ctx, std::move(window), budget_);
    if (!text) co_return text.failure();
    co_return json_response(std::move(*text));
  }

  sdk::Task<sdk::Json> summary(sdk::Context ctx) {
    const std::string text = co_await summarize(ctx);
    co_return sdk::Json::parse(text);
  }

  sdk::Task<sdk::Result<sdk::Json>> costs(sdk::Context ctx, sdk::Json args) {
    std::string period = args.value("period", "month");
    std::string by = args.value("by", "model");
    const auto text = co_await sum_costs(ctx, std::move(period), std::move(by));
    if (!text) co_return text.failure();
    co_return sdk::Json::parse(*text);
  }

  sdk::Task<sdk::Result<sdk::Json>> budget(sdk::Context ctx, sdk::Json args) {
    std::string window = args.value("window", "month");
    const auto text = co_await sum_budget(ctx, std::move(window), budget_);
    if (!text) co_return text.failure();
    co_return sdk::Json::parse(*text);
  }

  metrics::Budget budget_;
  metrics::StoreFigures figures_;
};

}  // namespace

COF_EXPORT_PLUGIN(Metrics, R"json({
  "id": "metrics", "version": "1.0.0", "abi": "1.0",
  "summary": "Figures of the daemon for Prometheus and for people.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0", "cof.metric/1.0", "cof.stats/1.0",
                              "cof.usage/1.0", "cof.timer/1.0", "cof.route/1.0", "cof.log/1.0"]},
  "permissions": {"metrics": true, "stats": true},
  "config": {"type": "object", "additionalProperties": false, "properties": {
    "budget": {"type": "object", "additionalProperties": false, "properties": {
      "day": {"type": "number", "minimum": 0}, "month": {"type": "number", "minimum": 0}}},
    "prices": {"type": "array", "maxItems": 1000, "items": {
      "type": "object", "additionalProperties": false,
      "required": ["provider", "model", "input_usd_per_million", "output_usd_per_million"],
      "properties": {
        "provider": {"type": "string", "minLength": 1},
        "model": {"type": "string", "minLength": 1, "description": "* is any model"},
        "from": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "input_usd_per_million": {"type": "number", "minimum": 0},
        "output_usd_per_million": {"type": "number", "minimum": 0},
        "cached_usd_per_million": {"type": "number", "minimum": 0}}}}}},
  "routes": [
    {"id": "metrics", "method": "GET", "path": "/metrics", "access": "public",
     "summary": "All figures, as OpenMetrics or Prometheus text by Accept."},
    {"id": "summary", "method": "GET", "path": "/v1/metrics/summary", "access": "read",
     "summary": "Tasks and costs; an unknown figure is null and named in `unavailable`."},
    {"id": "costs", "method": "GET", "path": "/v1/metrics/costs", "access": "read",
     "summary": "What providers cost, by model, provider, op or day; null where it is not known."},
    {"id": "budget", "method": "GET", "path": "/v1/metrics/budget", "access": "read",
     "summary": "What is spent of the budget of this day or month (window=day|month)."}
  ],
  "operations": [
    {"name": "summary", "summary": "As GET /v1/metrics/summary.",
     "args": {"type": "object", "additionalProperties": false,
              "properties": {"period": {"type": "string"}, "by": {"type": "string"}}}},
    {"name": "costs", "summary": "As GET /v1/metrics/costs.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "period": {"enum": ["today", "week", "month", "all"], "default": "month"},
       "by": {"enum": ["model", "provider", "op", "day"], "default": "model"}}}},
    {"name": "budget", "summary": "As GET /v1/metrics/budget.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "window": {"enum": ["day", "month"], "default": "month"}}}}
  ]
})json");
