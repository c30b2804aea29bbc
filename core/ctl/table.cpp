// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/table.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

namespace cofounder::ctl {
namespace {

bool is_scalar(json::View value) noexcept { return !value.is_object() && !value.is_array(); }

bool is_list_of_objects(json::View value) noexcept {
  if (!value.is_array() || value.size() == 0) return false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value.at(i).is_object()) return false;
  }
  return true;
}

// Characters, not bytes; wide ones count as one.
std::size_t width_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

struct Line {
  std::string name;
  std::string value;
};

struct Titled {
  std::string title;
  json::View list;
};

void collect(const std::string& prefix, json::View object, Time now, std::vector<Line>& lines,
             std::vector<Titled>& tables) {
  for (std::size_t i = 0; i < object.size(); ++i) {
    const std::string name = prefix + std::string{object.key_at(i)};
    const json::View value = object.at(i);
    if (value.is_null()) continue;
    if (value.is_object()) {
      collect(name + ".", value, now, lines, tables);
    } else if (is_list_of_objects(value)) {
      tables.push_back({name, value});
    } else {
      lines.push_back({printable(name), cell(value, now)});
    }
  }
}

// Every scalar member that one of the objects has, in the order of their first appearance.
void print_all_columns(std::ostream& out, json::View list, Time now) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (std::size_t j = 0; j < list.at(i).size(); ++j) {
      const std::string name{list.at(i).key_at(j)};
      const json::View value = list.at(i).at(j);
      if (value.is_null() || is_list_of_objects(value)) continue;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  std::vector<std::string> header;
  for (const std::string& name : names) header.push_back(printable(name));
  Table table{std::move(header)};
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::vector<std::string> row;
    for (const std::string& name : names) row.push_back(cell(list.at(i).find(name), now));
    table.add(std::move(row));
  }
  table.print(out);
}

std::string number_text(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  char escape[8];
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xc2 && i + 1 < text.size() &&
                       static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                       static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (is_c1) {
      ++i;
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(text[i]));
      result += escape;
    } else if (byte < 0x20 || byte == 0x7f) {
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      result += byte == '\n' ? "\\n" : byte == '\t' ? " " : escape;
    } else {
      result += text[i];
    }
  }
  return result;
}

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out << row[i];
      if (i + 1 < row.size()) out << std::string(widths[i] - width_of(row[i]) + 2, ' ');
    }
    out << '\n';
  }
}

std::string cell(json::View value, Time now) {
  switch (value.kind()) {
    case json::Kind::null:
      return "-";
    case json::Kind::boolean:
      return *value.as_bool() ? "yes" : "no";
    case json::Kind::integer:
      return value.text();
    case json::Kind::number:
      return number_text(*value.as_number());
    case json::Kind::string: {
      const std::string_view text = *value.as_string();
      const bool may_be_time = text.size() >= 20 && text.size() <= 35 && text[4] == '-';
      const auto time = may_be_time ? parse_rfc3339(text) : std::nullopt;
      if (time) return printable(text) + " (" + distance_text(*time, now) + ")";
      return text.empty() ? "-" : printable(text);
    }
    case json::Kind::array: {
      std::string text;
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (i != 0) text += ", ";
        text += is_scalar(value.at(i)) ? cell(value.at(i), now) : printable(value.at(i).text());
      }
      return text.empty() ? "-" : text;
    }
    case json::Kind::object:
      return value.size() == 0 ? "-" : printable(value.text());
  }
  return "-";
}

void print_object(std::ostream& out, json::View object, Time now) {
  if (!object.is_object()) {
    out << cell(object, now) << '\n';
    return;
  }
  std::vector<Line> lines;
  std::vector<Titled> tables;
  collect({}, object, now, lines, tables);
  std::size_t width = 0;
  for (const Line& line : lines) width = std::max(width, width_of(line.name));
  for (const Line& line : lines) {
    out << line.name << std::string(width - width_of(line.name) + 2, ' ') << line.value << '\n';
  }
  for (const Titled& table : tables) {
    out << '\n' << printable(table.title) << ":\n";
    print_all_columns(out, table.list, now);
  }
}

json::View list_of(json::View root, std::string_view name) {
  return root.is_array() ? root : root.find(name);
}

void print_list(std::ostream& out, json::View list, const std::vector<Column>& columns, Time now) {
  std::vector<Column> used;
  for (const Column& column : columns) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list.at(i).at_pointer(column.pointer)) {
        used.push_back(column);
        break;
      }
    }
  }
  std::vector<std::string> header;
  for (const Column& column : used) header.emplace_back(column.title);
  Table table{std::move(header)};
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::vector<std::string> row;
    for (const Column& column : used)
      row.push_back(cell(list.at(i).at_pointer(column.pointer), now));
    table.add(std::move(row));
  }
  if (!used.empty()) table.print(out);
}

std::string distance_text(Time time, Time now) {
  const bool is_past = time < now;
  auto seconds =
      std::chrono::round<std::chrono::seconds>(is_past ? now - time : time - now).count();
  if (seconds == 0) return "now";
  // Two units are precise enough to read: "2h5min", not "2h5min17s".
  if (seconds >= 86'400) {
    seconds -= seconds % 3'600;
  } else if (seconds >= 3'600) {
    seconds -= seconds % 60;
  }
  const std::string text = to_string(Milliseconds{seconds * 1000});
  return is_past ? text + " ago" : "in " + text;
}

Time wall_now() noexcept {
  return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
}

}  // namespace cofounder::ctl
