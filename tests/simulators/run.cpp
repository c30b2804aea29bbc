// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "tests/simulators/event_server.hpp"
#include "tests/simulators/http_server.hpp"

namespace simulator {

int run_simulator(int argc, char** argv,
                  const std::function<HttpServer::Handler(std::map<std::string, std::string>)>& make) {
  std::uint16_t port = 0;
  std::string port_file;
  std::map<std::string, std::string> options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto equals = word.find('=');
    if (word == "--port" && i + 1 < argc) {
      port = static_cast<std::uint16_t>(std::atoi(argv[++i]));
    } else if (word == "--port-file" && i + 1 < argc) {
      port_file = argv[++i];
    } else if (equals != std::string::npos) {
      options[word.substr(0, equals)] = word.substr(equals + 1);
    } else {
      std::fprintf(stderr, "Usage: %s [--port N] [--port-file FILE] [NAME=VALUE ...]\n", argv[0]);
      return 64;
    }
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  // Before any thread is made, so that all of them leave the signals to sigwait().
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const bool one_thread = options["server"] == "one_thread";
  const auto handler = make(std::move(options));
  std::optional<HttpServer> threads;
  std::optional<EventServer> events;
  one_thread ? static_cast<void>(events.emplace(port, handler))
             : static_cast<void>(threads.emplace(port, handler));
  const std::uint16_t listening = one_thread ? events->port() : threads->port();
  if (!port_file.empty()) {
    // By rename, so that whoever waits for the file finds a whole number in it.
    std::ofstream{port_file + ".new"} << listening << '\n';
    std::rename((port_file + ".new").c_str(), port_file.c_str());
  }
  std::printf("listening on 127.0.0.1:%u\n", listening);
  std::fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
  if (threads) threads->stop();
  if (events) events->stop();
  std::fflush(stdout);
  ::_exit(0);  // threads of open connections are not waited for
}

}  // namespace simulator
