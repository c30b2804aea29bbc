// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/wait.hpp"

#include "core/base/text.hpp"
#include "core/ctl/table.hpp"

#include <poll.h>

#include <algorithm>
#include <cmath>
#include <ostream>

namespace cofounder::ctl {
namespace {

using std::chrono::steady_clock;
constexpr std::string_view for_ever = "for-ever";

// One line on a terminal that is written over again and again.
class ProgressLine {
 public:
  explicit ProgressLine(Session& session)
      : err_{session.err}, is_shown_{session.err_is_terminal && !session.json} {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(json::View task) {
    if (!is_shown_) return;
    std::string text = task.string_or("id", "?") + " " + task.string_or("state", "?");
    const std::int64_t attempt = task.integer_or("attempt", 0);
    if (attempt > 1) text += ", attempt " + std::to_string(attempt);
    const json::View progress = task.find("progress");
    const auto fraction =
        progress.is_object() ? progress.find("fraction").as_number() : progress.as_number();
    if (fraction && *fraction >= 0) {
      constexpr int width = 20;
      const double part = std::min(1.0, *fraction);
      const auto filled = static_cast<std::size_t>(std::lround(part * width));
      text += " [" + std::string(filled, '#') + std::string(width - filled, '.') + "] " +
              std::to_string(std::lround(part * 100)) + " %";
    }
    const std::string words = progress.is_object() ? progress.string_or("text", "") : "";
    if (!words.empty()) text += " " + words;
    text = printable(text);
    if (text == last_) return;
    clear();
    err_ << text << std::flush;
    last_ = text;
  }

  void clear() {
    if (!last_.empty()) err_ << "\r\x1b[K" << std::flush;
    last_.clear();
  }

 private:
  std::ostream& err_;
  bool is_shown_;
  std::string last_;
};

int outcome_of(Session& session, json::View task) {
  const std::string state = task.string_or("state", "");
  if (state == "succeeded") return exit_code::ok;
  Failure failure{exit_code::failed, json::error_from_json(task.find("error")), {}};
  session.err << "cofounderctl: task " << printable(task.string_or("id", "?")) << " "
              << (state == "timed_out"   ? "timed out"
                  : state == "cancelled" ? "was cancelled"
                                         : state);
  if (!failure.error.message.empty()) {
    session.err << ": " << printable(failure.error.message) << " (" << printable(failure.error.code)
                << ")";
  }
  session.err << '\n';
  if (!failure.error.hint.empty()) session.err << "hint: " << printable(failure.error.hint) << '\n';
  return failure.exit;
}

}  // namespace

bool is_over(std::string_view state) noexcept {
  return state == "succeeded" || state == "failed" || state == "cancelled" || state == "timed_out";
}

Patience::Patience(const Given& given, std::string_view option) {
  const std::string text = given.one(option, for_ever);
  if (text == for_ever) return;
  const auto duration = parse_duration(text);
  if (!duration) {
    fail(exit_code::usage, "usage",
         "--" + std::string{option} + "=" + text + " is not a duration such as 30s or 15min");
  }
  // A year is for ever, and cannot overflow.
  until_ = steady_clock::now() + std::min<Milliseconds>(*duration, std::chrono::hours{24 * 365});
}

bool Patience::is_over() const noexcept { return until_ && steady_clock::now() >= *until_; }

Milliseconds Patience::slice(Milliseconds most) const noexcept {
  if (!until_) return most;
  const auto left = std::chrono::ceil<Milliseconds>(*until_ - steady_clock::now());
  return std::clamp(left, Milliseconds{0}, most);
}

// On a terminal the line lives; else only the end matters.
Milliseconds wait_slice(const Session& session) noexcept {
  return session.err_is_terminal && !session.json ? Milliseconds{1'000} : Milliseconds{30'000};
}

int wait_for_task(Session& session, Answer answer, const Patience& patience) {
  ProgressLine line{session};
  for (;;) {
    const json::Document document = parse_body(answer);
    const json::View task = document.root();
    const std::string id = task.string_or("id", "");
    if (id.empty()) fail(exit_code::failed, "bad_answer", "the daemon's answer is no task");
    const bool over = is_over(task.string_or("state", ""));
    if (over || patience.is_over()) {
      line.clear();
      if (!printed_as_json(session, answer)) print_object(session.out, task, wall_now());
      session.out.flush();
      if (over) return outcome_of(session, task);
      session.err << "cofounderctl: task " << printable(id) << " is not over yet\n";
      return exit_code::timed_out;
    }
    line.show(task);

    const Milliseconds slice = std::max(patience.slice(wait_slice(session)), Milliseconds{1});
    Request request;
    request.target = "/v1/tasks/" + encode(id) + "?wait=" + encode(to_string(slice));
    request.silence_max += slice;
    const auto asked_at = steady_clock::now();
    answer = ask(session, request);
    // A daemon that is stopping answers at once: do not ask it thousands of times.
    if (steady_clock::now() - asked_at < slice / 4) ::poll(nullptr, 0, 50);
  }
}

}  // namespace cofounder::ctl
