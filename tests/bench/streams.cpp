// SPDX-License-Identifier: Apache-2.0
// bench_streams [simulator=PORT] [streams=1000] [tokens=100] [interval_ms=50] [watch=1]: so many
// streaming chats at once through one daemon, against the simulator of Hugging Face's router, its own
// or the one at that port (with stamps=1).
//
// Prints one line of JSON.  The wall time is from before the tasks are submitted until the last one
// is over.  With watch=1 a client follows the events at the control socket, and a first token's time
// is from the simulator's write to the reading of the task.progress event that shows it.  At the end
// each task's result is compared with what the simulator sent.
#include <filesystem>
#include <set>
#include <thread>

#include "tests/bench/streams.hpp"
#include "tests/support/real_daemon.hpp"

namespace {

using cofounder::test::RealDaemon;
using streams::die;
using streams::now_ns;
namespace fs = std::filesystem;

// Follows the events until all tasks are over.
struct Watcher {
  int wanted = 0;
  int succeeded = 0, failed = 0, gaps = 0, outputs = 0;
  std::int64_t ended_ns = 0;
  std::vector<double> first_token_ms;
  std::set<std::string> seen;  // stamps: a later event shows the first token again
  std::string rest, type;

  bool take(std::string_view piece) {
    const std::int64_t now = now_ns();
    rest += piece;
    std::size_t from = 0;
    for (std::size_t end = 0; (end = rest.find('\n', from)) != std::string::npos; from = end + 1) {
      line(std::string_view{rest}.substr(from, end - from), now);
    }
    rest.erase(0, from);
    if (succeeded + failed < wanted) return true;
    ended_ns = now;
    return false;
  }
  void line(std::string_view text, std::int64_t now) {
    if (text.starts_with("event: ")) {
      type = text.substr(7);
      succeeded += type == "task.succeeded";
      failed += type == "task.failed" || type == "task.timed_out";
      gaps += type == "gap";
      outputs += type == "task.output";
      return;
    }
    if (type != "task.progress") return;
    constexpr std::string_view mark = "\"text\":\"t";
    const auto at = text.find(mark);
    if (at == std::string_view::npos) return;
    const std::string stamp{text.substr(at + mark.size(), text.find(' ', at) - at - mark.size())};
    if (seen.insert(stamp).second) first_token_ms.push_back(static_cast<double>(now - std::atoll(stamp.c_str())) / 1e6);
  }
};

// Only limits that etc/cofounderd.toml names are raised.
std::string limits(int chats) {
  const std::string count = std::to_string(chats);
  return "scheduler.running_max, plugin.huggingface.requests_per_provider_max, "
         "plugin.huggingface.limits.calls_max and http_connections_per_host_max = " + count;
}
void configure(const RealDaemon& daemon, int port, int chats) {
  cofounder::test::write_file(daemon.folder() / "token", "hf_test\n");
  fs::permissions(daemon.folder() / "token", fs::perms{0600});
  const std::string count = std::to_string(chats);
  daemon.configure("[scheduler]\nrunning_max = " + count + "\n[plugin.huggingface]\nrouter_url = \"http://127.0.0.1:" +
                   std::to_string(port) + "\"\ntoken = { file = \"" + (daemon.folder() / "token").string() +
                   "\" }\nrequests_per_provider_max = " + count + "\n[plugin.huggingface.limits]\ncalls_max = " + count +
                   "\nhttp_connections_per_host_max = " + count + "\n");
}

double cpu_seconds(pid_t pid) {
  const std::string text = cofounder::test::read_file("/proc/" + std::to_string(pid) + "/stat");
  unsigned long user = 0, system = 0;
  if (text.empty() || std::sscanf(text.c_str() + text.rfind(')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                  &user, &system) != 2) {
    return -1;
  }
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double peak_mb(pid_t pid) {
  const std::string text = cofounder::test::read_file("/proc/" + std::to_string(pid) + "/status");
  const auto at = text.find("VmHWM:");
  return at == std::string::npos ? -1 : static_cast<double>(std::atol(text.c_str() + at + 6)) * 1024 / 1e6;
}

std::int64_t wait_for_all(const RealDaemon& daemon, const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    std::string state;
    do {
      state = cofounder::test::parse(daemon.get("/v1/tasks/" + id + "?wait=30s").body).root().string_or("state", "");
    } while (state == "running" || state == "ready");
    if (state != "succeeded") die("a task is " + state + ": " + daemon.show(id).root().text());
  }
  return now_ns();
}

void check_results(const RealDaemon& daemon, const std::vector<std::string>& ids, int tokens, bool stamped) {
  for (const std::string& id : ids) {
    const auto task = daemon.show(id);
    const auto text = task.root().at_pointer("/result/message/content").as_string();
    if (!text || !streams::is_whole(*text, tokens, stamped)) die("tokens are missing: " + task.root().text());
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto given = streams::words(argc, argv,
                              {{"simulator", 0}, {"streams", 1000}, {"tokens", 100}, {"interval_ms", 50}, {"watch", 1}});
  const int count = given["streams"], tokens = given["tokens"], interval_ms = given["interval_ms"];
  const bool watch = given["watch"] != 0;
  if (count < 1 || tokens < 2) die("at least 1 stream of 2 tokens");
  streams::allow_many_files();

  RealDaemon daemon{{"plugins/huggingface.so"}};
  int port = given["simulator"];
  std::optional<cofounder::test::Child> simulator;
  if (port == 0) {
    const fs::path port_file = daemon.folder() / "port";
    simulator.emplace(cofounder::test::Child::Options{
        {COFOUNDER_BINARY_DIR "/bin/huggingface_simulator", "--port-file", port_file.string(), "server=one_thread",
         "stamps=1", "tokens=10000000", "interval_ms=" + std::to_string(interval_ms)},
        {},
        -1});
    if (!cofounder::test::wait_until([&] { return !cofounder::test::read_file(port_file).empty(); })) die("no simulator");
    port = std::atoi(cofounder::test::read_file(port_file).c_str());
  }
  configure(daemon, port, count);
  if (!daemon.start()) die(daemon.log());
  const pid_t pid = daemon.child().pid();
  const double cpu_before = cpu_seconds(pid);

  Watcher watcher;
  watcher.wanted = count;
  std::thread watching;
  if (watch) {
    watching = std::thread{[&] {
      cofounder::ctl::Request request;
      request.target = "/v1/events?plugin=huggingface";
      const auto seen = daemon.http().stream(
          request, {[&](std::string_view piece) { return watcher.take(piece); }, [] { return false; }});
      if (!seen) die("events: " + seen.error().message);
    }};
  }
  const std::string task = R"({"op":"huggingface.chat","attempts_max":1,"args":)" + streams::chat(tokens) + "}";
  const std::int64_t begin = now_ns();
  const auto ids = daemon.submit_many(task, count);
  if (ids.size() != static_cast<std::size_t>(count)) die("not all were taken");
  if (watch) watching.join();
  const std::int64_t end = watch ? watcher.ended_ns : wait_for_all(daemon, ids);
  const double cpu = cpu_seconds(pid) - cpu_before;
  const double peak = peak_mb(pid);
  check_results(daemon, ids, tokens, true);
  // Without pauses the first event may show the newest part of an answer that is long by then.
  const bool all_shown = watcher.first_token_ms.size() == ids.size() || watcher.gaps > 0;
  if (watch && interval_ms > 0 && !all_shown) die("first tokens without a progress event");
  const double ideal_s = static_cast<double>(tokens - 1) * interval_ms / 1000;
  streams::print("\"limits\": \"" + limits(count) + "\", \"interval_ms\": " + std::to_string(interval_ms) +
                     ", \"failed\": " + std::to_string(watcher.failed) + ", \"gaps\": " + std::to_string(watcher.gaps) +
                     ", \"output_events\": " + std::to_string(watcher.outputs) + ", \"ideal_s\": " + std::to_string(ideal_s) + ", ",
                 {count, tokens, static_cast<double>(end - begin) / 1e9, peak, cpu, watcher.first_token_ms});
  if (daemon.stop() != 0) die("the daemon did not stop: " + daemon.log());
  return 0;
}
