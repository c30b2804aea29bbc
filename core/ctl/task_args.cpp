// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/task_args.hpp"

#include "core/base/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>

namespace cofounder::ctl {
namespace {

constexpr std::size_t args_bytes_max = 64u << 20;

std::string read_all(std::istream& in, const std::string& name) {
  std::string text;
  char piece[65536];
  while (in.read(piece, sizeof piece) || in.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(in.gcount()));
    if (text.size() > args_bytes_max) fail(exit_code::usage, "too_large", name + " is too large");
  }
  return text;
}

struct Descriptor {
  int number;
  explicit Descriptor(int n) noexcept : number{n} {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

// Sends a file and returns what stands for it in the arguments: "upload:...".
std::string upload(Session& session, const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat status{};
  if (file.number < 0 || ::fstat(file.number, &status) != 0) {
    fail(exit_code::failed, "unreadable",
         path + " cannot be read: " + std::generic_category().message(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    fail(exit_code::failed, "unreadable", path + " is not a regular file");
  }
  Request request;
  request.method = "POST";
  request.target = "/v1/files";
  request.content_type = "application/octet-stream";
  request.file = file.number;
  request.file_bytes = static_cast<std::uint64_t>(status.st_size);
  const Answer answer = ask(session, request);
  const std::string id = parse_body(answer).root().string_or("id", "");
  if (id.empty()) fail(exit_code::failed, "bad_answer", "the daemon gave the file no id");
  return id;
}

// "NAME=VALUE" or "NAME:=JSON".
void add_argument(const std::string& text, std::map<std::string, std::string>& members) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail(exit_code::usage, "usage", "--arg " + text + " is not NAME=VALUE or NAME:=JSON");
  }
  const std::string value = text.substr(equals + 1);
  if (text[equals - 1] != ':') {
    members[text.substr(0, equals)] = json::quote(value);
    return;
  }
  const std::string name = text.substr(0, equals - 1);
  const auto parsed = json::parse(value);
  if (name.empty() || !parsed) {
    fail(exit_code::usage, "usage", "--arg " + text + ": what follows := has to be JSON",
         "NAME=VALUE takes the value as a string");
  }
  members[name] = parsed->root().text();
}

}  // namespace

std::string text_of(Session& session, const std::string& value) {
  if (value == "-") return read_all(session.in, "standard input");
  if (!value.starts_with('@')) return value;
  std::ifstream file{value.substr(1), std::ios::binary};
  if (!file) fail(exit_code::usage, "unreadable", value.substr(1) + " cannot be read");
  return read_all(file, value.substr(1));
}

std::vector<Option> argument_options(bool with_files) {
  std::vector<Option> options = {
      {"arg", "NAME=VALUE", "an argument that is a string; NAME:=JSON for any other value", true},
      {"args", "JSON", "all arguments as a JSON object; @FILE reads a file, - standard input"}};
  if (with_files) {
    options.push_back({"file", "NAME=PATH", "send a file and pass it as argument NAME", true, false,
                       Words::file});
  }
  return options;
}

std::string make_args(Session& session, const Given& given) {
  const auto document = json::parse(text_of(session, given.one("args", "{}")));
  if (!document || !document->root().is_object()) {
    fail(exit_code::usage, "usage",
         "--args is no JSON object" + (document ? "" : ": " + document.error().message));
  }
  std::map<std::string, std::string> members;
  const json::View root = document->root();
  for (std::size_t i = 0; i < root.size(); ++i) {
    members[std::string{root.key_at(i)}] = root.at(i).text();
  }
  for (const std::string& text : given.all("arg")) add_argument(text, members);
  for (const std::string& text : given.all("file")) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      fail(exit_code::usage, "usage", "--file " + text + " is not NAME=PATH");
    }
    members[text.substr(0, equals)] = json::quote(upload(session, text.substr(equals + 1)));
  }
  json::Writer out;
  out.begin_object();
  for (const auto& [name, value] : members) out.member_raw(name, value);
  out.end_object();
  return out.take();
}

std::string checked_duration(const Given& given, std::string_view option) {
  std::string text = given.one(option);
  if (!parse_duration(text)) {
    fail(exit_code::usage, "usage",
         "--" + std::string{option} + " " + text +
             " is not a duration such as 250ms, 30s, 15min, 24h or 7d");
  }
  return text;
}

std::int64_t checked_integer(const Given& given, std::string_view option) {
  const std::string text = given.one(option);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    fail(exit_code::usage, "usage",
         "--" + std::string{option} + " " + text + " is not a whole number");
  }
  return number;
}

std::vector<Option> task_options() {
  return {{"queue", "NAME", "the queue it waits in"},
          {"priority", "N", "-100 to 100, higher first"},
          {"timeout", "DURATION", "the deadline of one attempt"},
          {"attempts", "N", "how often it is tried at most"}};
}

void write_task_options(const Given& given, json::Writer& out) {
  if (given.has("queue")) out.member("queue", given.one("queue"));
  if (given.has("priority")) out.member("priority", checked_integer(given, "priority"));
  if (given.has("timeout")) out.member("timeout", checked_duration(given, "timeout"));
  if (given.has("attempts")) out.member("attempts_max", checked_integer(given, "attempts"));
}

}  // namespace cofounder::ctl
