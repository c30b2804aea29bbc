// SPDX-License-Identifier: Apache-2.0
#include "exposition.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace metrics {
namespace {

using Json = nlohmann::ordered_json;  // labels stay in the order of their family

std::string escape(std::string_view text, bool quotes_too) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes_too) {
      out += "\\\"";
    } else if (c != '\r') {
      out += c;
    }
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 40> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

// OpenMetrics wants "1.0" where the classic format takes "1".
std::string bound(const Json& le, Format format) {
  if (le.is_string()) return le.get<std::string>();
  std::string text = number(le.get<double>());
  const bool is_whole = text.find_first_of(".eE") == std::string::npos;
  if (format == Format::openmetrics && is_whole) text += ".0";
  return text;
}

class Exposition {
 public:
  explicit Exposition(Format format) : format_{format} {}

  void family(const Json& family) {
    const auto name = family.at("name").get<std::string>();
    const auto kind = family.at("kind").get<std::string>();
    const bool classic = format_ == Format::classic;
    // The classic format names a counter with its _total, and has no info.
    const std::string shown = classic && kind == "counter" ? name + "_total"
                              : classic && kind == "info"  ? name + "_info"
                                                           : name;
    text_ += "# TYPE " + shown + " " + (classic && kind == "info" ? "gauge" : kind) + "\n";
    const auto unit = family.value("unit", "");
    if (!classic && !unit.empty()) text_ += "# UNIT " + shown + " " + unit + "\n";
    text_ += "# HELP " + shown + " " + escape(family.at("help").get<std::string>(), !classic) + "\n";
    for (const Json& sample : family.at("samples")) {
      if (kind == "histogram") {
        histogram(name, sample);
      } else {
        const char* suffix = kind == "counter" ? "_total" : kind == "info" ? "_info" : "";
        line(name + suffix, sample.at("labels"), {}, number(sample.at("value").get<double>()));
      }
    }
  }

  std::string take() {
    if (format_ == Format::openmetrics) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  void histogram(const std::string& name, const Json& sample) {
    const Json& labels = sample.at("labels");
    for (const Json& bucket : sample.at("buckets")) {
      line(name + "_bucket", labels, bound(bucket.at(0), format_),
           number(bucket.at(1).get<double>()));
    }
    line(name + "_sum", labels, {}, number(sample.at("sum").get<double>()));
    line(name + "_count", labels, {}, number(sample.at("count").get<double>()));
  }

  void line(const std::string& name, const Json& labels, const std::string& le,
            const std::string& value) {
    text_ += name;
    char separator = '{';
    for (const auto& [key, text] : labels.items()) {
      text_ += separator + key + "=\"" + escape(text.get<std::string>(), true) + "\"";
      separator = ',';
    }
    if (!le.empty()) {
      text_ += separator + std::string{"le=\""} + le + "\"";
      separator = ',';
    }
    if (separator == ',') text_ += '}';
    text_ += " " + value + "\n";
  }

  Format format_;
  std::string text_;
};

// The weight of `type` in an Accept header; 0 when it is not named.
double weight(std::string_view accept, std::string_view type) {
  while (!accept.empty()) {
    const auto comma = accept.find(',');
    std::string_view range = accept.substr(0, comma);
    accept = comma == std::string_view::npos ? std::string_view{} : accept.substr(comma + 1);
    while (!range.empty() && range.front() == ' ') range.remove_prefix(1);
    if (!range.starts_with(type)) continue;
    const auto q = range.find("q=");
    if (q == std::string_view::npos) return 1;
    return std::strtod(std::string{range.substr(q + 2)}.c_str(), nullptr);
  }
  return 0;
}

}  // namespace

Format choose_format(std::string_view accept) {
  const double open = weight(accept, "application/openmetrics-text");
  return open > 0 && open >= weight(accept, "text/plain") ? Format::openmetrics : Format::classic;
}

std::string_view content_type(Format format) {
  return format == Format::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string expose(std::string_view snapshot_json, Format format) {
  const Json snapshot = Json::parse(snapshot_json);
  Exposition exposition{format};
  for (const Json& family : snapshot.at("families")) exposition.family(family);
  return exposition.take();
}

}  // namespace metrics
