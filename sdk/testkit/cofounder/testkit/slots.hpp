// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../testkit.hpp"

#include <nlohmann/json.hpp>

// The inside of testkit.hpp: the services that do not store anything.
namespace cofounder::testkit {

struct Slots {
  // Runs `serve(host, wire)` with the lock held; what it refuses becomes a status and a violation.
  template <class Serve>
  static std::int32_t serve(const cof_host* host, const char* slot, Serve&& serve) noexcept {
    return static_cast<std::int32_t>(serve64(host, slot, serve));
  }
  template <class Serve>
  static std::int64_t serve64(const cof_host* host, const char* slot, Serve&& serve) noexcept {
    Host& self = *static_cast<Host*>(host->context);
    const std::lock_guard lock{self.mutex_};
    if (self.self_ == nullptr && self.next_call_ > 1) return COF_EGONE;  // after destroy()
    try {
      Wire wire;
      return serve(self, wire);
    } catch (const Refused& refused) {
      self.complain(std::string{slot} + ": " + refused.reason);
      return refused.status;
    } catch (const nlohmann::json::exception& error) {
      self.complain(std::string{slot} + ": " + error.what());
      return COF_EINVALID;
    }
  }

  static std::int32_t give(const cof_sink* out, std::string_view value) {
    Wire lent;
    const cof_bytes copy = lent(bytes(value));
    if (copy.size == 0) return COF_OK;
    const std::int32_t status = out->write(out->context, copy.data, copy.size);
    return status < 0 ? status : COF_OK;
  }
  // Takes the tag of a question that is answered later.
  static void need_tag(Host& self, std::uint64_t tag) {
    if (tag == 0) throw Refused{COF_EINVALID, "a tag is 0"};
    self.accept_tag(tag);
  }

  static const void* query(const cof_host* host, cof_str iid) noexcept {
    const Host& self = *static_cast<const Host*>(host->context);
    const auto found = self.tables.find(std::string{view(iid)});
    return found == self.tables.end() ? nullptr : found->second;
  }

  static void fill(Host& self);
  static void fill_call(Host& self);
  static void fill_output(Host& self);
  static void fill_error(Host& self);
  static void fill_http_control(Host& self);
  static void fill_identity(Host& self);
  static void fill_timer(Host& self);
  static void fill_http(Host& self);
  static void fill_log(Host& self);
  static void fill_metric(Host& self);
  static void fill_process(Host& self);
  static void fill_route_and_event(Host& self);
  static void fill_config_and_secret(Host& self);
  static void fill_kv(Host& self);
  static void fill_kv_changes(Host& self);
  static void fill_stats(Host& self);
  static void fill_task(Host& self);
  static void fill_attempt(Host& self);
  static void fill_usage(Host& self);
  static void fill_file(Host& self);

  // The value of a key that has not expired.
  static std::map<std::string, KvValue>::iterator live(Host& the, const std::string& key) {
    const auto found = the.values.find(key);
    if (found == the.values.end() || found->second.expires_ms == 0 ||
        found->second.expires_ms > the.wall_ms) {
      return found;
    }
    the.values.erase(found);
    return the.values.end();
  }
  // Answers a question about one key with what `work` gives.
  template <class Work>
  static std::int32_t on_key(const cof_host* host, const char* slot, std::uint64_t id, cof_str key,
                             std::uint64_t tag, Work work) {
    return serve(host, slot, [&](Host& the, Wire& wire) {
      const std::string copy{view(wire(key))};
      if (copy.empty() || copy.size() > 512) return COF_EINVALID;
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      QueuedReply reply{.tag = tag, .call_id = id, .status = the.kv_status};
      if (the.kv_status >= 0) work(the, copy, reply);
      the.queue(std::move(reply));
      return COF_OK;
    });
  }

  static std::int32_t pointer_text(const std::string& json, cof_str pointer, const cof_sink* out,
                                   bool plain) {
    const nlohmann::json root = nlohmann::json::parse(json);
    const nlohmann::json::json_pointer path{std::string{view(pointer)}};
    if (!root.contains(path)) return COF_ENOTFOUND;
    const nlohmann::json& value = root.at(path);
    return give(out, plain && value.is_string() ? value.get<std::string>() : value.dump());
  }
};

inline void Slots::fill_call(Host& self) {
  self.call_table = {sizeof self.call_table, 0, {}, {}, {}, {}, {}, {}};
  self.call_table.complete = [](const cof_host* host, std::uint64_t id, const cof_outcome* given) {
    return serve(host, "complete", [&](Host& the, Wire& wire) {
      const cof_outcome& outcome = *wire(given);
      if (outcome.status == COF_PENDING) throw Refused{COF_EINVALID, "status PENDING"};
      Call* call = the.find_running(id);
      if (call == nullptr) {
        ++the.late_completions;
        return COF_EGONE;
      }
      Ended ended;
      ended.status = detail::entry_status(outcome.status);
      ended.result = view(outcome.result);
      ended.error_code = view(outcome.error_code);
      ended.error_message = view(outcome.error_message);
      ended.retryable = outcome.retryable;
      ended.retry_after_ms = outcome.retry_after_ms;
      the.end(*call, std::move(ended));
      return COF_OK;
    });
  };
  self.call_table.cancel_reason = [](const cof_host* host, std::uint64_t id) {
    return serve(host, "cancel_reason", [&](Host& the, Wire&) -> std::int32_t {
      Call* call = the.find_running(id);
      return call == nullptr ? std::int32_t{COF_EGONE} : call->cancel_reason;
    });
  };
}

inline void Slots::fill_output(Host& self) {
  self.call_table.progress = [](const cof_host* host, std::uint64_t id, double fraction,
                                cof_str given) {
    return serve(host, "progress", [&](Host& the, Wire& wire) {
      const std::string copy{view(wire(given))};
      Call* call = the.find_running(id);
      if (call == nullptr) return COF_EGONE;
      call->progress.emplace_back(fraction, copy);
      return COF_OK;
    });
  };
  self.call_table.emit = [](const cof_host* host, std::uint64_t id, cof_str json,
                            std::uint64_t tag) {
    return serve(host, "emit", [&](Host& the, Wire& wire) -> std::int32_t {
      const std::string copy{view(wire(json))};
      if (!nlohmann::json::accept(copy)) throw Refused{COF_EINVALID, "not JSON"};
      Call* call = the.find_running(id);
      if (call == nullptr) return COF_EGONE;
      if (!the.room) return COF_ELIMIT;
      call->emitted.push_back(copy);
      if (tag != 0) {
        the.accept_tag(tag);
        the.queue(QueuedReply{.tag = tag, .call_id = id});
      }
      return COF_OK;
    });
  };
  self.call_table.argument = [](const cof_host* host, std::uint64_t id, cof_str pointer,
                                const cof_sink* out) {
    return serve(host, "argument", [&](Host& the, Wire& wire) {
      const cof_str copy = wire(pointer);
      Call* call = the.find_running(id);
      if (call == nullptr) return std::int32_t{COF_EGONE};
      return pointer_text(call->args, copy, out, /*plain=*/true);
    });
  };
  self.call_table.post = [](const cof_host* host, std::uint64_t id, std::uint64_t tag) {
    return serve(host, "post", [&](Host& the, Wire&) {
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      the.queue(QueuedReply{.tag = tag, .call_id = id});
      return COF_OK;
    });
  };
}

inline void Slots::fill_error(Host& self) {
  self.error_table = {sizeof self.error_table, 0, {}};
  self.error_table.set = [](const cof_host* host, std::uint64_t id, const cof_failure* given) {
    return serve(host, "error set", [&](Host& the, Wire& wire) {
      const cof_failure& failure = *wire(given);
      for (const char c : view(failure.code)) {
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
          throw Refused{COF_EINVALID, "malformed code"};
        }
      }
      Call* call = the.find_running(id);
      if (call == nullptr) return COF_EGONE;
      Ended said;
      said.error_code = view(failure.code);
      said.error_message = view(failure.message);
      said.retryable = failure.retryable;
      said.retry_after_ms = failure.retry_after_ms;
      call->failure = std::move(said);
      return COF_OK;
    });
  };
}

inline void Slots::fill_http(Host& self) {
  self.http_table = {};
  self.http_table.struct_size = sizeof self.http_table;
  self.http_table.start = [](const cof_host* host, std::uint64_t id, const cof_http_request* given,
                             std::uint64_t tag, std::uint64_t* handle) {
    return serve(host, "http start", [&](Host& the, Wire& wire) {
      const cof_http_request& request = *wire(given);
      if ((request.flags & ~3u) != 0) throw Refused{COF_EUNSUPPORTED, "unknown flags"};
      if (request.framing < 0 || request.framing > COF_HTTP_FILE) {
        throw Refused{COF_EUNSUPPORTED, "unknown framing"};
      }
      if (!the.accepts(id)) return COF_EGONE;
      HttpSent sent;
      sent.call_id = id;
      sent.method = view(request.method);
      sent.url = view(request.url);
      sent.headers = view(request.headers);
      sent.framing = request.framing;
      sent.flags = request.flags;
      sent.tries_max = request.tries_max;
      sent.retry_statuses = view(request.retry_statuses);
      sent.connect_timeout_ms = request.connect_timeout_ms;
      sent.total_timeout_ms = request.total_timeout_ms;
      sent.idle_timeout_ms = request.idle_timeout_ms;
      for (std::uint64_t i = 0; i < request.part_count; ++i) {
        const cof_http_part& part = *request.parts[i];
        sent.body += view(part.bytes);
        if (part.file == 0) continue;
        const auto file = the.open_files.find(part.file);
        if (file == the.open_files.end()) return COF_EGONE;
        if (part.offset > file->second.content.size()) return COF_EINVALID;
        sent.body += file->second.content.substr(part.offset, part.size);
      }
      need_tag(the, tag);
      Transfer transfer;
      transfer.handle = ++the.next_handle_;
      transfer.call_id = id;
      transfer.tag = tag;
      transfer.framing = request.framing;
      transfer.response_file = request.response_file;
      transfer.pulled = (request.flags & COF_HTTP_PULL) != 0;
      if (the.on_request) {
        transfer.answer = the.on_request(sent);
      } else if (!the.answers.empty()) {
        transfer.answer = std::move(the.answers.front());
        the.answers.pop_front();
      } else {
        transfer.answer = HttpAnswer::broken(COF_EUNAVAILABLE);
      }
      the.requests.push_back(std::move(sent));
      if (handle != nullptr) *handle = transfer.handle;
      const std::uint64_t key = transfer.handle;
      the.pump(the.transfers.emplace(key, std::move(transfer)).first->second);
      return COF_OK;
    });
  };
}

inline void Slots::fill_http_control(Host& self) {
  self.http_table.cancel = [](const cof_host* host, std::uint64_t handle) {
    return serve(host, "http cancel", [&](Host& the, Wire&) {
      const auto found = the.transfers.find(handle);
      if (found == the.transfers.end()) return COF_EGONE;
      ++the.http_cancels;
      the.finish_transfer(found->second, COF_ECANCELLED);
      return COF_OK;
    });
  };
  self.http_table.pull = [](const cof_host* host, std::uint64_t handle, std::uint64_t more) {
    return serve(host, "http pull", [&](Host& the, Wire&) {
      const auto found = the.transfers.find(handle);
      if (found == the.transfers.end()) return COF_OK;
      found->second.credit += static_cast<std::int64_t>(more);
      the.pump(found->second);
      return COF_OK;
    });
  };
}

inline void Slots::fill_timer(Host& self) {
  self.timer_table = {sizeof self.timer_table, 0, {}, {}, {}, {}};
  self.timer_table.after = [](const cof_host* host, std::uint64_t id, std::int64_t delay_ns,
                              std::uint64_t tag, std::uint64_t* timer) {
    return serve(host, "timer after", [&](Host& the, Wire&) {
      if (!the.accepts(id)) return COF_EGONE;
      need_tag(the, tag);
      const std::uint64_t handle = ++the.next_handle_;
      the.timers_.push_back(
          Timer{handle, id, tag, the.now_ns + std::max<std::int64_t>(delay_ns, 0)});
      if (timer != nullptr) *timer = handle;
      return COF_OK;
    });
  };
  self.timer_table.cancel = [](const cof_host* host, std::uint64_t handle) {
    return serve(host, "timer cancel", [&](Host& the, Wire&) {
      for (auto timer = the.timers_.begin(); timer != the.timers_.end(); ++timer) {
        if (timer->handle != handle) continue;
        the.queue(
            QueuedReply{.tag = timer->tag, .call_id = timer->call_id, .status = COF_ECANCELLED});
        the.timers_.erase(timer);
        return COF_OK;
      }
      return COF_EGONE;
    });
  };
  self.timer_table.now_ns = [](const cof_host* host) {
    return serve64(host, "now", [](Host& the, Wire&) { return the.now_ns; });
  };
  self.timer_table.wall_ms = [](const cof_host* host) {
    return serve64(host, "wall", [](Host& the, Wire&) { return the.wall_ms; });
  };
}

}  // namespace cofounder::testkit
