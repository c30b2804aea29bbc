// SPDX-License-Identifier: Apache-2.0
// metrics: what the daemon and its plugins did, for Prometheus and for people.
#include <cofounder/plugin.hpp>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "exposition.hpp"
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
    operation("summary", &Metrics::summary);
    operation("costs", &Metrics::costs);
  }

 private:
  sdk::Result<sdk::RouteResponse> metrics(sdk::RouteRequest request) {
    const auto snapshot = host().metrics_snapshot();
    if (!snapshot) return snapshot.failure();
    const auto format = metrics::choose_format(request.header("accept"));
    return sdk::RouteResponse{metrics::expose(*snapshot, format),
                              std::string{metrics::content_type(format)}};
  }

  // Always answers: what is unknown is null in it.
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
    if (!usage) co_return usage.failure();
    co_return metrics::list_costs(*usage, period, by);
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
};

}  // namespace

COF_EXPORT_PLUGIN(Metrics, R"json({
  "id": "metrics", "version": "1.0.0", "abi": "1.0",
  "summary": "Figures of the daemon for Prometheus and for people.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0", "cof.metric/1.0", "cof.stats/1.0",
                              "cof.usage/1.0", "cof.timer/1.0", "cof.route/1.0", "cof.log/1.0"]},
  "permissions": {"metrics": true, "stats": true},
  "config": {"type": "object", "additionalProperties": false},
  "routes": [
    {"id": "metrics", "method": "GET", "path": "/metrics", "access": "public",
     "summary": "All figures, as OpenMetrics or Prometheus text by Accept."},
    {"id": "summary", "method": "GET", "path": "/v1/metrics/summary", "access": "read",
     "summary": "Tasks and costs; an unknown figure is null and named in `unavailable`."},
    {"id": "costs", "method": "GET", "path": "/v1/metrics/costs", "access": "read",
     "summary": "What providers cost, by model, provider, op or day."}
  ],
  "operations": [
    {"name": "summary", "summary": "As GET /v1/metrics/summary.",
     "args": {"type": "object", "additionalProperties": false,
              "properties": {"period": {"type": "string"}, "by": {"type": "string"}}}},
    {"name": "costs", "summary": "As GET /v1/metrics/costs.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "period": {"enum": ["today", "week", "month", "all"], "default": "month"},
       "by": {"enum": ["model", "provider", "op", "day"], "default": "model"}}}}
  ]
})json");
