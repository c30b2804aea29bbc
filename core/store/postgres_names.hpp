// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/postgres_value.hpp"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace cofounder {

// Which statements have a name in the session.  A trip that asks for one may fail before the server
// comes to it, so others of the pipeline do not rely on it until it has answered.
class PostgresNames {
 public:
  // The same name means the same text, whoever gave it.
  static std::string name_of(const std::string& sql) {
    return "cofounder_" + std::to_string(std::hash<std::string>{}(sql));
  }

  // An earlier trip asked for it and is on its way.
  bool is_uncertain(const std::string* sql) const { return uncertain_.contains(sql); }
  // True: it has no name yet, and is to be given one now.
  bool ask(const std::string* sql) {
    const bool is_new = known_.insert(sql).second;
    if (is_new) asked_.push_back(sql);
    return is_new;
  }
  void trip_sent() {
    uncertain_.insert(asked_.begin(), asked_.end());
    asked_.clear();
  }
  void settle(const std::string* sql, bool is_known) {
    uncertain_.erase(sql);
    if (!is_known) known_.erase(sql);
  }

 private:
  std::set<const std::string*> known_;
  std::set<const std::string*> uncertain_;
  std::vector<const std::string*> asked_;  // by the trip that is being sent
};

// What libpq says, as one line.
std::string postgres_line(const char* text);
PostgresFailure postgres_failure(const pg_result* result);

}  // namespace cofounder
