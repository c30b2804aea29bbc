// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "slots_store.hpp"

// The inside of testkit.hpp: tasks, usage and files; and how a host is made.
namespace cofounder::testkit {

inline void Slots::fill_task(Host& self) {
  self.task_table = {sizeof self.task_table, 0, {}, {}, {}, {}, {}};
  self.task_table.submit = [](const cof_host* host, std::uint64_t id, const cof_task_request* given,
                              std::uint64_t tag) {
    return serve(host, "submit", [&](Host& the, Wire& wire) {
      const cof_task_request& request = *wire(given);
      if (!nlohmann::json::accept(request.args.size == 0 ? "{}" : view(request.args))) {
        throw Refused{COF_EINVALID, "args are no JSON"};
      }
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      QueuedReply reply{.tag = tag, .call_id = id, .status = the.submit_status};
      const std::string key{view(request.unique_key)};
      for (const SubmittedTask& task : the.tasks) {
        if (!key.empty() && task.unique_key == key && !task.cancelled) reply.body = task.id;
      }
      if (reply.body.empty() && the.submit_status >= 0) {
        SubmittedTask task;
        task.id = "submitted-" + std::to_string(the.tasks.size() + 1);
        task.op = view(request.op);
        task.args = view(request.args);
        task.queue = view(request.queue);
        task.unique_key = key;
        task.priority = request.priority;
        task.run_at_ms = request.run_at_ms;
        task.timeout_ms = request.timeout_ms;
        task.attempts_max = request.attempts_max;
        reply.body = task.id;
        reply.value = 1;
        the.tasks.push_back(std::move(task));
      }
      the.queue(std::move(reply));
      return COF_OK;
    });
  };
}

inline void Slots::fill_attempt(Host& self) {
  self.task_table.checkpoint = [](const cof_host* host, std::uint64_t id, cof_bytes state,
                                  std::uint64_t tag) {
    return serve(host, "checkpoint", [&](Host& the, Wire& wire) {
      const std::string copy{view(wire(state))};
      Call* call = the.find_running(id);
      if (call == nullptr || call->kind != COF_CALL_OPERATION) return COF_EGONE;
      if (copy.size() > 1u << 20) return COF_ETOOBIG;
      need_tag(the, tag);
      call->checkpoint = copy;
      the.queue(QueuedReply{.tag = tag, .call_id = id});
      return COF_OK;
    });
  };
  self.task_table.get = [](const cof_host* host, std::uint64_t id, cof_str task,
                           std::uint64_t tag) {
    return serve(host, "task get", [&](Host& the, Wire& wire) {
      const auto found = the.task_states.find(std::string{view(wire(task))});
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      QueuedReply reply{.tag = tag, .call_id = id, .status = COF_ENOTFOUND};
      if (found != the.task_states.end()) {
        reply.status = COF_OK;
        reply.body = found->second;
      }
      the.queue(std::move(reply));
      return COF_OK;
    });
  };
  self.task_table.cancel = [](const cof_host* host, std::uint64_t id, cof_str task,
                              std::uint64_t tag) {
    return serve(host, "task cancel", [&](Host& the, Wire& wire) {
      const std::string name{view(wire(task))};
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      QueuedReply reply{.tag = tag, .call_id = id, .status = COF_ENOTFOUND};
      for (SubmittedTask& known : the.tasks) {
        if (known.id != name) continue;
        known.cancelled = true;
        reply.status = COF_OK;
      }
      the.queue(std::move(reply));
      return COF_OK;
    });
  };
  self.task_table.defer = [](const cof_host* host, std::uint64_t id, std::int64_t run_at_ms,
                             cof_bytes state) {
    return serve(host, "defer", [&](Host& the, Wire& wire) {
      const std::string copy{view(wire(state))};
      Call* call = the.find_running(id);
      if (call == nullptr || call->kind != COF_CALL_OPERATION) return COF_EGONE;
      call->deferred_to_ms = run_at_ms;
      call->checkpoint = copy;
      return COF_OK;
    });
  };
}

inline void Slots::fill_usage(Host& self) {
  self.usage_table = {sizeof self.usage_table, 0, {}, {}};
  self.usage_table.record = [](const cof_host* host, std::uint64_t id,
                               const cof_usage_record* given, std::uint64_t tag) {
    return serve(host, "usage record", [&](Host& the, Wire& wire) {
      const cof_usage_record& record = *wire(given);
      if (!the.accepts(id)) return COF_EGONE;
      UsageSeen seen{record.known,
                     std::string{view(record.provider)},
                     std::string{view(record.model)},
                     std::string{view(record.operation)},
                     record.failed == 1,
                     record.input_tokens,
                     record.output_tokens,
                     record.cached_tokens,
                     record.cost_micros,
                     record.duration_ms};
      the.usages.push_back(std::move(seen));
      if (tag != 0) {
        the.accept_tag(tag);
        the.queue(QueuedReply{.tag = tag, .call_id = id});
      }
      return COF_OK;
    });
  };
  self.usage_table.sum = [](const cof_host* host, std::uint64_t id, cof_str by, std::int64_t,
                            std::int64_t, std::uint64_t tag) {
    return serve(host, "usage sum", [&](Host& the, Wire& wire) {
      const std::string_view what = view(wire(by));
      if (what != "model" && what != "provider" && what != "op" && what != "day") {
        return COF_EINVALID;
      }
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      the.queue(QueuedReply{.tag = tag, .call_id = id, .body = the.usage_json});
      return COF_OK;
    });
  };
}

inline void Slots::fill_file(Host& self) {
  self.file_table = {sizeof self.file_table, 0, {}, {}, {}, {}, {}, {}, {}};
  self.file_table.open = [](const cof_host* host, std::uint64_t id, cof_str name, std::int32_t mode,
                            std::uint64_t* handle) {
    return serve(host, "file open", [&](Host& the, Wire& wire) {
      const std::string path{view(wire(name))};
      const Call* call = the.find_running(id);
      if (call == nullptr) return COF_EGONE;
      if (mode != COF_FILE_READ && mode != COF_FILE_WRITE) return COF_EUNSUPPORTED;
      const bool named = call->args.find(nlohmann::json(path).dump()) != std::string::npos;
      if (!named && !path.starts_with("scratch:")) return COF_EDENIED;
      const auto found = the.files.find(path);
      if (mode == COF_FILE_READ && found == the.files.end()) return COF_ENOTFOUND;
      OpenFile file{id, path, mode, {}};
      if (mode == COF_FILE_READ) file.content = found->second;
      *handle = ++the.next_handle_;
      the.open_files.emplace(*handle, std::move(file));
      return COF_OK;
    });
  };
  // Runs `work(file)` when the handle is open.
  static constexpr auto on_file = [](const cof_host* host, const char* slot, std::uint64_t handle,
                                     auto work) {
    return serve64(host, slot, [&](Host& the, Wire& wire) {
      const auto found = the.open_files.find(handle);
      if (found == the.open_files.end()) return std::int64_t{COF_EGONE};
      return static_cast<std::int64_t>(work(the, wire, found->second));
    });
  };
  self.file_table.size = [](const cof_host* host, std::uint64_t handle) {
    return on_file(host, "file size", handle,
                   [](Host&, Wire&, OpenFile& file) { return file.content.size(); });
  };
  self.file_table.read = [](const cof_host* host, std::uint64_t handle, std::uint64_t offset,
                            void* buffer, std::uint64_t size) {
    return on_file(host, "file read", handle, [&](Host&, Wire& wire, OpenFile& file) {
      if (offset >= file.content.size()) return std::uint64_t{0};
      const cof_bytes piece = wire(bytes(std::string_view{file.content}.substr(offset, size)));
      if (piece.size != 0) std::memcpy(buffer, piece.data, piece.size);
      return piece.size;
    });
  };
  self.file_table.write = [](const cof_host* host, std::uint64_t handle, cof_bytes piece) {
    return static_cast<std::int32_t>(
        on_file(host, "file write", handle, [&](Host&, Wire& wire, OpenFile& file) {
          if (file.mode != COF_FILE_WRITE) return COF_EINVALID;
          file.content += view(wire(piece));
          return COF_OK;
        }));
  };
  self.file_table.commit = [](const cof_host* host, std::uint64_t handle) {
    return static_cast<std::int32_t>(
        on_file(host, "file commit", handle, [](Host& the, Wire&, OpenFile& file) {
          if (file.mode != COF_FILE_WRITE) return COF_EINVALID;
          the.files[file.name] = file.content;
          return COF_OK;
        }));
  };
  self.file_table.name = [](const cof_host* host, std::uint64_t handle, const cof_sink* out) {
    return static_cast<std::int32_t>(
        on_file(host, "file name", handle, [&](Host&, Wire&, OpenFile& file) {
          return give(out, std::string_view{file.name}.substr(file.name.rfind('/') + 1));
        }));
  };
  self.file_table.release = [](const cof_host* host, std::uint64_t handle) {
    serve(host, "file release", [&](Host& the, Wire&) {
      the.open_files.erase(handle);
      return COF_OK;
    });
  };
}

inline void Slots::fill_identity(Host& self) {
  self.identity_table = {sizeof self.identity_table, 0, {}};
  self.identity_table.who = [](const cof_host* host, std::uint64_t id, std::uint64_t tag) {
    return serve(host, "who", [&](Host& the, Wire&) {
      const Call* call = the.find_running(id);
      if (call == nullptr) return COF_EGONE;
      if (call->kind != COF_CALL_ROUTE) return COF_EINVALID;
      need_tag(the, tag);
      QueuedReply reply{.tag = tag, .call_id = id, .status = the.identity_status};
      if (reply.status >= 0 && the.identity_json.empty()) reply.status = COF_ENOTFOUND;
      if (reply.status >= 0) reply.body = the.identity_json;
      the.queue(std::move(reply));
      return COF_OK;
    });
  };
}

inline void Slots::fill(Host& self) {
  fill_call(self);
  fill_output(self);
  fill_error(self);
  fill_http(self);
  fill_http_control(self);
  fill_identity(self);
  fill_timer(self);
  fill_log(self);
  fill_metric(self);
  fill_process(self);
  fill_route_and_event(self);
  fill_config_and_secret(self);
  fill_kv(self);
  fill_kv_changes(self);
  fill_stats(self);
  fill_task(self);
  fill_attempt(self);
  fill_usage(self);
  fill_file(self);
  self.tables = {{COF_CALL_IID, &self.call_table},       {COF_CONFIG_IID, &self.config_table},
                 {COF_ERROR_IID, &self.error_table},     {COF_EVENT_IID, &self.event_table},
                 {COF_FILE_IID, &self.file_table},       {COF_HTTP_IID, &self.http_table},
                 {COF_KV_IID, &self.kv_table},           {COF_LOG_IID, &self.log_table},
                 {COF_METRIC_IID, &self.metric_table},   {COF_PROCESS_IID, &self.process_table},
                 {COF_ROUTE_IID, &self.route_table},
                 {COF_SCRATCH_IID, &self.scratch_table}, {COF_SECRET_IID, &self.secret_table},
                 {COF_STATS_IID, &self.stats_table},     {COF_TASK_IID, &self.task_table},
                 {COF_TIMER_IID, &self.timer_table},     {COF_USAGE_IID, &self.usage_table}};
  self.tables[COF_IDENTITY_IID] = &self.identity_table;
}

inline Host::Host(const cof_plugin& plugin, Options options)
    : plugin_{&plugin}, options_{std::move(options)} {
  Slots::fill(*this);
  for (const std::string& iid : options_.without) tables.erase(iid);
  host.struct_size = sizeof host;
  host.abi_major = COF_ABI_MAJOR;
  host.abi_minor = COF_ABI_MINOR;
  host.context = this;
  host.query = &Slots::query;
  host.version = text("0.0.0-testkit");
  host.plugin_id = text(options_.plugin_id);
}

}  // namespace cofounder::testkit
