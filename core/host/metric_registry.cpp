// SPDX-License-Identifier: Apache-2.0
#include "core/host/metric_registry.hpp"

#include "core/host/border.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace cofounder {
namespace {

using Shape = MetricRegistry::Shape;
using Kind = MetricRegistry::Kind;

constexpr std::string_view prefix = "cofounderd_";

bool is_name(std::string_view text, bool underscore_first) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  if (text.empty() || text.size() > 128) return false;
  if (!letter(text[0]) && !(underscore_first && text[0] == '_')) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_';
  });
}

Error invalid(std::string message) { return make_error("invalid_metric", std::move(message)); }

std::optional<Error> check_labels(const Shape& shape) {
  if (shape.labels.size() > MetricRegistry::labels_max) return invalid("more than 8 labels");
  std::set<std::string_view> seen;
  for (const auto& label : shape.labels) {
    if (!is_name(label, true) || label.starts_with("__") ||
        (shape.kind == Kind::histogram && label == "le") || !seen.insert(label).second) {
      return invalid("\"" + label + "\" cannot be a label");
    }
  }
  return std::nullopt;
}

std::optional<Error> check_shape(const Shape& shape) {
  if (!is_name(shape.name, false)) return invalid("a name is [a-z][a-z0-9_]*");
  if (shape.help.size() > MetricRegistry::help_bytes_max) return invalid("the help is too long");
  constexpr std::array<std::string_view, 4> units = {"", "seconds", "bytes", "ratio"};
  if (std::find(units.begin(), units.end(), shape.unit) == units.end()) {
    return invalid("the unit is \"seconds\", \"bytes\", \"ratio\" or empty");
  }
  if (!shape.unit.empty() && shape.name != shape.unit && !shape.name.ends_with("_" + shape.unit)) {
    return invalid("the unit \"" + shape.unit + "\" must end the name");
  }
  if (shape.kind != Kind::histogram && !shape.bounds.empty()) {
    return invalid("only a histogram has bounds");
  }
  if (shape.bounds.size() > MetricRegistry::bounds_max) return invalid("more than 64 bounds");
  for (std::size_t i = 0; i < shape.bounds.size(); ++i) {
    if (!std::isfinite(shape.bounds[i]) || (i > 0 && shape.bounds[i] <= shape.bounds[i - 1])) {
      return invalid("bounds are finite and rise");
    }
  }
  return check_labels(shape);
}

// The family's name, and all names that its samples have in the text formats.
std::vector<std::string> sample_names(const Shape& shape) {
  const std::string name = std::string{prefix} + shape.name;
  switch (shape.kind) {
    case Kind::counter:
      return {name, name + "_total"};
    case Kind::gauge:
      return {name};
    case Kind::histogram:
      return {name, name + "_bucket", name + "_sum", name + "_count"};
  }
  assert(false);
  return {};
}

bool same(const Shape& a, const Shape& b) {
  return a.kind == b.kind && a.unit == b.unit && a.labels == b.labels && a.bounds == b.bounds;
}

struct Series {
  std::string owner;
  bool counts = true;  // against the owner's limit: not the series "other"
  double value = 0;    // histogram: the sum
  std::vector<std::uint64_t> buckets;  // the last is +Inf; not yet summed up
};

using Key = std::vector<std::string>;

struct Family {
  Shape shape;
  std::map<Key, Series> series;
  std::set<std::string, std::less<>> owners;
};

void write_series(json::Writer& out, const Shape& shape, const Key& key, const Series& series) {
  out.begin_object().key("labels").begin_object();
  for (std::size_t i = 0; i < key.size(); ++i) out.member(shape.labels[i], key[i]);
  out.end_object();
  if (shape.kind != Kind::histogram) {
    out.member("value", series.value).end_object();
    return;
  }
  out.key("buckets").begin_array();
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < series.buckets.size(); ++i) {
    count += series.buckets[i];
    out.begin_array();
    if (i < shape.bounds.size()) {
      out.number(shape.bounds[i]);
    } else {
      out.string("+Inf");
    }
    out.unsigned_integer(count).end_array();
  }
  out.end_array().member("sum", series.value).member("count", count).end_object();
}

void write_family(json::Writer& out, const Family& family) {
  constexpr std::array<std::string_view, 4> kinds = {"", "counter", "gauge", "histogram"};
  const Shape& shape = family.shape;
  out.begin_object()
      .member("name", sample_names(shape).front())
      .member("kind", kinds[static_cast<std::size_t>(shape.kind)])
      .member("help", shape.help)
      .member("unit", shape.unit)
      .key("samples")
      .begin_array();
  for (const auto& [key, series] : family.series) write_series(out, shape, key, series);
  out.end_array().end_object();
}

}  // namespace

struct MetricRegistry::State {
  struct Handle {
    std::string owner;
    std::shared_ptr<Family> family;
  };

  Result<Family*> find(std::string_view owner, std::uint64_t handle) const;
  Result<Series*> series_of(std::string_view owner, std::uint64_t handle, Labels labels,
                            std::initializer_list<Kind> kinds, double value);
  std::shared_ptr<Family> family_named(const Shape& shape);
  void release_names(const Shape& shape);

  mutable std::mutex mutex;  // plugins count from their own threads
  std::map<std::string, std::shared_ptr<Family>> families;  // by sample_names().front()
  std::map<std::string, std::string> names;                 // each sample name -> family
  std::unordered_map<std::uint64_t, Handle> handles;
  std::map<std::string, std::map<std::string, std::uint64_t>> handles_of;  // owner -> name -> handle
  std::map<std::string, std::size_t, std::less<>> series_of_owner;
  std::uint64_t last_handle = 0;
  std::string core;  // the elements of set_core(), without brackets
};

MetricRegistry::MetricRegistry() : state_{std::make_unique<State>()} {}
MetricRegistry::~MetricRegistry() = default;

void MetricRegistry::State::release_names(const Shape& shape) {
  for (const auto& name : sample_names(shape)) names.erase(name);
}

// The family of that name when it has this shape, a new one when the name is free, else null.
std::shared_ptr<Family> MetricRegistry::State::family_named(const Shape& shape) {
  const auto wanted = sample_names(shape);
  const auto found = families.find(wanted.front());
  if (found != families.end()) {
    if (same(found->second->shape, shape)) return found->second;
    if (!found->second->owners.empty()) return nullptr;
    // Nobody counts there any more: a plugin's new version may shape it anew.
    for (const auto& [key, series] : found->second->series) {
      if (series.counts) --series_of_owner[series.owner];
    }
    release_names(found->second->shape);
    families.erase(found);
  }
  for (const auto& name : wanted) {
    if (names.contains(name)) return nullptr;
  }
  auto family = std::make_shared<Family>();
  family->shape = shape;
  for (const auto& name : wanted) names.emplace(name, wanted.front());
  families.emplace(wanted.front(), family);
  return family;
}

Result<std::uint64_t> MetricRegistry::add_family(std::string_view owner, Shape shape) {
  if (auto error = check_shape(shape)) return *error;
  const std::lock_guard guard{state_->mutex};
  const std::string name = sample_names(shape).front();
  auto& own = state_->handles_of[std::string{owner}];
  const auto known = own.find(name);
  if (known == own.end() && !owner.empty() && own.size() >= families_max) {
    return make_error("limit_reached", "a plugin has at most 64 metric families", true);
  }
  const auto family = state_->family_named(shape);
  if (family == nullptr) {
    return make_error("metric_exists", name + " exists with another shape");
  }
  if (known != own.end()) return known->second;
  family->owners.insert(std::string{owner});
  const std::uint64_t handle = ++state_->last_handle;
  state_->handles.emplace(handle, State::Handle{std::string{owner}, family});
  own.emplace(name, handle);
  return handle;
}

Result<Family*> MetricRegistry::State::find(std::string_view owner, std::uint64_t handle) const {
  const auto found = handles.find(handle);
  if (found == handles.end() || found->second.owner != owner) {
    return make_error("unknown_metric", "no such metric family");
  }
  return found->second.family.get();
}

Result<Series*> MetricRegistry::State::series_of(std::string_view owner, std::uint64_t handle,
                                                 Labels labels, std::initializer_list<Kind> kinds,
                                                 double value) {
  const auto family = find(owner, handle);
  if (!family) return family.error();
  const Shape& shape = (*family)->shape;
  if (std::find(kinds.begin(), kinds.end(), shape.kind) == kinds.end()) {
    return invalid("the family is of another kind");
  }
  if (labels.size() != shape.labels.size()) return invalid("a value for each label is needed");
  if (!std::isfinite(value)) return invalid("not a finite number");
  Key key;
  for (const auto label : labels) {
    if (label.size() > label_bytes_max || !host::is_utf8(label)) return invalid("a label's value");
    key.emplace_back(label);
  }
  auto& all = (*family)->series;
  auto found = all.find(key);
  if (found != all.end()) return &found->second;
  auto& count = series_of_owner[std::string{owner}];
  const bool full = !owner.empty() && count >= series_max;
  if (full) {
    std::fill(key.begin(), key.end(), "other");
    found = all.find(key);
    if (found != all.end()) return &found->second;
  } else {
    ++count;
  }
  Series series;
  series.owner = owner;
  series.counts = !full;
  if (shape.kind == Kind::histogram) series.buckets.resize(shape.bounds.size() + 1);
  return &all.emplace(std::move(key), std::move(series)).first->second;
}

std::optional<Error> MetricRegistry::add(std::string_view owner, std::uint64_t family,
                                         Labels labels, double value) {
  const std::lock_guard guard{state_->mutex};
  const auto found = state_->find(owner, family);
  if (found && (*found)->shape.kind == Kind::counter && value < 0) {
    return invalid("a counter never falls");
  }
  const auto series =
      state_->series_of(owner, family, labels, {Kind::counter, Kind::gauge}, value);
  if (!series) return series.error();
  (*series)->value += value;
  return std::nullopt;
}

std::optional<Error> MetricRegistry::set(std::string_view owner, std::uint64_t family,
                                         Labels labels, double value) {
  const std::lock_guard guard{state_->mutex};
  const auto series = state_->series_of(owner, family, labels, {Kind::gauge}, value);
  if (!series) return series.error();
  (*series)->value = value;
  return std::nullopt;
}

std::optional<Error> MetricRegistry::observe(std::string_view owner, std::uint64_t family,
                                             Labels labels, double value) {
  const std::lock_guard guard{state_->mutex};
  const auto series = state_->series_of(owner, family, labels, {Kind::histogram}, value);
  if (!series) return series.error();
  const auto& bounds = (*state_->find(owner, family))->shape.bounds;
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  ++(*series)->buckets[static_cast<std::size_t>(bucket)];
  (*series)->value += value;
  return std::nullopt;
}

std::optional<Error> MetricRegistry::forget(std::string_view owner, std::uint64_t family,
                                            Labels labels) {
  const std::lock_guard guard{state_->mutex};
  const auto found = state_->find(owner, family);
  if (!found) return found.error();
  if ((*found)->shape.kind != Kind::gauge) return invalid("only a gauge can be forgotten");
  if (labels.size() != (*found)->shape.labels.size()) {
    return invalid("a value for each label is needed");
  }
  const auto series = (*found)->series.find(Key{labels.begin(), labels.end()});
  if (series == (*found)->series.end() || series->second.owner != owner) return std::nullopt;
  if (series->second.counts) --state_->series_of_owner[std::string{owner}];
  (*found)->series.erase(series);
  return std::nullopt;
}

void MetricRegistry::remove_owner(std::string_view owner) {
  const std::lock_guard guard{state_->mutex};
  std::erase_if(state_->handles, [&](const auto& entry) { return entry.second.owner == owner; });
  state_->handles_of.erase(std::string{owner});
  auto& count = state_->series_of_owner[std::string{owner}];
  for (auto at = state_->families.begin(); at != state_->families.end();) {
    Family& family = *at->second;
    family.owners.erase(std::string{owner});
    std::erase_if(family.series, [&](const auto& entry) {
      const bool gone = family.shape.kind == Kind::gauge && entry.second.owner == owner;
      if (gone && entry.second.counts) --count;
      return gone;
    });
    if (family.owners.empty() && family.series.empty()) {
      state_->release_names(family.shape);
      at = state_->families.erase(at);
    } else {
      ++at;
    }
  }
}

void MetricRegistry::write(json::Writer& out) const {
  std::vector<Family> copy;  // so that nobody who counts waits for the writing
  {
    const std::lock_guard guard{state_->mutex};
    copy.reserve(state_->families.size());
    for (const auto& [name, family] : state_->families) copy.push_back(*family);
  }
  for (const auto& family : copy) write_family(out, family);
}

void MetricRegistry::set_core(std::string_view families) {
  assert(families.size() >= 2 && families.front() == '[' && families.back() == ']');
  const std::lock_guard guard{state_->mutex};
  state_->core = families.substr(1, families.size() - 2);
}

std::string MetricRegistry::snapshot() const {
  json::Writer own;
  own.begin_array();
  write(own);
  own.end_array();
  std::string text = R"({"families":)" + own.take();
  {
    const std::lock_guard guard{state_->mutex};
    if (!state_->core.empty()) {
      text.pop_back();
      if (text.back() != '[') text += ',';
      text += state_->core + "]";
    }
  }
  return text + "}";
}

}  // namespace cofounder
