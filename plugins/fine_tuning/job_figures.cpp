// SPDX-License-Identifier: Apache-2.0
#include <iterator>

#include "settings.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;

JobFigures::JobFigures(sdk::Host host)
    : gauge_{host.gauge("finetune_jobs", "Trainings that are kept, by provider and what became of them.",
                        "provider,status")} {}

void JobFigures::note(const sdk::Json& job, sdk::WallTime now) {
  const std::int64_t now_ms = now.time_since_epoch().count();
  const Kind kind{job.at("provider").get<std::string>(), job.at("status").get<std::string>()};
  kinds_.insert(kind);
  jobs_[job.at("task").get<std::string>()] = {kind, job.value("kept_until_ms", now_ms)};
  forget_old(now_ms);
}

void JobFigures::forget_old(std::int64_t now_ms) {
  std::map<Kind, int> counts;
  for (const Kind& kind : kinds_) counts[kind] = 0;  // of which none is left, too
  for (auto one = jobs_.begin(); one != jobs_.end();) {
    const bool is_over = one->second.until_ms < now_ms;
    counts[one->second.kind] += is_over ? 0 : 1;
    one = is_over ? jobs_.erase(one) : std::next(one);
  }
  for (const auto& [kind, count] : counts) gauge_.set(count, kind.first, kind.second);
}

}  // namespace fine_tuning
