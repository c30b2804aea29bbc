// SPDX-License-Identifier: Apache-2.0
// store_bench FOLDER [TASKS] [BATCH]: how fast the SQLite store takes tasks in, and has them
// claimed and finished, without anything around it.
#include "core/store/stores.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace cofounder {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto sum = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return sum(usage.ru_utime) + sum(usage.ru_stime);
}

// Ends what it is given at once, in one call for all that was claimed together.
class Bench {
 public:
  Bench(const std::filesystem::path& file, std::size_t batch)
      : batch_{batch}, stores_{make_sqlite_store(loop_, loop_.clock(), options(file))} {
    TaskStore::Listener listener;
    listener.on_claimed = [this](std::vector<ClaimedTask> tasks) { end(std::move(tasks)); };
    listener.on_next_due = [](Time) {};
    listener.on_availability = [](bool, const Error& why) {
      std::fprintf(stderr, "%s\n", why.message.c_str());
    };
    stores_.tasks.open(std::move(listener), [this](Result<TaskStore::Opened> opened) {
      std::printf("opened with %lld waiting\n", static_cast<long long>(opened.value().waiting));
      loop_.stop();
    });
    loop_.run();
  }

  void submit(std::size_t count) {
    std::size_t open = 0;
    for (std::size_t i = 0; i < count; i += 1000) {
      std::vector<NewTask> tasks(std::min<std::size_t>(1000, count - i));
      for (NewTask& task : tasks) {
        task.op = "hello.greet";
        task.args = R"({"name":"Ada Lovelace","times":3})";
        task.attempts_max = 3;
        task.timeout = std::chrono::minutes{15};
        task.submitter = "uid:1000";
      }
      ++open;
      stores_.tasks.submit(std::move(tasks), loop_.clock().now(),
                           [this, &open](const Result<std::vector<Submitted>>& done) {
                             static_cast<void>(done.value());
                             if (--open == 0) loop_.stop();
                           });
    }
    loop_.run();
  }

  void submit_one_by_one(int count) {
    int left = count;
    UniqueFunction<void()> next = [&] {
      std::vector<NewTask> one(1);
      one[0].op = "other.greet";
      one[0].args = "{}";
      one[0].attempts_max = 1;
      stores_.tasks.submit(std::move(one), loop_.clock().now(),
                           [&](const Result<std::vector<Submitted>>& done) {
                             static_cast<void>(done.value());
                             if (--left == 0) return loop_.stop();
                             next();
                           });
    };
    next();
    loop_.run();
  }

  void drain(std::size_t count) {
    left_ = count;
    ClaimLimits limits;
    limits.running_max = static_cast<int>(2 * batch_);
    limits.plugin_max["hello"] = limits.running_max;
    stores_.tasks.set_limits(std::move(limits));
    loop_.run();
  }

 private:
  static SqliteOptions options(const std::filesystem::path& file) {
    SqliteOptions made;
    made.file = file;
    return made;
  }

  void end(std::vector<ClaimedTask> tasks) {
    for (std::size_t i = 0; i < tasks.size(); i += batch_) {
      std::vector<Verdict> verdicts;
      verdicts.reserve(batch_);
      for (std::size_t j = i; j < std::min(i + batch_, tasks.size()); ++j) {
        Verdict& verdict = verdicts.emplace_back();
        verdict.key = tasks[j].key;
        verdict.outcome.kind = Outcome::Kind::succeeded;
        verdict.outcome.result = R"({"text":"Hello, Ada Lovelace"})";
        verdict.state = TaskState::succeeded;
        verdict.ended_at = loop_.clock().now();
      }
      stores_.tasks.finish(std::move(verdicts), [this](const Result<std::vector<bool>>& done) {
        left_ -= done.value().size();
        if (left_ == 0) loop_.stop();
      });
    }
  }

  Loop loop_;
  std::size_t batch_;
  std::size_t left_ = 0;
  Stores stores_;
};

int bench(const std::filesystem::path& folder, std::size_t tasks, std::size_t batch) {
  const std::filesystem::path file = folder / "store_bench.db";
  std::filesystem::create_directories(folder);
  for (const char* end : {"", "-wal", "-shm", ".lock"}) {
    std::filesystem::remove(file.string() + end);
  }
  const auto rate = [](const char* what, std::size_t count, double took, double cpu) {
    const auto n = static_cast<double>(count);
    std::printf("%-40s %9.0f /s   %6.1f us CPU each\n", what, n / took, cpu / n * 1e6);
  };
  {
    Bench store{file, batch};
    double cpu = cpu_seconds();
    double took = seconds_of([&] { store.submit(tasks); });
    rate("submit in arrays of 1000", tasks, took, cpu_seconds() - cpu);
    cpu = cpu_seconds();
    took = seconds_of([&] { store.drain(tasks); });
    rate("claim and finish", tasks, took, cpu_seconds() - cpu);
    cpu = cpu_seconds();
    took = seconds_of([&] { store.submit_one_by_one(2000); });
    rate("submit one by one", 2000, took, cpu_seconds() - cpu);
    store.submit(tasks);
  }
  const double took = seconds_of([&] { Bench store{file, batch}; });
  std::printf("%-40s %9.3f s\n", "open", took);
  return 0;
}

}  // namespace
}  // namespace cofounder

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: store_bench FOLDER [TASKS] [BATCH]\n");
    return 2;
  }
  return cofounder::bench(argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 200'000,
                          argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 256);
}
