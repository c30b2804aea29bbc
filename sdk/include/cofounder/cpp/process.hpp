// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host.hpp"
#include "reply.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Programs that the host runs for a plugin; see services/process.h for what may run.
namespace cofounder::sdk::inline v1 {

// A program and all that is said about its run.  Not an aggregate on purpose: see task.hpp.
class ProgramRequest {
 public:
  // A name that the operator allowed, or an absolute path; then the arguments after argv[0].
  explicit ProgramRequest(std::string its_program, std::vector<std::string> its_args = {})
      : program{std::move(its_program)}, args{std::move(its_args)} {}

  ProgramRequest& arg(std::string text) {
    args.push_back(std::move(text));
    return *this;
  }
  ProgramRequest& env(std::string name, std::string value) {
    environment.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  // Runs in the scratch folder of the attempt, or of the task (Context::task_scratch()).
  ProgramRequest& in_scratch() noexcept {
    folder = COF_SCRATCH_ATTEMPT;
    return *this;
  }
  ProgramRequest& in_task_scratch() noexcept {
    folder = COF_SCRATCH_TASK;
    return *this;
  }

  std::string program;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> environment;  // nothing else but PATH
  std::string input;                   // its standard input
  bool merge_errors = false;           // standard error goes where standard output goes
  std::int32_t folder = 0;             // "/"
  Milliseconds timeout{0};             // 0: the call's deadline only
  Milliseconds grace{0};               // between SIGTERM and SIGKILL; 0: 5 s
  std::uint64_t line_bytes_max = 0;    // a longer one is cut; 0: 64 KiB
  std::uint64_t output_bytes_max = 0;  // what is more is dropped; 0: 1 MiB
  std::uint64_t errors_bytes_max = 0;  // the end of standard error; 0: 16 KiB
  std::uint64_t memory_bytes_max = 0;  // limits of each process; 0: none
  std::uint64_t cpu_seconds_max = 0;
  std::uint64_t file_bytes_max = 0;
  std::uint64_t files_open_max = 0;    // 0: 1024
};

// How a program ended, and what it left.
struct ProgramResult {
  int code = 0;         // of exit(); 0 when a signal ended it
  int signal = 0;       // that ended it, or 0
  std::string output;   // of run(): standard output, its first `output_bytes_max` bytes
  std::string errors;   // the end of standard error
  Milliseconds duration{0};
  Milliseconds cpu{0};  // of all its processes
  std::uint64_t rss_bytes_peak = 0;
  std::uint64_t output_bytes = 0;          // in all
  std::uint64_t output_bytes_dropped = 0;  // of them, because nobody took them in time
  std::uint64_t lines_dropped = 0;
  std::uint64_t lines_cut = 0;
  int left = 0;         // processes that it left running and that had to be ended

  bool ok() const noexcept { return code == 0 && signal == 0; }
};

// A line of standard output, without its end.
struct ProgramLine {
  std::string text;
  std::int64_t number = 0;  // from 1; a gap: lines were dropped, because nobody took them in time
  bool is_cut = false;
};

class ProgramStream;

// Programs for one call; got from Context::process().
class Programs {
 public:
  Programs(const detail::HostTables& tables, std::uint64_t call_id) noexcept
      : tables_{&tables}, call_id_{call_id} {}

  // Answers when it is over, in whatever way it ended: look at ok().  Fails when it could not be
  // started (COF_EDENIED, COF_ENOTFOUND...), with COF_ETIMEDOUT after its timeout, and with the call.
  // Dropping the Future ends the program.
  Future<ProgramResult> run(const ProgramRequest& request) const;
  // Answers as soon as it runs.
  Future<ProgramStream> stream(const ProgramRequest& request) const;

 private:
  const detail::HostTables* tables_;
  std::uint64_t call_id_;
};

namespace detail {

// A program that runs, and what came of its output so far.
class ProgramRun : public Pending {
 public:
  ProgramRun(const HostTables& tables, bool is_streamed) noexcept
      : streamed{is_streamed}, tables_{tables} {}

  void start(std::uint64_t call_id, const ProgramRequest& request) {
    std::string args;
    for (const std::string& arg : request.args) args.append(arg).push_back('\0');
    std::string environment;
    for (const auto& [name, value] : request.environment) {
      environment.append(name).append("=").append(value).push_back('\0');
    }
    cof_process_request given{};
    given.struct_size = sizeof given;
    if (streamed) given.flags |= COF_PROCESS_PULL;
    if (request.merge_errors) given.flags |= COF_PROCESS_MERGE;
    given.program = to_c(request.program);
    given.args = to_bytes(args);
    given.environment = to_bytes(environment);
    given.input = to_bytes(request.input);
    given.output = streamed ? COF_PROCESS_LINES : COF_PROCESS_WHOLE;
    given.folder = request.folder;
    given.timeout_ms = request.timeout.count();
    given.grace_ms = request.grace.count();
    given.line_bytes_max = request.line_bytes_max;
    given.output_bytes_max = request.output_bytes_max;
    given.errors_bytes_max = request.errors_bytes_max;
    given.memory_bytes_max = request.memory_bytes_max;
    given.cpu_seconds_max = request.cpu_seconds_max;
    given.file_bytes_max = request.file_bytes_max;
    given.files_open_max = request.files_open_max;

    std::uint64_t handle = 0;
    // With an embedded NUL one argument would arrive as two.
    const bool whole = std::none_of(request.args.begin(), request.args.end(), has_nul) &&
                       std::none_of(request.environment.begin(), request.environment.end(),
                                    [](const auto& one) {
                                      return has_nul(one.first) || has_nul(one.second);
                                    });
    const std::int32_t status =
        whole ? tables_(tables_.process, &cof_process_service::start, call_id,
                        static_cast<const cof_process_request*>(&given), tag(), &handle)
              : std::int32_t{COF_EINVALID};
    handle_.store(handle, std::memory_order_release);
    started(status, "start a program");
  }

  void abandon() noexcept override {
    tables_(tables_.process, &cof_process_service::cancel, handle());
  }
  std::int32_t signal(std::int32_t number) noexcept {
    return tables_(tables_.process, &cof_process_service::signal, handle(), number);
  }
  void allow(std::uint64_t bytes) noexcept {
    tables_(tables_.process, &cof_process_service::pull, handle(), bytes);
  }
  // Allows the host to send more, in steps that keep the number of calls low.
  void consumed(std::uint64_t bytes) noexcept {
    owed_ += std::max<std::uint64_t>(bytes, 1);
    if (owed_ < window / 2 || done()) return;
    allow(std::exchange(owed_, 0));
  }

  Result<ProgramResult> result() {
    if (last.status < 0) return last.failure();
    return report();
  }
  // Whatever is known, also of a program that was ended.
  ProgramResult report() const {
    ProgramResult result;
    if (last.value >= 0) result.code = static_cast<int>(last.value);
    if (last.value < 0) result.signal = static_cast<int>(-last.value);
    result.output = output;
    result.errors = last.body;
    result.output_bytes = static_cast<std::uint64_t>(last.value2);
    const Json json = last.name.empty() ? Json::object() : Json::parse(last.name);
    const auto number = [&](const char* key) { return json.value(key, std::uint64_t{0}); };
    result.duration = Milliseconds{number("duration_ms")};
    result.cpu = Milliseconds{number("cpu_ms")};
    result.rss_bytes_peak = number("rss_bytes_peak");
    result.output_bytes_dropped = number("output_bytes_dropped");
    result.lines_dropped = number("lines_dropped");
    result.lines_cut = number("lines_cut");
    result.left = static_cast<int>(number("left"));
    return result;
  }

  static constexpr std::uint64_t window = 64 * 1024;  // bytes on their way to a stream

  const bool streamed;
  std::int64_t pid = 0;  // 0: it has not been started
  std::deque<ProgramLine> lines;
  std::string output;

 protected:
  bool accept(const cof_reply& reply) override {
    if (reply.kind == COF_PROCESS_STARTED) {
      pid = reply.value;
    } else if (!streamed) {
      output = view(reply.body);
    } else {
      lines.push_back(
          ProgramLine{std::string{view(reply.body)}, reply.value, reply.value2 == 1});
    }
    return streamed;
  }

 private:
  static bool has_nul(const std::string& text) noexcept {
    return text.find('\0') != std::string::npos;
  }
  std::uint64_t handle() const noexcept { return handle_.load(std::memory_order_acquire); }

  const HostTables& tables_;
  std::atomic<std::uint64_t> handle_{0};
  std::uint64_t owed_ = 0;
};

}  // namespace detail

// A program that runs, line by line:
//   for (;;) {
//     auto line = co_await stream.next();
//     if (!line) co_return line.failure();   // it was ended: its timeout, the call's cancel
//     if (!*line) break;                     // it is over
//     use((*line)->text);
//   }
//   if (!stream.result().ok()) ...
// The program never waits: lines that are not taken in time are dropped, the oldest first.  Dropping
// the stream ends the program.
class ProgramStream {
 public:
  explicit ProgramStream(detail::Ref<detail::ProgramRun> run) noexcept : run_{std::move(run)} {}

  // Its process id, for people.
  std::int64_t pid() const noexcept { return run_->pid; }
  // To the program's process group: SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 or SIGTERM.
  Result<void> signal(std::int32_t number) const {
    return checked(run_->signal(number), "send a signal");
  }
  // Asks for its end; next() then fails with COF_ECANCELLED.
  void cancel() const noexcept { run_->abandon(); }
  // After the last line, or a failure of next().
  ProgramResult result() const { return run_->report(); }

  class [[nodiscard]] Next {
   public:
    explicit Next(detail::ProgramRun* run) noexcept : run_{run} {}
    bool await_ready() const noexcept {
      run_->looked();
      return !run_->lines.empty() || run_->done();
    }
    bool await_suspend(std::coroutine_handle<> waiter) noexcept { return run_->wait(waiter); }
    Result<std::optional<ProgramLine>> await_resume() {
      if (run_->lines.empty()) return end();
      std::optional<ProgramLine> line{std::move(run_->lines.front())};
      run_->lines.pop_front();
      run_->consumed(line->text.size());
      return line;
    }

   private:
    Result<std::optional<ProgramLine>> end() const {
      if (run_->last.status < 0) return run_->last.failure();
      return std::optional<ProgramLine>{};
    }
    detail::ProgramRun* run_;
  };

  // The next line, or nothing at the end.
  Next next() noexcept { return Next{run_.get()}; }

 private:
  detail::Ref<detail::ProgramRun> run_;
};

inline Future<ProgramResult> Programs::run(const ProgramRequest& request) const {
  auto* run = new detail::ProgramRun{*tables_, false};
  Future<ProgramResult> future{run, [](detail::Pending& answered) -> Result<ProgramResult> {
                                 return static_cast<detail::ProgramRun&>(answered).result();
                               }};
  run->start(call_id_, request);
  return future;
}

inline Future<ProgramStream> Programs::stream(const ProgramRequest& request) const {
  auto* run = new detail::ProgramRun{*tables_, true};
  Future<ProgramStream> future{run, [](detail::Pending& answered) -> Result<ProgramStream> {
                                 auto& opened = static_cast<detail::ProgramRun&>(answered);
                                 if (opened.pid == 0) return opened.last.failure();
                                 opened.retain();  // the future lets go of its own share
                                 return ProgramStream{detail::Ref<detail::ProgramRun>{&opened}};
                               }};
  run->start(call_id_, request);
  if (!run->done()) run->allow(detail::ProgramRun::window);
  return future;
}

}  // namespace cofounder::sdk::inline v1
