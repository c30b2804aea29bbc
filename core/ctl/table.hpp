// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/json.hpp"

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

// How answers look to people.
namespace cofounder::ctl {

// Control characters escaped, so that what a task or a plugin says cannot steer the terminal.
std::string printable(std::string_view text);

// Columns as wide as their widest cell.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool is_empty() const noexcept { return rows_.size() == 1; }
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Scalars as people read them: times with how far away they are, lists with commas, null as "-".
std::string cell(json::View value, Time now);

// An object as lines "name  value", objects inside it as "name.inner", lists of objects as tables.
void print_object(std::ostream& out, json::View object, Time now);

// The list of an answer like {"tasks": [...], "next": ...}, or the answer itself when it is a list.
json::View list_of(json::View root, std::string_view name);

// A table of some members of the objects in `list`; members that no object has get no column.
struct Column {
  std::string_view title;
  std::string_view pointer;  // "/id"
};
void print_list(std::ostream& out, json::View list, const std::vector<Column>& columns, Time now);

// "in 5min", "2h ago", "now": two units at most.
std::string distance_text(Time time, Time now);

Time wall_now() noexcept;

}  // namespace cofounder::ctl
