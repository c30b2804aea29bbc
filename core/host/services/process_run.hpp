// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/services/line_cutter.hpp"
#include "core/host/services/process_request.hpp"
#include "core/host/services/service.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace cofounder::host {

// One program of a plugin, from the loop's side: turns what it writes into replies, without ever
// making it wait.
//
// Lines wait here until the plugin has pulled, or (without PULL) returned from reply(); beyond the
// bound the oldest are dropped.  On the loop only.
class ProgramRun : public std::enable_shared_from_this<ProgramRun> {
 public:
  ProgramRun(Instance& instance, std::uint64_t handle, ProgramRequest request,
             std::shared_ptr<Operation> operation);

  std::uint64_t handle() const noexcept { return handle_; }  // from any thread
  bool pulls() const noexcept { return request_.pull; }      // from any thread

  void start();
  void cancel();
  void signal(int number);
  void pull(std::uint64_t bytes);

 private:
  struct Line {
    std::string text;
    std::int64_t number = 0;
    bool is_cut = false;
  };

  void end_with_call();
  void timed_out();
  void end_as(std::int32_t status, Milliseconds grace, Milliseconds patience);
  void started(int pid);
  void take_output(std::string_view bytes);
  void take_errors(std::string_view bytes);
  void add_line(std::string_view text, std::size_t missing);
  void let_lines_go();
  void post_line(Line line);
  void ended(const ProgramEnd& end);
  void finish_when_drained();
  void finish();
  std::string report() const;

  Instance& instance_;
  const std::uint64_t handle_;
  ProgramRequest request_;
  Answer answer_;
  std::shared_ptr<Program> program_;
  TimerId timer_ = 0;
  Mono started_at_{};
  bool was_started_ = false;
  bool is_over_ = false;        // nothing of it runs
  bool finished_ = false;
  std::int32_t status_ = COF_OK;  // why we ended it
  ProgramEnd end_;
  Nanoseconds duration_{0};

  LineCutter cutter_;
  std::deque<Line> lines_;      // that wait
  std::size_t lines_bytes_ = 0;
  std::uint64_t credit_ = 0;
  std::size_t waiting_ = 0;     // bytes that were posted, and reply() has not returned
  std::string output_;          // WHOLE
  std::string errors_;          // at least the end of it

  std::uint64_t output_bytes_ = 0;
  std::uint64_t output_bytes_dropped_ = 0;
  std::uint64_t errors_bytes_ = 0;
  std::int64_t line_count_ = 0;
  std::uint64_t lines_dropped_ = 0;
  std::uint64_t lines_cut_ = 0;
};

}  // namespace cofounder::host
