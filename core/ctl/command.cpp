// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/command.hpp"

#include "core/ctl/login_file.hpp"

#include <poll.h>

#include <algorithm>
#include <ostream>

namespace cofounder::ctl {

std::string Given::one(std::string_view name, std::string_view otherwise) const {
  const auto found = values.find(name);
  return found == values.end() || found->second.empty() ? std::string{otherwise}
                                                        : found->second.back();
}

std::vector<std::string> Given::all(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() ? std::vector<std::string>{} : found->second;
}

void fail(int exit, std::string code, std::string message, std::string hint) {
  Error error = make_error(std::move(code), std::move(message));
  error.hint = std::move(hint);
  throw Failure{exit, std::move(error), {}};
}

int exit_code_of(const Error& error) noexcept {
  if (error.code == "unreachable") return exit_code::unreachable;
  if (error.code == "denied") return exit_code::denied;
  if (error.code == "no_answer") return exit_code::timed_out;
  return exit_code::failed;
}

Failure failure_of(const Answer& answer) {
  Failure failure{exit_code::failed, {}, answer.body};
  switch (answer.status) {
    case 401:
    case 403:
      failure.exit = exit_code::denied;
      break;
    case 404:
      failure.exit = exit_code::not_found;
      break;
    case 408:
    case 504:
      failure.exit = exit_code::timed_out;
      break;
    default:
      break;
  }
  const auto body = json::parse(answer.body);
  const json::View error = body ? body->root().find("error") : json::View{};
  if (error.is_object()) {
    failure.error = json::error_from_json(error);
  } else {
    failure.error = make_error("http_" + std::to_string(answer.status),
                               "the daemon answered with status " + std::to_string(answer.status));
    failure.body.clear();
  }
  return failure;
}

namespace {

Answer answer_to(Session& session, const Request& request) {
  Result<Answer> answer = session.http.call(request);
  if (!answer) throw Failure{exit_code_of(answer.error()), answer.error(), {}};
  return std::move(*answer);
}

bool wants_login(const Answer& answer) {
  return answer.status == 401 && failure_of(answer).error.code == "login_required";
}

}  // namespace

Answer ask(Session& session, const Request& request) {
  Answer answer = answer_to(session, request);
  bool is_known = !request.bearer.empty();
  // A file was sent already, and is not where it was.
  if (wants_login(answer) && !is_known && request.file < 0) {
    if (const auto login = find_login(session)) {
      Request again = request;
      again.bearer = login->token;
      is_known = true;
      answer = answer_to(session, again);
    }
  }
  if (answer.is_success()) return answer;
  Failure failure = failure_of(answer);
  if (is_known && wants_login(answer)) {
    failure.error.message = "your session is over";
    failure.error.hint = "log in again: cofounderctl login";
  }
  throw failure;
}

void pause_for(Milliseconds time) {
  ::poll(nullptr, 0, static_cast<int>(std::min<std::int64_t>(time.count(), 1 << 30)));
}

bool printed_as_json(Session& session, const Answer& answer) {
  if (!session.json) return false;
  session.out << answer.body;
  if (session.out_is_terminal && !answer.body.ends_with('\n')) session.out << '\n';
  return true;
}

json::Document parse_body(const Answer& answer) {
  auto document = json::parse(answer.body, /*depth_max=*/256);
  if (!document) {
    fail(exit_code::failed, "bad_answer",
         "the daemon's answer is no JSON: " + document.error().message);
  }
  return std::move(*document);
}

const std::vector<Command>& commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> list;
    for (auto* group : {daemon_commands, login_commands, task_commands, schedule_commands,
                        plugin_commands, node_commands, store_commands, migrate_commands}) {
      for (Command& command : group()) list.push_back(std::move(command));
    }
    return list;
  }();
  return all;
}

}  // namespace cofounder::ctl
