// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/process_run.hpp"

#include <algorithm>
#include <limits>

namespace cofounder::host {
namespace {

constexpr std::size_t window_bytes = 256 * 1024;
constexpr std::size_t line_overhead = 64;  // what a line lies in
constexpr Milliseconds patience{5'000};    // for what SIGKILL does not end at once

std::int32_t status_of(const Error& error) {
  if (error.code == "program_not_found") return COF_ENOTFOUND;
  if (error.code == "program_denied") return COF_EDENIED;
  if (error.code == "reaper_lost") return COF_ECRASHED;
  if (error.code == "folder_gone") return COF_EUNAVAILABLE;
  return error.retryable ? COF_EUNAVAILABLE : COF_EFAILED;
}

std::int64_t milliseconds(Nanoseconds duration) {
  return std::chrono::duration_cast<Milliseconds>(duration).count();
}

}  // namespace

ProgramRun::ProgramRun(Instance& instance, std::uint64_t handle, ProgramRequest request,
                       std::shared_ptr<Operation> operation)
    : instance_{instance},
      handle_{handle},
      request_{std::move(request)},
      answer_{instance, std::move(operation)},
      cutter_{request_.line_bytes_max} {}

void ProgramRun::start() {
  const auto self = shared_from_this();
  ProgramHandler handler;
  handler.on_started = [self](int pid) { self->started(pid); };
  handler.on_output = [self](std::string_view bytes) { self->take_output(bytes); };
  handler.on_errors = [self](std::string_view bytes) { self->take_errors(bytes); };
  handler.on_end = [self](const ProgramEnd& end) { self->ended(end); };
  program_ = instance_.world().programs->start(std::move(request_.spec), std::move(handler));
  if (request_.timeout.count() > 0) {
    timer_ = clock_of(instance_).call_after(request_.timeout, [self] {
      self->timer_ = 0;
      self->timed_out();
    });
  }
  instance_.on_cancel(answer_.operation(), [self] {
    if (self->finished_) return;
    if (self->answer_.operation()->call->cancel_reason == 0) {
      self->instance_.services().count_left_open(LeftOpen::program);
    }
    self->end_with_call();
  });
}

// The plugin waits for the last reply, and it has no longer than its own grace time.
void ProgramRun::end_with_call() {
  const Milliseconds grace = instance_.config()->deadlines.grace;
  end_as(COF_ECANCELLED, std::min(request_.spec.grace, grace / 2), grace / 4);
}

void ProgramRun::cancel() { end_as(COF_ECANCELLED, request_.spec.grace, patience); }
void ProgramRun::timed_out() { end_as(COF_ETIMEDOUT, request_.spec.grace, patience); }

void ProgramRun::end_as(std::int32_t status, Milliseconds grace, Milliseconds its_patience) {
  if (finished_) return;
  if (status_ == COF_OK) status_ = status;
  if (status_ == COF_ECANCELLED) {  // nobody reads them any more
    lines_.clear();
    lines_bytes_ = 0;
    output_.clear();
  }
  if (is_over_) return finish_when_drained();
  program_->end(grace, its_patience);
}

void ProgramRun::signal(int number) {
  if (!is_over_) program_->signal(number);
}

void ProgramRun::pull(std::uint64_t bytes) {
  credit_ += std::min(bytes, std::numeric_limits<std::uint64_t>::max() - credit_);
  let_lines_go();
  finish_when_drained();
}

void ProgramRun::started(int pid) {
  was_started_ = true;
  started_at_ = clock_of(instance_).mono();
  Reply reply;
  reply.last = false;
  reply.kind = COF_PROCESS_STARTED;
  reply.value = pid;
  instance_.reply(answer_.operation(), std::move(reply));
}

void ProgramRun::take_output(std::string_view bytes) {
  output_bytes_ += bytes.size();
  if (status_ == COF_ECANCELLED) {
    output_bytes_dropped_ += bytes.size();
  } else if (request_.output == COF_PROCESS_LINES) {
    cutter_.feed(bytes, [this](std::string_view line, std::size_t missing) {
      add_line(line, missing);
    });
    let_lines_go();
  } else if (request_.output == COF_PROCESS_WHOLE) {
    const std::size_t room = request_.output_bytes_max - output_.size();
    output_.append(bytes.substr(0, room));
    output_bytes_dropped_ += bytes.size() - std::min(room, bytes.size());
  }
}

void ProgramRun::take_errors(std::string_view bytes) {
  errors_bytes_ += bytes.size();
  errors_.append(bytes);
  // Only when it is twice the bound, so that each byte is moved once.
  const std::size_t most = request_.errors_bytes_max;
  if (errors_.size() > 2 * most) errors_.erase(0, errors_.size() - most);
}

void ProgramRun::add_line(std::string_view text, std::size_t missing) {
  Line line{std::string{text}, ++line_count_, missing > 0};
  if (line.is_cut) ++lines_cut_;
  output_bytes_dropped_ += missing;
  lines_bytes_ += line.text.size() + line_overhead;
  lines_.push_back(std::move(line));
  let_lines_go();
  while (lines_bytes_ > request_.output_bytes_max && !lines_.empty()) {
    ++lines_dropped_;
    output_bytes_dropped_ += lines_.front().text.size();
    lines_bytes_ -= lines_.front().text.size() + line_overhead;
    lines_.pop_front();
  }
}

void ProgramRun::let_lines_go() {
  while (!lines_.empty()) {
    const std::size_t size = lines_.front().text.size();
    if (request_.pull ? credit_ == 0 : waiting_ >= window_bytes) return;
    if (request_.pull) credit_ -= std::min<std::uint64_t>(credit_, std::max<std::size_t>(size, 1));
    lines_bytes_ -= size + line_overhead;
    post_line(std::move(lines_.front()));
    lines_.pop_front();
  }
}

void ProgramRun::post_line(Line line) {
  Reply reply;
  reply.last = false;
  reply.kind = COF_PROCESS_OUTPUT;
  reply.value = line.number;
  reply.value2 = line.is_cut ? 1 : 0;
  reply.body = std::move(line.text);
  if (!request_.pull) {
    const std::size_t size = reply.body.size() + line_overhead;
    waiting_ += size;
    reply.delivered = [self = shared_from_this(), size] {
      self->waiting_ -= size;
      // Only at half: each time costs something.
      if (self->waiting_ > window_bytes / 2) return;
      self->let_lines_go();
      self->finish_when_drained();
    };
  }
  instance_.reply(answer_.operation(), std::move(reply));
}

void ProgramRun::ended(const ProgramEnd& end) {
  is_over_ = true;
  end_ = end;
  program_.reset();
  if (timer_ != 0) clock_of(instance_).cancel(std::exchange(timer_, 0));
  if (was_started_) duration_ = clock_of(instance_).mono() - started_at_;
  if (status_ != COF_ECANCELLED) {
    cutter_.finish([this](std::string_view line, std::size_t missing) { add_line(line, missing); });
  }
  finish_when_drained();
}

void ProgramRun::finish_when_drained() {
  if (is_over_ && lines_.empty() && !finished_) finish();
}

void ProgramRun::finish() {
  finished_ = true;
  if (!output_.empty()) {
    Reply whole;
    whole.last = false;
    whole.kind = COF_PROCESS_OUTPUT;
    whole.body = std::move(output_);
    instance_.reply(answer_.operation(), std::move(whole));
  }
  Reply last;
  if (end_.error) last = Reply::failure(*end_.error);
  if (end_.error) last.status = status_of(*end_.error);
  if (status_ != COF_OK) {
    last = Reply::failure(status_);
    if (status_ == COF_ETIMEDOUT) {
      last.error_message =
          "the program ran longer than " + std::to_string(request_.timeout.count()) + " ms";
    }
  }
  last.kind = COF_PROCESS_END;
  if (was_started_) {
    last.value = end_.signal != 0 ? -end_.signal : end_.code;
    last.value2 = static_cast<std::int64_t>(output_bytes_);
    const std::size_t most = request_.errors_bytes_max;
    if (errors_.size() > most) errors_.erase(0, errors_.size() - most);
    last.body = std::move(errors_);
    last.name = report();
  }
  instance_.services().programs.remove(handle_);
  answer_.give(std::move(last));
}

std::string ProgramRun::report() const {
  const auto cpu = std::chrono::duration_cast<Nanoseconds>(end_.cpu);
  json::Writer out;
  out.begin_object()
      .member("duration_ms", milliseconds(duration_))
      .member("cpu_ms", milliseconds(cpu))
      .member("rss_bytes_peak", static_cast<std::int64_t>(end_.rss_bytes_peak))
      .member("output_bytes", static_cast<std::int64_t>(output_bytes_))
      .member("output_bytes_dropped", static_cast<std::int64_t>(output_bytes_dropped_))
      .member("lines", line_count_)
      .member("lines_dropped", static_cast<std::int64_t>(lines_dropped_))
      .member("lines_cut", static_cast<std::int64_t>(lines_cut_))
      .member("errors_bytes", static_cast<std::int64_t>(errors_bytes_))
      .member("left", std::int64_t{end_.left})
      .end_object();
  return out.take();
}

}  // namespace cofounder::host
