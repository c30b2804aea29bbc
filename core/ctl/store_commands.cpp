// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/command.hpp"
#include "core/ctl/daemon_program.hpp"
#include "core/ctl/new_file.hpp"
#include "core/ctl/table.hpp"

#include <filesystem>
#include <ostream>
#include <sstream>

namespace cofounder::ctl {
namespace {

// How long the daemon may take until its copy is made: nothing is heard of it before.
constexpr Milliseconds copy_time_max{6 * 3'600'000};

[[noreturn]] void fail_with(const Error& error) { throw Failure{exit_code::failed, error, {}}; }

int backup(Session& session, const Given& given) {
  const std::filesystem::path file = given.one("FILE");
  auto made = NewFile::open(file, given.has("replace"));
  if (!made) fail_with(made.error());
  Request request;
  request.target = "/v1/store/backup";
  request.accept = "application/vnd.sqlite3";
  request.silence_max = copy_time_max;
  std::optional<Error> problem;
  const StreamSink sink{[&](std::string_view piece) {
                          problem = made->write(piece);
                          return !problem;
                        },
                        [&] {
                          problem = make_error("no_answer", "the daemon went silent");
                          return false;
                        }};
  const Result<Answer> answer = session.http.stream(request, sink);
  if (problem) fail_with(*problem);
  if (!answer) throw Failure{exit_code_of(answer.error()), answer.error(), {}};
  if (!answer->is_success()) throw failure_of(*answer);
  if (auto error = made->finish()) fail_with(*error);
  if (session.json) {
    json::Writer out;
    out.begin_object().member("file", std::filesystem::absolute(file).string());
    out.member("bytes", made->bytes()).end_object();
    session.out << out.text() << '\n';
  } else {
    session.out << "a backup of " << made->bytes() << " bytes is in " << printable(file.string())
                << '\n';
  }
  return exit_code::ok;
}

// The daemon's program knows the file; it prints what is wrong line by line.
int check_file(Session& session, const std::string& file) {
  session.out.flush();
  if (!session.json) return run_daemon_program({"--check-store", file}) == 0 ? exit_code::ok
                                                                             : exit_code::failed;
  std::string output;
  const bool is_ok = run_daemon_program({"--check-store", file}, output) == 0;
  json::Writer out;
  out.begin_object().member("ok", is_ok).key("problems").begin_array();
  std::istringstream lines{is_ok ? std::string{} : output};
  for (std::string line; std::getline(lines, line);) out.string(line);
  session.out << out.end_array().end_object().text() << '\n';
  return is_ok ? exit_code::ok : exit_code::failed;
}

int check(Session& session, const Given& given) {
  if (given.has("FILE")) return check_file(session, given.one("FILE"));
  Request request;
  request.target = "/v1/store/check";
  request.silence_max = copy_time_max;
  const Answer answer = ask(session, request);
  const json::Document document = parse_body(answer);
  const bool is_ok = document.root().bool_or("ok", false);
  if (printed_as_json(session, answer)) return is_ok ? exit_code::ok : exit_code::failed;
  const json::View problems = document.root().find("problems");
  for (std::size_t i = 0; i < problems.size(); ++i) {
    session.out << printable(problems.at(i).as_string().value_or("")) << '\n';
  }
  if (is_ok) session.out << "the store is whole\n";
  return is_ok ? exit_code::ok : exit_code::failed;
}

}  // namespace

std::vector<Command> store_commands() {
  return {
      {"store", "back the store up, check it, or move it", {}, {}, "", nullptr},
      {"store backup",
       "write a copy of the store into a file, while tasks run",
       {{"FILE", "the new file; it appears when it is whole", true, false, Words::file}},
       {{"replace", "", "put it in the place of a file that is there"}},
       "All that was acknowledged before is in it. To restore: stop the daemon, move the store's\n"
       "file and its -wal and -shm away, put the backup in its place, and start the daemon.\n"
       "Example:\n  cofounderctl store backup /var/backups/cofounderd.db",
       backup},
      {"store check",
       "read all of the store and say what is wrong with it",
       {{"FILE", "a backup, or the store of a daemon that does not run; else the running daemon's "
                 "store is checked",
         false, false, Words::file}},
       {},
       "The exit code is 1 when something is wrong.\n"
       "Examples:\n  cofounderctl store check\n"
       "  cofounderctl store check /var/backups/cofounderd.db",
       check},
  };
}

}  // namespace cofounder::ctl
