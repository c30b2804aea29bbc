// SPDX-License-Identifier: Apache-2.0
// load: drives an HTTP server on a Unix socket with many keep-alive connections from one thread, and
// measures rate and latency.  It knows just enough HTTP for that.
//
//   load SOCKET get PATH CLIENTS SECONDS         requests/s and latency of a GET
//   load SOCKET submit CLIENTS COUNT BATCH OP    tasks submitted, BATCH per request
//   load SOCKET e2e COUNT BATCH OP               as submit with one client, timed until all are over
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
#include <functional>
#include <memory>
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

std::string task_body(const std::string& op, std::size_t batch) {
  const std::string task = R"({"op":")" + op + R"(","args":{"name":"world"}})";
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
  const std::string text = request("POST", "/v1/tasks", task_body(op, batch));
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

int end_to_end(const std::string& socket, std::size_t count, std::size_t batch, const std::string& op) {
  Connection connection{socket};
  const std::string status = request("GET", "/v1/status", "");
  const auto before = figure(connection.call(status), "succeeded");
  if (before < 0) die("/v1/status has no figure \"succeeded\"");
  const std::string text = request("POST", "/v1/tasks", task_body(op, batch));
  const auto begin = Clock::now();
  std::string last;
  for (std::size_t sent = 0; sent < count; sent += batch) {
    const auto answer = connection.call(text);
    if (connection.status != 201) die(std::string{answer.substr(0, 500)});
    const auto at = answer.rfind("\"id\":\"");
    last = answer.substr(at + 6, 13);
  }
  const double submitted = seconds_since(begin);
  for (;;) {
    const auto done = figure(connection.call(status), "succeeded") - before;
    if (done >= static_cast<long long>(count)) break;
    ::poll(nullptr, 0, 2);
  }
  const auto answer = connection.call(request("GET", "/v1/tasks/" + last, ""));
  const double took = seconds_since(begin);
  if (answer.find("\"result\":{\"greeting\":\"Hello, world!\"}") == std::string_view::npos) {
    die("the last result is not there: " + std::string{answer.substr(0, 500)});
  }
  std::printf(R"({"tasks": %zu, "seconds": %.3f, "submit_seconds": %.3f, "per_second": %.0f})" "\n",
              count, took, submitted, static_cast<double>(count) / took);
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
  if (argc == 6 && words[2] == "e2e") return end_to_end(words[1], number(3), number(4), words[5]);
  if (argc == 5 && words[2] == "idle") return idle(words[1], number(3), words[4]);
  std::fprintf(stderr, "load: see the head of load.cpp for its arguments\n");
  return 64;
}
