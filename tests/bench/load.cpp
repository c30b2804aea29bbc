// SPDX-License-Identifier: Apache-2.0
// load: drives an HTTP server on a Unix socket with many keep-alive connections from one thread, and
// measures rate and latency.  It knows just enough HTTP for that.
//
//   load SOCKET get PATH CLIENTS SECONDS         requests/s and latency of a GET
//   load SOCKET submit CLIENTS COUNT BATCH OP    tasks submitted, BATCH per request; they are due in
//                                                an hour, so that nothing but taking them in is timed
//   load SOCKET e2e COUNT BATCH OP               as submit with one client, timed until all are over
//   load SOCKET burst COUNT BATCH OP            as e2e, beside tasks of other operations
//   load SOCKET fetch COUNT BATCH OP URL         as e2e, of tasks that fetch URL
//   load SOCKET timers PENDING COUNT SECONDS OP  lateness of COUNT tasks due within SECONDS, beside
//                                                PENDING that are not due
//   load SOCKET idle COUNT OP                    submit to start, one at a time: OP answers {"ns": n},
//                                                CLOCK_MONOTONIC when it was entered
// Prints one line of JSON.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "load: %s\n", text.c_str());
  std::exit(1);
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int connect_to(const std::string& path) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) die("socket path too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    die("cannot connect to " + path + ": " + std::strerror(errno));
  }
  return descriptor;
}

std::string request(std::string_view method, std::string_view path, std::string_view body) {
  std::string text;
  text.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n");
  if (method == "POST") {
    text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  text += "\r\n";
  text += body;
  return text;
}

// One connection.  Takes answers with Content-Length only, which is all that is asked for here.
struct Connection {
  explicit Connection(const std::string& socket_path) : descriptor{connect_to(socket_path)} {
    buffer.resize(64 << 10);
  }
  ~Connection() { ::close(descriptor); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view text) {
    sent_at = Clock::now();
    while (!text.empty()) {
      const ssize_t wrote = ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL);
      if (wrote <= 0) die(std::string{"send: "} + std::strerror(errno));
      text.remove_prefix(static_cast<std::size_t>(wrote));
    }
  }

  // Reads once; true when a whole answer is there (status and body are set then).
  bool receive() {
    if (filled == buffer.size()) buffer.resize(buffer.size() * 2);
    const ssize_t got = ::recv(descriptor, buffer.data() + filled, buffer.size() - filled, 0);
    if (got <= 0) die("the server closed the connection");
    filled += static_cast<std::size_t>(got);
    const std::string_view text{buffer.data(), filled};
    const auto head_end = text.find("\r\n\r\n");
    if (head_end == std::string_view::npos) return false;
    std::size_t length = 0;
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
      const auto at = text.substr(0, head_end).find(name);
      if (at != std::string_view::npos) {
        length = std::strtoull(text.data() + at + name.size(), nullptr, 10);
      }
    }
    if (filled < head_end + 4 + length) return false;
    status = std::atoi(text.data() + 9);
    body.assign(text.data() + head_end + 4, length);
    filled = 0;
    return true;
  }

  std::string_view call(std::string_view text) {
    send(text);
    while (!receive()) {
    }
    return body;
  }

  int descriptor;
  std::vector<char> buffer;
  std::size_t filled = 0;
  int status = 0;
  std::string body;
  Clock::time_point sent_at;
};

struct Samples {
  std::vector<double> values;
  double at(double quantile) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1,
                           static_cast<std::size_t>(quantile * static_cast<double>(values.size())))];
  }
};

// Keeps every connection busy: `next` gives the text of its next request, empty when there is none.
struct Driver {
  std::string socket_path;
  std::size_t clients;
  std::function<std::string_view()> next;
  int expected_status;
  Samples latency_us{};
  std::uint64_t answers = 0;

  double run() {
    const int poller = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<std::unique_ptr<Connection>> connections;
    for (std::size_t i = 0; i < clients; ++i) {
      connections.push_back(std::make_unique<Connection>(socket_path));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ::epoll_ctl(poller, EPOLL_CTL_ADD, connections[i]->descriptor, &event);
    }
    const auto begin = Clock::now();
    std::size_t busy = 0;
    for (auto& connection : connections) {
      const auto text = next();
      if (text.empty()) break;
      connection->send(text);
      ++busy;
    }
    std::vector<epoll_event> events(clients);
    while (busy > 0) {
      const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), 30'000);
      if (count <= 0) die("no answer for 30 s");
      for (int i = 0; i < count; ++i) {
        Connection& connection = *connections[events[static_cast<std::size_t>(i)].data.u64];
        if (!connection.receive()) continue;
        if (connection.status != expected_status) {
          die("answered " + std::to_string(connection.status) + ": " + connection.body.substr(0, 500));
        }
        ++answers;
        latency_us.values.push_back(seconds_since(connection.sent_at) * 1e6);
        const auto text = next();
        if (text.empty()) {
          --busy;
        } else {
          connection.send(text);
        }
      }
    }
    const double seconds = seconds_since(begin);
    ::close(poller);
    return seconds;
  }
};

std::string task_body(const std::string& op, std::size_t batch, const std::string& more = {}) {
  const std::string task = R"({"op":")" + op + R"(","args":{"name":"world"})" + more + "}";
  if (batch == 1) return task;
  std::string body = "[";
  for (std::size_t i = 0; i < batch; ++i) body += (i == 0 ? "" : ",") + task;
  return body + "]";
}

int get(const std::string& socket, const std::string& path, std::size_t clients, double seconds) {
  const std::string text = request("GET", path, "");
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  Driver driver{socket, clients, [&] { return Clock::now() < until ? std::string_view{text} : ""; }, 200};
  const double took = driver.run();
  std::printf(R"({"requests": %llu, "seconds": %.3f, "per_second": %.0f, "p50_us": %.0f, "p99_us": %.0f})"
              "\n",
              static_cast<unsigned long long>(driver.answers), took,
              static_cast<double>(driver.answers) / took, driver.latency_us.at(0.5),
              driver.latency_us.at(0.99));
  return 0;
}

int submit(const std::string& socket, std::size_t clients, std::size_t count, std::size_t batch,
           const std::string& op) {
  const std::string text = request("POST", "/v1/tasks", task_body(op, batch, R"(,"delay":"1h")"));
  std::size_t left = count / batch;
  Driver driver{socket, clients,
                [&]() -> std::string_view { return left == 0 ? "" : (--left, std::string_view{text}); },
                201};
  const double took = driver.run();
  const double tasks = static_cast<double>(driver.answers * batch);
  std::printf(R"({"tasks": %.0f, "seconds": %.3f, "per_second": %.0f, "p50_us": %.0f, "p99_us": %.0f})"
              "\n",
              tasks, took, tasks / took, driver.latency_us.at(0.5), driver.latency_us.at(0.99));
  return 0;
}

// The number behind "NAME": in flat JSON; -1 when it is not there.
long long figure(std::string_view json, const std::string& name) {
  const auto at = json.find("\"" + name + "\":");
  return at == std::string_view::npos ? -1 : std::atoll(json.data() + at + name.size() + 3);
}

// No task (of `op`, unless it is empty) waits or runs any more.  Asked in this order: what is ready
// now may be running next.
bool all_over(Connection& connection, const std::string& op = {}) {
  for (const char* state : {"scheduled", "ready", "running"}) {
    const auto answer = connection.call(
        request("GET", "/v1/tasks?limit=1&op=" + op + "&state=" + state, ""));
    if (answer.find("\"tasks\":[]") == std::string_view::npos) return false;
  }
  return true;
}

int end_to_end(const std::string& socket, std::size_t count, std::size_t batch, const std::string& op,
               bool is_alone) {
  Connection connection{socket};
  const std::string ours = is_alone ? "" : op;
  if (!all_over(connection, ours)) die("other tasks wait or run");
  const std::string text = request("POST", "/v1/tasks", task_body(op, batch));
  const auto begin = Clock::now();
  std::vector<std::string> last;
  for (std::size_t sent = 0; sent < count; sent += batch) {
    const auto answer = connection.call(text);
    if (connection.status != 201) die(std::string{answer.substr(0, 500)});
    last.emplace_back(answer.substr(answer.rfind("\"id\":\"") + 6, 13));
  }
  const double submitted = seconds_since(begin);
  // The last result comes by a long poll: asking again and again would load the daemon with questions.
  const auto answer = connection.call(request("GET", "/v1/tasks/" + last.back() + "?wait=60s", ""));
  while (!all_over(connection, ours)) ::poll(nullptr, 0, 2);
  const double took = seconds_since(begin);
  for (const std::string& id : last) {
    connection.call(request("GET", "/v1/tasks/" + id, ""));
    if (connection.body.find("\"state\":\"succeeded\"") == std::string::npos) {
      die("task " + id + " did not succeed: " + connection.body.substr(0, 500));
    }
  }
  if (answer.empty()) die("the last result is not there");
  std::printf(R"({"tasks": %zu, "seconds": %.3f, "submit_seconds": %.3f, "per_second": %.0f})" "\n",
              count, took, submitted, static_cast<double>(count) / took);
  return 0;
}

// The task's "run_at":"2026-11-23T17:01:20.123Z" as microseconds since 1970; -1 when it is not there.
long long due_us(const std::string& json) {
  const auto at = json.find("\"run_at\":\"");
  std::tm parts{};
  int milliseconds = 0;
  if (at == std::string::npos ||
      std::sscanf(json.c_str() + at + 10, "%d-%d-%dT%d:%d:%d.%dZ", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &milliseconds) != 7) {
    return -1;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return timegm(&parts) * 1'000'000LL + milliseconds * 1'000LL;
}

// `pending` tasks an hour ahead, then `count` due at random milliseconds of the next `seconds`; OP
// answers {"wall_us": n}: when it was entered.  How late they were.
int timers(const std::string& socket, std::size_t pending, std::size_t count, double seconds,
           const std::string& op) {
  Connection connection{socket};
  const auto task = [&](std::uint64_t delay_ms) {
    return R"({"op":")" + op + R"(","args":{},"delay":")" + std::to_string(delay_ms) + R"(ms"})";
  };
  for (std::size_t sent = 0; sent < pending; sent += 1000) {
    std::string body = "[" + task(3'600'000);
    for (int i = 1; i < 1000; ++i) body += "," + task(3'600'000 + static_cast<std::uint64_t>(i));
    connection.call(request("POST", "/v1/tasks", body + "]"));
    if (connection.status != 201) die(connection.body.substr(0, 500));
  }
  std::minstd_rand random{7};
  std::vector<std::string> ids;
  for (std::size_t sent = 0; sent < count; sent += 500) {
    std::string body;
    for (int i = 0; i < 500; ++i) {
      const auto delay = 500 + random() % static_cast<std::uint64_t>(seconds * 1000);
      body += (i == 0 ? "[" : ",") + task(delay);
    }
    std::string_view answer = connection.call(request("POST", "/v1/tasks", body + "]"));
    if (connection.status != 201) die(connection.body.substr(0, 500));
    for (auto at = answer.find("\"id\":\""); at != std::string_view::npos;
         at = answer.find("\"id\":\"", at + 1)) {
      ids.emplace_back(answer.substr(at + 6, 13));
    }
  }
  Samples late_us;
  for (const std::string& id : ids) {
    const std::string answer{connection.call(request("GET", "/v1/tasks/" + id + "?wait=30s", ""))};
    const auto entered = figure(answer, "wall_us");
    const auto due = due_us(answer);
    if (entered < 0 || due < 0) die(answer.substr(0, 500));
    late_us.values.push_back(static_cast<double>(entered - due));
  }
  std::printf(R"({"pending": %zu, "count": %zu, "late_p50_us": %.0f, "late_p99_us": %.0f, "late_max_us": %.0f})"
              "\n",
              pending, ids.size(), late_us.at(0.5), late_us.at(0.99), late_us.at(1));
  return 0;
}

// As end_to_end(), with {"url": URL} as arguments.
int fetch(const std::string& socket, std::size_t count, std::size_t batch, const std::string& op,
          const std::string& url) {
  Connection connection{socket};
  std::string body;
  for (std::size_t i = 0; i < batch; ++i) {
    body += (i == 0 ? "[" : ",") + (R"({"op":")" + op + R"(","args":{"url":")" + url + R"("}})");
  }
  const std::string text = request("POST", "/v1/tasks", body + "]");
  const auto begin = Clock::now();
  for (std::size_t sent = 0; sent < count; sent += batch) {
    connection.call(text);
    if (connection.status != 201) die(connection.body.substr(0, 500));
  }
  while (!all_over(connection)) ::poll(nullptr, 0, 5);
  const double took = seconds_since(begin);
  const auto failed = connection.call(request("GET", "/v1/tasks?limit=1&state=failed", ""));
  if (failed.find("\"tasks\":[]") == std::string_view::npos) die(std::string{failed.substr(0, 500)});
  std::printf(R"({"tasks": %zu, "seconds": %.3f})" "\n", count, took);
  return 0;
}

int idle(const std::string& socket, std::size_t count, const std::string& op) {
  Connection connection{socket};
  const std::string text = request("POST", "/v1/tasks?wait=10s", task_body(op, 1));
  Samples start_us, done_us;
  for (std::size_t i = 0; i < count; ++i) {
    ::poll(nullptr, 0, 3);  // let everything go idle
    const auto sent = Clock::now();
    const auto answer = connection.call(text);
    done_us.values.push_back(seconds_since(sent) * 1e6);
    const auto entered = figure(answer, "ns");
    if (entered < 0) die(std::string{answer.substr(0, 500)});
    const auto sent_ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(sent.time_since_epoch()).count();
    start_us.values.push_back(static_cast<double>(entered - sent_ns) / 1e3);
  }
  std::printf(R"({"count": %zu, "start_p50_us": %.0f, "start_p99_us": %.0f, "done_p50_us": %.0f, )"
              R"("done_p99_us": %.0f})" "\n",
              count, start_us.at(0.5), start_us.at(0.99), done_us.at(0.5), done_us.at(0.99));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  const auto number = [&](std::size_t i) { return std::strtoull(words[i].c_str(), nullptr, 10); };
  if (argc == 6 && words[2] == "get") {
    return get(words[1], words[3], number(4), std::strtod(words[5].c_str(), nullptr));
  }
  if (argc == 7 && words[2] == "submit") {
    return submit(words[1], number(3), number(4), number(5), words[6]);
  }
  if (argc == 6 && (words[2] == "e2e" || words[2] == "burst")) {
    return end_to_end(words[1], number(3), number(4), words[5], words[2] == "e2e");
  }
  if (argc == 7 && words[2] == "fetch") {
    return fetch(words[1], number(3), number(4), words[5], words[6]);
  }
  if (argc == 7 && words[2] == "timers") {
    return timers(words[1], number(3), number(4), std::strtod(words[5].c_str(), nullptr), words[6]);
  }
  if (argc == 5 && words[2] == "idle") return idle(words[1], number(3), words[4]);
  std::fprintf(stderr, "load: see the head of load.cpp for its arguments\n");
  return 64;
}
