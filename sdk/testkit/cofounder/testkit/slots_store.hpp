// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host.hpp"
#include "slots.hpp"

// The inside of testkit.hpp: services that keep something, and the tables as a whole.
namespace cofounder::testkit {

inline void Slots::fill_log(Host& self) {
  self.log_table = {sizeof self.log_table, 0, {}, {}};
  self.log_table.write = [](const cof_host* host, std::uint64_t id, std::int32_t level,
                            cof_str given) {
    serve(host, "log", [&](Host& the, Wire& wire) {
      the.logs.push_back(Logged{id, level, std::string{view(wire(given))}});
      return COF_OK;
    });
  };
  self.log_table.enabled = [](const cof_host*, std::int32_t) -> std::int32_t { return 1; };
}

inline void Slots::fill_metric(Host& self) {
  self.metric_table = {sizeof self.metric_table, 0, {}, {}, {}, {}, {}, {}};
  self.metric_table.family = [](const cof_host* host, const cof_metric_family* given,
                                std::uint64_t* handle) {
    return serve(host, "metric family", [&](Host& the, Wire& wire) {
      const cof_metric_family& family = *wire(given);
      const std::string name{view(family.name)};
      MetricFamily& kept = the.metrics[name];
      if (kept.kind != 0 && kept.kind != family.kind) return COF_EEXISTS;
      kept.kind = family.kind;
      kept.help = view(family.help);
      kept.unit = view(family.unit);
      kept.labels = view(family.labels);
      kept.bounds.assign(family.bounds, family.bounds + family.bound_count);
      *handle = ++the.next_handle_;
      the.families_[*handle] = name;
      return COF_OK;
    });
  };
  enum class Change { add, set, observe, forget };
  static constexpr auto change = [](const cof_host* host, std::uint64_t handle,
                                    const cof_str* labels, std::uint64_t count, double value,
                                    Change what) {
    return serve(host, "metric", [&](Host& the, Wire& wire) {
      const auto family = the.families_.find(handle);
      if (family == the.families_.end()) return COF_EGONE;
      std::vector<std::string> names;
      for (std::uint64_t i = 0; i < count; ++i) names.emplace_back(view(wire(labels[i])));
      auto& series = the.metrics[family->second].values[names];
      if (what == Change::forget)
        series.clear();
      else if (what == Change::observe)
        series.push_back(value);
      else if (what == Change::set || series.empty())
        series = {value};
      else
        series.back() += value;
      return COF_OK;
    });
  };
  self.metric_table.add = [](const cof_host* host, std::uint64_t family, const cof_str* labels,
                             std::uint64_t count, double value) {
    return change(host, family, labels, count, value, Change::add);
  };
  self.metric_table.set = [](const cof_host* host, std::uint64_t family, const cof_str* labels,
                             std::uint64_t count, double value) {
    return change(host, family, labels, count, value, Change::set);
  };
  self.metric_table.observe = [](const cof_host* host, std::uint64_t family, const cof_str* labels,
                                 std::uint64_t count, double value) {
    return change(host, family, labels, count, value, Change::observe);
  };
  self.metric_table.forget = [](const cof_host* host, std::uint64_t family, const cof_str* labels,
                                std::uint64_t count) {
    return change(host, family, labels, count, 0, Change::forget);
  };
  self.metric_table.snapshot = [](const cof_host* host, const cof_sink* out) {
    return serve(host, "metric snapshot",
                 [&](Host& the, Wire&) { return give(out, the.metrics_json); });
  };
}

inline void Slots::fill_route_and_event(Host& self) {
  self.route_table = {sizeof self.route_table, 0, {}, {}};
  self.route_table.respond = [](const cof_host* host, std::uint64_t id, std::int32_t status,
                                cof_str headers) {
    return serve(host, "respond", [&](Host& the, Wire& wire) {
      const std::string lines{view(wire(headers))};
      if (status < 100 || status > 599) throw Refused{COF_EINVALID, "HTTP status out of range"};
      Call* call = the.find_running(id);
      if (call == nullptr) return COF_EGONE;
      call->http_status = status;
      call->http_headers = lines;
      return COF_OK;
    });
  };
  self.route_table.send = [](const cof_host* host, std::uint64_t id, cof_bytes piece,
                             std::uint64_t tag) {
    return serve(host, "send", [&](Host& the, Wire& wire) {
      const std::string copy{view(wire(piece))};
      Call* call = the.find_running(id);
      if (call == nullptr || call->cancel_reason != 0) return COF_EGONE;
      if (!the.room) return COF_ELIMIT;
      call->sent.push_back(copy);
      if (tag != 0) {
        the.accept_tag(tag);
        the.queue(QueuedReply{.tag = tag, .call_id = id});
      }
      return COF_OK;
    });
  };
  self.event_table = {sizeof self.event_table, 0, {}, {}, {}};
  self.event_table.publish = [](const cof_host* host, cof_str topic, cof_str json) {
    return serve(host, "publish", [&](Host& the, Wire& wire) {
      const std::string copy{view(wire(json))};
      if (!nlohmann::json::accept(copy)) throw Refused{COF_EINVALID, "not JSON"};
      the.published.emplace_back(view(wire(topic)), copy);
      return COF_OK;
    });
  };
  self.event_table.subscribe = [](const cof_host* host, cof_str topic) {
    return serve(host, "subscribe", [&](Host& the, Wire& wire) {
      the.subscribed.emplace(view(wire(topic)));
      return COF_OK;
    });
  };
  self.event_table.unsubscribe = [](const cof_host* host, cof_str topic) {
    return serve(host, "unsubscribe", [&](Host& the, Wire& wire) {
      the.subscribed.erase(std::string{view(wire(topic))});
      return COF_OK;
    });
  };
}

inline void Slots::fill_config_and_secret(Host& self) {
  self.config_table = {sizeof self.config_table, 0, {}};
  self.config_table.get = [](const cof_host* host, std::uint64_t id, cof_str pointer,
                             const cof_sink* out) {
    return serve(host, "config get", [&](Host& the, Wire& wire) {
      const Call* call = the.find_running(id);
      const bool is_new = call != nullptr && call->kind == COF_CALL_CONFIGURE;
      return pointer_text(is_new ? the.new_config_ : the.config_, wire(pointer), out,
                          /*plain=*/false);
    });
  };
  self.secret_table = {sizeof self.secret_table, 0, {}};
  self.secret_table.get = [](const cof_host* host, std::uint64_t, cof_str name,
                             const cof_sink* out) {
    return serve(host, "secret get", [&](Host& the, Wire& wire) {
      const auto found = the.secrets.find(std::string{view(wire(name))});
      if (found == the.secrets.end()) return std::int32_t{COF_ENOTFOUND};
      return give(out, found->second);
    });
  };
  self.scratch_table = {sizeof self.scratch_table, 0, {}};
  self.scratch_table.path = [](const cof_host* host, std::uint64_t id, std::int32_t kind,
                               const cof_sink* out) {
    return serve(host, "scratch path", [&](Host& the, Wire&) {
      const Call* call = the.find_running(id);
      if (call == nullptr) return std::int32_t{COF_EGONE};
      if (call->kind != COF_CALL_OPERATION) return std::int32_t{COF_EINVALID};
      std::string name =
          (std::filesystem::temp_directory_path() / "cofounder-test-XXXXXX").string();
      const std::string key = (kind == COF_SCRATCH_TASK ? "t" + call->task_id : std::to_string(id));
      std::string& known = the.scratch_paths_[key];
      if (known.empty()) {
        if (::mkdtemp(name.data()) == nullptr) return std::int32_t{COF_EUNAVAILABLE};
        known = name;
      }
      return give(out, known);
    });
  };
}

inline void Slots::fill_kv(Host& self) {
  [[maybe_unused]] static constexpr auto read = [](Host& the, const std::string& key,
                                                   QueuedReply& reply, bool remove) {
    const auto found = live(the, key);
    if (found == the.values.end()) {
      reply.status = COF_ENOTFOUND;
      return;
    }
    reply.body = found->second.value;
    reply.value = found->second.version;
    if (remove) the.values.erase(found);
  };
  self.kv_table = {sizeof self.kv_table, 0, {}, {}, {}, {}, {}};
  self.kv_table.get = [](const cof_host* host, std::uint64_t id, cof_str key, std::uint64_t tag) {
    return on_key(host, "kv get", id, key, tag, [](Host& the, const auto& name, auto& reply) {
      read(the, name, reply, /*remove=*/false);
    });
  };
  self.kv_table.take = [](const cof_host* host, std::uint64_t id, cof_str key, std::uint64_t tag) {
    return on_key(host, "kv take", id, key, tag, [](Host& the, const auto& name, auto& reply) {
      read(the, name, reply, /*remove=*/true);
    });
  };
  self.kv_table.scan = [](const cof_host* host, std::uint64_t id, cof_str prefix, cof_str after,
                          std::int32_t count, std::uint64_t tag) {
    return serve(host, "kv scan", [&](Host& the, Wire& wire) {
      const std::string start{view(wire(prefix))};
      const std::string beyond{view(wire(after))};
      if (count < 1 || count > 1000) return COF_EINVALID;
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      QueuedReply last{.tag = tag, .call_id = id, .status = the.kv_status};
      for (const auto& [key, kept] : the.values) {
        if (the.kv_status < 0 || !key.starts_with(start) || key <= beyond) continue;
        if (kept.expires_ms != 0 && kept.expires_ms <= the.wall_ms) continue;
        if (count-- == 0) {
          last.value = 1;
          break;
        }
        the.queue(QueuedReply{.tag = tag,
                              .call_id = id,
                              .flags = 0,
                              .kind = COF_KV_ENTRY,
                              .value = kept.version,
                              .body = kept.value,
                              .name = key});
      }
      the.queue(std::move(last));
      return COF_OK;
    });
  };
}

inline void Slots::fill_kv_changes(Host& self) {
  // Whether the version is the expected one; says which is there when not.
  [[maybe_unused]] static constexpr auto matches = [](Host& the, const std::string& key,
                                                      std::int64_t expected, QueuedReply& reply) {
    const auto found = live(the, key);
    const std::int64_t version = found == the.values.end() ? 0 : found->second.version;
    if (expected == COF_KV_ANY || expected == version) return true;
    reply.status = COF_ECONFLICT;
    reply.value = version;
    return false;
  };
  self.kv_table.put = [](const cof_host* host, std::uint64_t id, const cof_kv_put* given,
                         std::uint64_t tag) {
    Wire outer;
    const cof_kv_put* put = nullptr;
    const auto taken = serve(host, "kv put", [&](Host&, Wire&) {
      put = outer(given);
      return COF_OK;
    });
    if (taken < 0) return taken;
    return on_key(host, "kv put", id, put->key, tag,
                  [put](Host& the, const auto& name, auto& reply) {
                    if (!matches(the, name, put->expected, reply)) return;
                    reply.value = ++the.next_version_;
                    the.values[name] = KvValue{std::string{view(put->value)}, reply.value,
                                               put->ttl_ms == 0 ? 0 : the.wall_ms + put->ttl_ms};
                  });
  };
  self.kv_table.remove = [](const cof_host* host, std::uint64_t id, cof_str key,
                            std::int64_t expected, std::uint64_t tag) {
    return on_key(host, "kv remove", id, key, tag,
                  [expected](Host& the, const auto& name, auto& reply) {
                    if (live(the, name) == the.values.end()) {
                      reply.status = COF_ENOTFOUND;
                    } else if (matches(the, name, expected, reply)) {
                      the.values.erase(name);
                    }
                  });
  };
}

inline void Slots::fill_stats(Host& self) {
  self.stats_table = {sizeof self.stats_table, 0, {}};
  self.stats_table.tasks = [](const cof_host* host, std::uint64_t id, std::int64_t,
                              std::uint64_t tag) {
    return serve(host, "stats", [&](Host& the, Wire&) {
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      QueuedReply reply{.tag = tag, .call_id = id};
      reply.body = the.stats_json;
      if (the.stats_json.empty()) {
        reply.status = COF_EUNAVAILABLE;
        reply.error_code = "store_unavailable";
        reply.error_message = "The store cannot be read.";
      }
      the.queue(std::move(reply));
      return COF_OK;
    });
  };
}

}  // namespace cofounder::testkit
