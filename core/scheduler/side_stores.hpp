// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/function.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What plugins keep besides tasks.  The rules of TaskStore hold: asynchronous, handlers on the loop
// in the order of the commits, "store_unavailable" when it cannot be used.
namespace cofounder {

class KeyValueStore {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  struct Value {
    std::string bytes;
    std::int64_t version = 0;
  };
  struct Entry {
    std::string key;
    Value value;
  };
  struct Page {
    std::vector<Entry> entries;
    bool more = false;
  };
  struct Written {
    bool done = false;         // false: the version was not the expected one
    std::int64_t version = 0;  // the new one, or the one that is there
  };
  static constexpr std::int64_t any_version = -1;

  virtual ~KeyValueStore() = default;
  // `space` is the plugin's id.  An expired value is absent.
  virtual void kv_get(std::string space, std::string key, Time now,
                      Done<std::optional<Value>> done) = 0;
  // `expires`: Time::max() for never.  Code "limit_reached" when the space would hold more than
  // `space_bytes_max` bytes of keys and values.
  virtual void kv_put(std::string space, std::string key, std::string bytes, std::int64_t expected,
                      Time expires, Time now, std::int64_t space_bytes_max,
                      Done<Written> done) = 0;
  virtual void kv_remove(std::string space, std::string key, std::int64_t expected, Time now,
                         Done<Written> done) = 0;
  virtual void kv_take(std::string space, std::string key, Time now,
                       Done<std::optional<Value>> done) = 0;
  virtual void kv_scan(std::string space, std::string prefix, std::string after, int count, Time now,
                       Done<Page> done) = 0;
};

// Tokens and money, one row per use of a provider.
class UsageStore {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  struct Record {
    std::string plugin;
    std::string provider;
    std::string model;
    std::string operation;
    std::uint64_t task = 0;
    bool succeeded = true;
    std::optional<std::int64_t> input_tokens;
    std::optional<std::int64_t> output_tokens;
    std::optional<std::int64_t> cached_tokens;
    std::optional<std::int64_t> cost_micros;  // micro-dollars; nothing: no price known
    Milliseconds took{0};
    Time at{};
  };
  struct Sum {
    std::string key;
    std::int64_t calls = 0;
    std::int64_t failed = 0;
    std::int64_t input_tokens = 0;
    std::int64_t output_tokens = 0;
    std::int64_t cost_micros = 0;  // of the priced calls
    std::int64_t unpriced = 0;
  };
  enum class By { model, provider, op, day };

  virtual ~UsageStore() = default;
  virtual void usage_record(Record record, Done<bool> done) = 0;
  virtual void usage_sum(By by, Time from, Time to, Done<std::vector<Sum>> done) = 0;
};

// The daemons that share a store.
class NodeStore {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  struct Node {
    enum class State { up, stopped, lost } state = State::up;  // lost: it died, or cannot be heard
    std::string name;
    std::string version;
    Time started_at{};
    Time seen_at{};
    std::int64_t running = 0;  // tasks
  };

  virtual ~NodeStore() = default;
  virtual void nodes(Done<std::vector<Node>> done) = 0;  // by name
};

}  // namespace cofounder
