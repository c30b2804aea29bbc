// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// What the clients that read streams have in common, so that all do the same work.
namespace streams {

[[noreturn]] inline void die(const std::string& text) {
  std::fprintf(stderr, "streams: %s\n", text.c_str());
  std::exit(1);
}

// NAME=VALUE words; each name has to be one of `defaults`.
inline std::map<std::string, int> words(int argc, char** argv, std::map<std::string, int> defaults) {
  for (int i = 1; i < argc; ++i) {
    const char* const equals = std::strchr(argv[i], '=');
    const auto found =
        equals == nullptr ? defaults.end() : defaults.find(std::string{argv[i], static_cast<std::size_t>(equals - argv[i])});
    if (found == defaults.end()) die(std::string{"what is "} + argv[i] + "?");
    found->second = std::atoi(equals + 1);
  }
  return defaults;
}

inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return -1;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<std::size_t>(static_cast<double>(values.size()) * part))];
}

// Thousands of connections need as many descriptors, here and in the children.
inline void allow_many_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

// The args of huggingface.chat, which are also the body of the request to the router.
inline std::string chat(int tokens) {
  return R"({"model":"openai/gpt-oss-120b","stream":true,"max_tokens":)" + std::to_string(tokens) +
         R"(,"messages":[{"role":"user","content":"count"}]})";
}

// The simulator's tokens are "w0", " w1", " w2" ...; with stamps the first is "t" and the time of its
// sending in ns, and a blank.  Whether `text` is all of them, none twice, none lost.
inline bool is_whole(std::string_view text, int tokens, bool stamped) {
  std::string wanted;
  for (int i = stamped ? 1 : 0; i < tokens; ++i) wanted += (i == 0 ? "w" : " w") + std::to_string(i);
  if (!stamped) return text == wanted;
  return text.starts_with('t') && text.find(' ') != std::string_view::npos && text.substr(text.find(' ') + 1) == wanted;
}
// When the token that `text` begins with was sent.
inline std::int64_t sent_ns(std::string_view text) {
  return text.starts_with('t') ? std::atoll(std::string{text.substr(1, text.find(' '))}.c_str()) : -1;
}

// Ends a line of JSON that has the figures of the run in front.
struct Figures {
  int streams, tokens;
  double wall_s, peak_mb, cpu_s;
  std::vector<double> first_token_ms;
};
inline void print(const std::string& more, Figures figures) {
  const double all = static_cast<double>(figures.streams) * figures.tokens;
  std::printf("{%s\"streams\": %d, \"tokens\": %d, \"wall_s\": %.3f, \"tokens_per_s\": %.0f, \"peak_mb\": %.1f, "
              "\"cpu_us_per_token\": %.2f, \"first_token_p50_ms\": %.2f, \"first_token_p99_ms\": %.2f}\n",
              more.c_str(), figures.streams, figures.tokens, figures.wall_s, all / figures.wall_s, figures.peak_mb,
              figures.cpu_s * 1e6 / all, percentile(figures.first_token_ms, 0.5),
              percentile(figures.first_token_ms, 0.99));
}

}  // namespace streams
