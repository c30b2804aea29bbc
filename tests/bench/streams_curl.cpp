// SPDX-License-Identifier: Apache-2.0
// bench_streams_curl simulator=PORT [streams=64] [tokens=100]: the shortest program that reads so many
// streaming chats at once by libcurl's multi interface: the limit for the daemon, which reads them
// through the same library.
//
// One thread, curl_multi_socket_action() on an epoll set.  Of each answer it cuts the body into lines,
// takes the string after "content":" of those that begin with "data: " (by a search, not by parsing
// JSON) and puts the strings together.  It prints one line of JSON.
#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "tests/bench/streams.hpp"

namespace {

using streams::die;
using streams::now_ns;

struct Stream {
  CURL* easy = nullptr;
  std::string line;  // its beginning, when it came in parts
  std::string text;
  std::int64_t first_ns = 0;
  bool done = false;

  void take(std::string_view data) {
    constexpr std::string_view event = "data: ", mark = "\"content\":\"";
    if (!data.starts_with(event)) return;
    done = done || data == "data: [DONE]";
    const auto at = data.find(mark);
    if (at == std::string_view::npos) return;
    const auto from = at + mark.size();
    if (first_ns == 0) first_ns = now_ns();
    text += data.substr(from, data.find('"', from) - from);
  }
  static std::size_t write(char* bytes, std::size_t, std::size_t size, void* self) {
    auto& stream = *static_cast<Stream*>(self);
    std::string_view rest{bytes, size};
    for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
      if (stream.line.empty()) {
        stream.take(rest.substr(0, end));
      } else {
        stream.line += rest.substr(0, end);
        stream.take(stream.line);
        stream.line.clear();
      }
    }
    stream.line += rest;
    return size;
  }
};

struct Client {
  CURLM* multi = curl_multi_init();
  int set = ::epoll_create1(EPOLL_CLOEXEC);
  long timeout_ms = -1;
  int running = 0;

  void run() {
    std::array<epoll_event, 256> events{};
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    while (running > 0) {
      const int count = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), static_cast<int>(timeout_ms));
      if (count <= 0) curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        const int what = ((event.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                         ((event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                         ((event.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(multi, event.data.fd, what, &running);
      }
    }
  }
  static int watch(CURL*, curl_socket_t socket, int what, void* self, void* known) {
    auto& client = *static_cast<Client*>(self);
    epoll_event event{};
    event.data.fd = socket;
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    if (what == CURL_POLL_REMOVE) {
      ::epoll_ctl(client.set, EPOLL_CTL_DEL, socket, nullptr);
    } else if (::epoll_ctl(client.set, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) != 0) {
      ::epoll_ctl(client.set, EPOLL_CTL_MOD, socket, &event);
    }
    curl_multi_assign(client.multi, socket, &client);
    return 0;
  }
  static int set_timer(CURLM*, long timeout_ms, void* self) {
    static_cast<Client*>(self)->timeout_ms = timeout_ms;
    return 0;
  }
};

template <class Handle, class Option, class Value>
void must(Handle* handle, Option option, Value value) {
  if constexpr (std::is_same_v<Option, CURLoption>) {
    if (curl_easy_setopt(handle, option, value) != CURLE_OK) die("libcurl refused an option");
  } else {
    if (curl_multi_setopt(handle, option, value) != CURLM_OK) die("libcurl refused an option");
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto given = streams::words(argc, argv, {{"simulator", 0}, {"streams", 64}, {"tokens", 100}});
  const int count = given["streams"], tokens = given["tokens"];
  if (given["simulator"] == 0 || count < 1 || tokens < 2) die("simulator=PORT, at least 1 stream of 2 tokens");
  streams::allow_many_files();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  Client client;
  must(client.multi, CURLMOPT_SOCKETFUNCTION, &Client::watch);
  must(client.multi, CURLMOPT_SOCKETDATA, &client);
  must(client.multi, CURLMOPT_TIMERFUNCTION, &Client::set_timer);
  must(client.multi, CURLMOPT_TIMERDATA, &client);
  const std::string url = "http://127.0.0.1:" + std::to_string(given["simulator"]) + "/v1/chat/completions";
  const std::string body = streams::chat(tokens);
  curl_slist* headers = curl_slist_append(nullptr, "Authorization: Bearer hf_test");
  headers = curl_slist_append(headers, "Content-Type: application/json");
  std::vector<std::unique_ptr<Stream>> all;
  const std::int64_t begin = now_ns();
  for (int i = 0; i < count; ++i) {
    auto& stream = *all.emplace_back(std::make_unique<Stream>());
    stream.easy = curl_easy_init();
    must(stream.easy, CURLOPT_URL, url.c_str());
    must(stream.easy, CURLOPT_HTTPHEADER, headers);
    must(stream.easy, CURLOPT_POSTFIELDS, body.c_str());
    must(stream.easy, CURLOPT_PROXY, "");
    must(stream.easy, CURLOPT_WRITEFUNCTION, &Stream::write);
    must(stream.easy, CURLOPT_WRITEDATA, &stream);
    curl_multi_add_handle(client.multi, stream.easy);
  }
  client.run();
  const std::int64_t end = now_ns();
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  std::vector<double> first_token_ms;
  for (const auto& stream : all) {
    if (!stream->done || !streams::is_whole(stream->text, tokens, streams::sent_ns(stream->text) > 0)) {
      die("tokens are missing: " + stream->text.substr(0, 500));
    }
    first_token_ms.push_back(static_cast<double>(stream->first_ns - streams::sent_ns(stream->text)) / 1e6);
    curl_multi_remove_handle(client.multi, stream->easy);
    curl_easy_cleanup(stream->easy);
  }
  curl_multi_cleanup(client.multi);
  curl_slist_free_all(headers);
  streams::print("", {count, tokens, static_cast<double>(end - begin) / 1e9, static_cast<double>(used.ru_maxrss) * 1024 / 1e6,
                      seconds(used.ru_utime) + seconds(used.ru_stime), first_token_ms});
  return 0;
}
