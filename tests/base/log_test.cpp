// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>

namespace cofounder {
namespace {

// stderr goes into a pipe as long as this lives.
class StderrPipe {
 public:
  StderrPipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error{"pipe2"};
    read_ = ends[0];
    saved_ = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~StderrPipe() {
    restore();
    ::close(read_);
  }
  void restore() {
    if (saved_ < 0) return;
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    saved_ = -1;
  }
  // Everything that was written, after restore().
  std::string text() {
    restore();
    std::string all;
    char buffer[4096];
    for (ssize_t got; (got = ::read(read_, buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int read_ = -1;
  int saved_ = -1;
};

TEST(Log, WritesReadableLinesWithFields) {
  StderrPipe pipe;
  log::Options options;
  options.target = log::Options::Target::standard_error;
  log::open(options);
  log::info("started\nforged line", {{"COF_PLUGIN", "hello"}, {"COF_TASK", "01abc"}});
  log::debug("not shown");
  log::close();

  const std::string text = pipe.text();
  EXPECT_NE(text.find("Z info [plugin=hello task=01abc] started\\x0aforged line\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("not shown"), std::string::npos);
}

TEST(Log, NeverBlocksWhenStderrIsAFullPipe) {
  const std::uint64_t dropped_before = log::dropped();
  const auto begin = std::chrono::steady_clock::now();
  {
    StderrPipe pipe;  // nobody reads it: 64 KiB, then full
    log::Options options;
    options.target = log::Options::Target::standard_error;
    options.lines_max = 100;
    log::open(options);
    for (int i = 0; i < 5'000; ++i) log::info(std::string(100, 'x'));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{1});
    EXPECT_GT(log::dropped(), dropped_before);
    std::string drained = pipe.text();  // lets the writing thread go on
    log::close();
  }
}

}  // namespace
}  // namespace cofounder
