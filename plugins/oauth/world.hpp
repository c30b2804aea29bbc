// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "provider.hpp"
#include "settings.hpp"

namespace oauth {

// So many per second over all clients, and ten seconds' worth at once: each login that is begun costs
// a row in the store.
class Bucket {
 public:
  bool take(cofounder::sdk::Nanoseconds now, double per_second) {
    const double most = std::max(1.0, per_second * 10);
    const double since = static_cast<double>((now - at_).count()) / 1e9;
    tokens_ = first_ ? most : std::min(most, tokens_ + since * per_second);
    first_ = false;
    at_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  bool first_ = true;
  double tokens_ = 0;
  cofounder::sdk::Nanoseconds at_{0};
};

// What one configuration made; calls that began under it end under it.
struct World {
  Settings settings;
  std::map<std::string, std::shared_ptr<Provider>, std::less<>> providers;
  mutable Bucket logins;
  cofounder::sdk::Metric outcomes;  // oauth_logins{provider,outcome}

  // How a login ended: "ok", or what kind of failure it was; few words, for they are labels.
  void count(const std::string& provider, const cofounder::sdk::Failure* failure) const;

  std::shared_ptr<Provider> find(const std::string& name) const {
    const auto found = providers.find(name);
    return found == providers.end() ? nullptr : found->second;
  }
};
using WorldPtr = std::shared_ptr<const World>;

}  // namespace oauth
