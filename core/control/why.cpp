// SPDX-License-Identifier: Apache-2.0
#include "core/control/why.hpp"

#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/scheduler/task_json.hpp"

#include <algorithm>
#include <cmath>

namespace cofounder {

namespace {

// Collects sentences and facts side by side.
class Explanation {
 public:
  Explanation() { facts_.begin_array(); }

  void say(const std::string& sentence) { text_ += (text_.empty() ? "" : "; ") + sentence; }
  json::Writer& fact(std::string_view kind) { return facts_.begin_object().member("kind", kind); }
  void fact_end() { facts_.end_object(); }
  bool is_empty() const noexcept { return text_.empty(); }

  std::string json(const TaskRecord& task, TaskState state) {
    facts_.end_array();
    json::Writer out;
    out.begin_object().member("id", to_string(task.id)).member("state", to_string(state));
    out.member("text", text_).member_raw("facts", facts_.text()).end_object();
    return out.take();
  }

 private:
  std::string text_;
  json::Writer facts_;
};

std::string attempt_of(const TaskRecord& task, int attempt) {
  return "attempt " + std::to_string(attempt) + " of " + std::to_string(task.attempts_max);
}

// People do not need milliseconds of a minute.
std::string rough(Milliseconds duration) {
  if (duration >= Milliseconds{10'000}) {
    duration = Milliseconds{(duration.count() + 500) / 1000 * 1000};
  }
  return to_string(duration);
}

void explain_end(const WhyInput& input, Explanation& out) {
  const TaskRecord& task = input.task;
  const std::string when = task.ended_at ? " at " + to_rfc3339(*task.ended_at) : "";
  auto& fact = out.fact("over").member("state", to_string(task.state));
  if (task.ended_at) fact.member("ended_at", to_rfc3339(*task.ended_at));
  std::string sentence = "it is over: " + std::string{to_string(task.state)} + when;
  if (task.error && task.state != TaskState::succeeded) {
    sentence += " with " + task.error->code + ": " + task.error->message;
    fact.member_raw("error", json::to_json(*task.error));
  }
  out.fact_end();
  out.say(sentence);
}

void explain_running(const WhyInput& input, Explanation& out) {
  const TaskRecord& task = input.task;
  const auto found =
      std::find_if(input.running.begin(), input.running.end(),
                   [&](const Scheduler::Running& r) { return r.key.task == task.id; });
  auto& fact = out.fact("running").member("attempt", task.attempt);
  std::string sentence = "it runs";
  if (task.started_at) {
    fact.member("since", to_rfc3339(*task.started_at));
    sentence += " since " + to_rfc3339(*task.started_at);
  }
  sentence += " (" + attempt_of(task, task.attempt) + ")";
  if (found == input.running.end()) {
    sentence += task.attempts.empty() ? "" : " on node " + task.attempts.back().node;
  } else {
    const auto left = std::chrono::duration_cast<Milliseconds>(found->deadline - input.mono);
    fact.member("deadline_in", to_string(std::max(left, Milliseconds{0})));
    sentence += ", at most " + rough(std::max(left, Milliseconds{0})) + " longer";
    if (found->fraction >= 0) {
      fact.member("fraction", found->fraction);
      sentence += ", " + std::to_string(std::lround(found->fraction * 100)) + " % done";
    }
    if (!found->progress.empty()) sentence += ": " + found->progress;
    if (found->cancelled) {
      fact.member("cancelled", true);
      sentence += ", and was asked to end";
    }
  }
  out.fact_end();
  out.say(sentence);
}

void explain_not_due(const WhyInput& input, Explanation& out) {
  const TaskRecord& task = input.task;
  const Milliseconds left = task.run_at - input.now;
  const std::string when = "at " + to_rfc3339(task.run_at) + ", in " + rough(left);
  const bool is_retry = task.attempt > 0;
  auto& fact = out.fact(is_retry ? "retry" : "due").member("until", to_rfc3339(task.run_at));
  fact.member("in", to_string(left));
  if (is_retry && task.error) {
    fact.member_raw("error", json::to_json(*task.error));
    out.say("it is tried again " + when + ", after " + attempt_of(task, task.attempt) +
            " ended with " + task.error->code + ": " + task.error->message);
  } else if (is_retry) {
    out.say("it goes on " + when);
  } else {
    out.say("it is due " + when);
  }
  out.fact_end();
}

// The plugin that has to do it: not there, not able, or busy.
void explain_plugin(const WhyInput& input, Explanation& out) {
  const std::string plugin{plugin_of(input.task.op)};
  if (!input.plugin) {
    out.fact("no_plugin").member("op", input.task.op).member("plugin", plugin);
    out.fact_end();
    return out.say("no plugin offers " + input.task.op);
  }
  const PluginInfo& info = *input.plugin;
  if (info.state != PluginState::ready) {
    auto& fact = out.fact("plugin_state").member("plugin", plugin);
    fact.member("state", to_string(info.state));
    if (info.last_error) fact.member_raw("error", json::to_json(*info.last_error));
    out.fact_end();
    return out.say("plugin " + plugin + " is " + std::string{to_string(info.state)} +
                   (info.last_error ? ": " + info.last_error->message : ""));
  }
  if (!input.is_op_known) {
    out.fact("no_operation").member("op", input.task.op).member("plugin", plugin);
    out.fact_end();
    return out.say("plugin " + plugin + " does not offer " + input.task.op);
  }
  const auto used =
      std::count_if(input.running.begin(), input.running.end(),
                    [&](const Scheduler::Running& r) { return plugin_of(r.op) == plugin; });
  if (used < input.plugin_capacity) return;
  out.fact("plugin_limit").member("plugin", plugin).member("used", std::int64_t{used});
  out.fact_end();
  out.say("plugin " + plugin + " is at its limit: " + std::to_string(used) + " of " +
          std::to_string(input.plugin_capacity) + " tasks run");
}

void explain_limits(const WhyInput& input, Explanation& out) {
  const auto& limits = input.config.scheduler;
  const auto queue = limits.queues.find(input.task.queue);
  if (queue != limits.queues.end()) {
    const auto used =
        std::count_if(input.running.begin(), input.running.end(),
                      [&](const Scheduler::Running& r) { return r.queue == input.task.queue; });
    if (used >= queue->second) {
      out.fact("queue_limit").member("queue", input.task.queue).member("used", std::int64_t{used});
      out.fact_end();
      out.say("it waits for a slot of queue " + input.task.queue + ": " + std::to_string(used) +
              " of " + std::to_string(queue->second) + " are taken");
    }
  }
  // How many run elsewhere is not known here.
  const auto shared = limits.cluster_queues.find(input.task.queue);
  if (shared != limits.cluster_queues.end()) {
    out.fact("cluster_queue_limit").member("queue", input.task.queue).member("max", shared->second);
    out.fact_end();
    out.say("queue " + input.task.queue + " runs at most " + std::to_string(shared->second) +
            " tasks on all nodes together");
  }
  if (input.running.size() < static_cast<std::size_t>(limits.running_max)) return;
  out.fact("running_limit").member("used", std::uint64_t{input.running.size()});
  out.fact_end();
  out.say("it waits for one of the " + std::to_string(limits.running_max) +
          " slots of this node (scheduler.running_max)");
}

void explain_ready(const WhyInput& input, Explanation& out) {
  if (input.store_problem) {
    out.fact("store").member_raw("error", json::to_json(*input.store_problem));
    out.fact_end();
    out.say("the store is away: " + input.store_problem->message);
  }
  if (input.is_draining) {
    out.fact("draining");
    out.fact_end();
    out.say("the daemon is draining and begins no tasks");
  }
  explain_plugin(input, out);
  explain_limits(input, out);
  if (!out.is_empty()) return;
  out.fact("next").member("priority", input.task.priority);
  out.fact_end();
  out.say("it is due and nothing holds it back; it starts after those before it in queue " +
          input.task.queue);
}

}  // namespace

std::string why_json(const WhyInput& input) {
  Explanation out;
  TaskState state = input.task.state;
  if (is_over(state)) {
    explain_end(input, out);
  } else if (state == TaskState::running) {
    explain_running(input, out);
  } else if (input.task.run_at > input.now) {
    state = TaskState::scheduled;
    explain_not_due(input, out);
  } else {
    state = TaskState::ready;
    explain_ready(input, out);
  }
  return out.json(input.task, state);
}

}  // namespace cofounder
