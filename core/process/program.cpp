// SPDX-License-Identifier: Apache-2.0
#include "core/process/program.hpp"

#include "core/base/loop.hpp"
#include "core/process/reaper_start.hpp"
#include "core/reaper/protocol.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <limits>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace cofounder {
namespace {

using boost::asio::posix::stream_descriptor;

constexpr std::size_t read_bytes = 32 * 1024;
// What is read when the reaper is over but somebody still holds the pipe.
constexpr std::size_t rest_bytes_max = 1u << 20;

class Run;

}  // namespace

// What the loop and the starting thread share.
struct Programs::State {
  State(Loop& the_loop, Clock& the_clock, std::filesystem::path the_reaper)
      : loop{the_loop}, clock{the_clock}, reaper{std::move(the_reaper)} {}

  struct Wanted {
    ProgramSpec spec;
    std::shared_ptr<Run> run;
  };

  void start_thread(const std::shared_ptr<State>& self);
  void run_thread(const std::shared_ptr<State>& self);

  Loop& loop;
  Clock& clock;
  const std::filesystem::path reaper;
  std::set<Run*> runs;                  // loop
  std::array<char, read_bytes> buffer;  // loop
  std::thread thread;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Wanted> wanted;  // guarded by mutex
  bool stopping = false;      // guarded by mutex
};

namespace {

class Run final : public Program, public std::enable_shared_from_this<Run> {
 public:
  Run(std::shared_ptr<Programs::State> state, ProgramHandler handler)
      : state_{std::move(state)}, handler_{std::move(handler)} {}
  ~Run() override { close(); }

  void adopt(Result<StartedReaper> started);
  void signal(int number) override {
    if (started_) send(reaper::Command::signal, number);
  }
  void end(Milliseconds grace, Milliseconds patience) override;
  bool is_wanted() const noexcept { return wanted_; }  // from any thread
  // Lets go of everything: the reaper sees it and ends what runs.
  void close() noexcept;

 private:
  struct Pipe {
    std::optional<stream_descriptor> end;
    std::size_t rest = 0;  // read since the reaper was over
  };

  void send(reaper::Command command, std::int64_t value);
  void wait_control();
  void read_control();
  void take(const reaper::ReportMessage& message);
  void wait_process();
  void reaper_over();
  void wait_pipe(Pipe& pipe);
  void read_pipe(Pipe& pipe);
  void finish_when_drained();
  void finish();

  std::shared_ptr<Programs::State> state_;
  ProgramHandler handler_;
  std::optional<stream_descriptor> control_;
  std::optional<stream_descriptor> process_;
  Pipe output_;
  Pipe errors_;
  std::atomic<bool> wanted_{true};  // nobody asked for its end yet
  std::optional<Milliseconds> grace_;       // the end was asked for before it was started
  Milliseconds patience_{0};
  TimerId stuck_timer_ = 0;
  ProgramEnd end_;
  bool started_ = false;
  bool told_ = false;     // the reaper said how it ended, or why it does not run
  bool over_ = false;     // the reaper is over
  bool closed_ = false;
};

Error why_failed(int error, reaper::Step step) {
  const std::string reason = std::strerror(error);
  if (step == reaper::Step::folder) {
    return make_error("folder_gone", "the program's folder cannot be entered: " + reason);
  }
  if (step == reaper::Step::program && (error == ENOENT || error == ENOTDIR)) {
    return make_error("program_not_found", "there is no such program, or its interpreter is missing");
  }
  if (step == reaper::Step::program && (error == EACCES || error == EPERM)) {
    return make_error("program_denied", "the program may not be executed: " + reason);
  }
  const bool later = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
  return make_error("program_not_started", "the program cannot be started: " + reason, later);
}

void Run::adopt(Result<StartedReaper> started) {
  if (closed_) return;  // its descriptors close, and the reaper ends
  if (started.has_error()) {
    end_.error = started.error();
    told_ = over_ = true;
    return finish();
  }
  auto& context = state_->loop.context();
  control_.emplace(context, started->control.release());
  process_.emplace(context, started->process.release());
  output_.end.emplace(context, started->output.release());
  if (started->errors) errors_.end.emplace(context, started->errors.release());
  wait_control();
  wait_process();
  if (grace_) end(*grace_, patience_);
}

void Run::end(Milliseconds grace, Milliseconds patience) {
  if (closed_ || over_) return;
  wanted_ = false;
  if (!process_) {
    grace_ = grace_ ? std::min(*grace_, grace) : grace;
    patience_ = patience;
    return;
  }
  send(reaper::Command::end, grace.count());
  if (stuck_timer_ != 0) state_->clock.cancel(stuck_timer_);
  stuck_timer_ = state_->clock.call_after(grace + patience, [this] {
    stuck_timer_ = 0;
    ::syscall(SYS_pidfd_send_signal, process_->native_handle(), SIGKILL, nullptr, 0);
  });
}

void Run::send(reaper::Command command, std::int64_t value) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  const reaper::CommandMessage message{command, static_cast<std::int32_t>(std::min(value, most))};
  // A few bytes each, and the reaper always reads: when they do not fit it is stuck, and the timer
  // of end() sees to it.
  if (control_) ::send(control_->native_handle(), &message, sizeof message, MSG_NOSIGNAL);
}

void Run::wait_control() {
  control_->async_wait(stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         if (!error && !self->closed_) self->read_control();
                       });
}

void Run::read_control() {
  while (control_) {
    reaper::ReportMessage message{};
    const ssize_t size = ::recv(control_->native_handle(), &message, sizeof message, MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return wait_control();
    if (size <= 0) return control_.reset();
    if (size == static_cast<ssize_t>(sizeof message)) take(message);
    if (closed_) return;
  }
}

void Run::take(const reaper::ReportMessage& message) {
  switch (message.report) {
    case reaper::Report::started:
      if (std::exchange(started_, true)) return;
      if (handler_.on_started) handler_.on_started(message.value);
      if (closed_) return;
      // Not before: nothing it says comes earlier than that it runs.
      wait_pipe(output_);
      if (!closed_) wait_pipe(errors_);
      return;
    case reaper::Report::failed:
      told_ = true;
      end_.error = why_failed(message.value, static_cast<reaper::Step>(message.value2));
      return;
    case reaper::Report::ended:
      told_ = true;
      end_.code = std::max(message.value, 0);
      end_.signal = std::max(-message.value, 0);
      end_.left = message.left;
      end_.cpu = std::chrono::microseconds{message.cpu_us};
      end_.rss_bytes_peak = static_cast<std::uint64_t>(std::max<std::int64_t>(message.rss_bytes, 0));
      return;
  }
}

void Run::wait_process() {
  process_->async_wait(stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         if (!error && !self->closed_) self->reaper_over();
                       });
}

void Run::reaper_over() {
  siginfo_t info{};
  const auto pidfd = static_cast<id_t>(process_->native_handle());
  if (::waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0) {
    return wait_process();
  }
  process_.reset();
  if (control_) control_->cancel();
  read_control();
  if (closed_) return;
  over_ = true;
  if (!told_) {
    end_.error = make_error("reaper_lost", "the program's reaper is gone: the program was killed, "
                                           "but what had left its session may run on", true);
  }
  for (Pipe* pipe : {&output_, &errors_}) {
    if (closed_ || !pipe->end) continue;
    if (!started_) {
      pipe->end.reset();
    } else {
      pipe->end->cancel();
      read_pipe(*pipe);
    }
  }
  if (!closed_) finish_when_drained();
}

void Run::wait_pipe(Pipe& pipe) {
  if (!pipe.end) return;
  pipe.end->async_wait(stream_descriptor::wait_read, [self = shared_from_this(), &pipe](
                                                         const boost::system::error_code& error) {
    if (!error && !self->closed_ && pipe.end) self->read_pipe(pipe);
  });
}

// One piece at a time, so that everybody else on the loop gets a turn.
void Run::read_pipe(Pipe& pipe) {
  auto& buffer = state_->buffer;
  const ssize_t size = ::read(pipe.end->native_handle(), buffer.data(), buffer.size());
  if (size < 0 && (errno == EINTR || (errno == EAGAIN && !over_))) return wait_pipe(pipe);
  if (size > 0) {
    auto& handler = &pipe == &output_ ? handler_.on_output : handler_.on_errors;
    if (handler) handler(std::string_view{buffer.data(), static_cast<std::size_t>(size)});
    if (closed_) return;
    if (over_) pipe.rest += static_cast<std::size_t>(size);
    if (pipe.rest < rest_bytes_max) return wait_pipe(pipe);
  }
  pipe.end.reset();
  finish_when_drained();
}

void Run::finish_when_drained() {
  if (over_ && !output_.end && !errors_.end) finish();
}

void Run::finish() {
  const auto self = shared_from_this();
  auto action = std::move(handler_.on_end);
  close();
  if (action) action(end_);
}

void Run::close() noexcept {
  if (std::exchange(closed_, true)) return;
  state_->runs.erase(this);
  if (stuck_timer_ != 0) state_->clock.cancel(std::exchange(stuck_timer_, 0));
  // Its reaper, if it runs, ends by itself, and is waited for by whoever inherits it.
  control_.reset();
  process_.reset();
  output_.end.reset();
  errors_.end.reset();
  handler_ = {};
}

}  // namespace

void Programs::State::start_thread(const std::shared_ptr<State>& self) {
  // Signals are for the loop's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread = std::thread{[self] { self->run_thread(self); }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Programs::State::run_thread(const std::shared_ptr<State>& self) {
  ::prctl(PR_SET_NAME, "programs");
  std::unique_lock lock{mutex};
  for (;;) {
    changed.wait(lock, [this] { return stopping || !wanted.empty(); });
    if (stopping) return;
    Wanted next = std::move(wanted.front());
    wanted.pop_front();
    lock.unlock();
    Result<StartedReaper> started =
        make_error("program_not_started", "the program was ended before it was started");
    if (next.run->is_wanted()) started = start_reaper(reaper, next.spec);
    loop.post([self, run = std::move(next.run), started = std::move(started)]() mutable {
      run->adopt(std::move(started));
    });
    lock.lock();
  }
}

Programs::Programs(Loop& loop, Clock& clock, std::filesystem::path reaper)
    : state_{std::make_shared<State>(loop, clock, std::move(reaper))} {}

Programs::~Programs() {
  {
    const std::lock_guard lock{state_->mutex};
    state_->stopping = true;
  }
  state_->changed.notify_one();
  if (state_->thread.joinable()) state_->thread.join();
  state_->wanted.clear();
  while (!state_->runs.empty()) (*state_->runs.begin())->close();
}

std::shared_ptr<Program> Programs::start(ProgramSpec spec, ProgramHandler handler) {
  const auto run = std::make_shared<Run>(state_, std::move(handler));
  state_->runs.insert(run.get());
  if (!state_->thread.joinable()) state_->start_thread(state_);
  {
    const std::lock_guard lock{state_->mutex};
    state_->wanted.push_back({std::move(spec), run});
  }
  state_->changed.notify_one();
  return run;
}

std::filesystem::path find_helper(std::string_view name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  auto beside = self.parent_path() / name;
  if (!error && std::filesystem::exists(beside, error)) return beside;
  return std::filesystem::path{COFOUNDER_LIBEXEC_DIR} / name;
}

}  // namespace cofounder
