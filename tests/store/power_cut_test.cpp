// SPDX-License-Identifier: Apache-2.0
#include "tests/store/power_cut_vfs.hpp"
#include "tests/store/store_fixture.hpp"

#include <atomic>
#include <fstream>
#include <map>
#include <mutex>

namespace cofounder::test {
namespace {

// What the store acknowledged until now; written on the loop, read on the store's thread.
class Acknowledged {
 public:
  struct Known {
    bool is_over = false;
    int attempt = 0;
  };
  using All = std::map<TaskId, Known>;

  void submitted(TaskId task) {
    const std::lock_guard guard{mutex_};
    all_[task];
  }
  void claimed(const AttemptKey& key) {
    const std::lock_guard guard{mutex_};
    all_.at(key.task).attempt = key.attempt;
  }
  void over(TaskId task) {
    const std::lock_guard guard{mutex_};
    all_.at(task).is_over = true;
  }
  All all() const {
    const std::lock_guard guard{mutex_};
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  All all_;
};

// Cuts the power at random moments of a load, and looks at what a restart finds.
class PowerCut {
 public:
  PowerCut(const char* synchronous, int cuts, unsigned seed)
      : synchronous_{synchronous}, cuts_max_{cuts}, random_{seed}, workload_{seed + 1} {}

  // Of how many cuts something acknowledged was lost.
  int run() {
    SqliteOptions options;
    options.file = folder_.path() / "state.db";
    options.vfs = vfs_.name();
    options.synchronous = synchronous_;
    options.rows_max = 64;
    driver_.use(make_sqlite_store(loop_, clock_, options));
    driver_.open().value();
    vfs_.observe([this] { maybe_cut(); });
    ClaimLimits limits;
    limits.running_max = 40;
    limits.plugin_max["hello"] = 40;
    driver_.tasks().set_limits(limits);
    while (cuts_ < cuts_max_) {
      driver_.until([this] { return under_way_ < 8 || cuts_ >= cuts_max_; });
      work();
    }
    driver_.until([this] { return under_way_ == 0; });
    vfs_.observe(nullptr);
    driver_.close();
    driver_.drop();
    return losses_;
  }
  std::string first_loss() const { return first_loss_; }
  int cuts() const { return cuts_; }

 private:
  int pick(int below) { return static_cast<int>(workload_() % static_cast<unsigned>(below)); }

  void work() {
    std::vector<NewTask> tasks(static_cast<std::size_t>(1 + pick(12)), new_task());
    for (NewTask& task : tasks) {
      task.args = "{\"text\":\"" + std::string(static_cast<std::size_t>(pick(900)), 'x') + "\"}";
    }
    ++under_way_;
    driver_.tasks().submit(std::move(tasks), clock_.now(),
                           [this](Result<std::vector<Submitted>> done) {
                             --under_way_;
                             for (const Submitted& task : done.value()) {
                               acknowledged_.submitted(task.id);
                             }
                           });
    // Claims come after the answers of the submits that brought their tasks.
    std::vector<Verdict> verdicts;
    for (const ClaimedTask& task : driver_.take_claimed()) {
      acknowledged_.claimed(task.key);
      const bool is_last = pick(4) != 0;
      verdicts.push_back(verdict_of(task, Outcome::Kind::failed,
                                    is_last ? TaskState::failed : TaskState::scheduled,
                                    clock_.now()));
    }
    if (verdicts.empty()) return;
    ++under_way_;
    std::vector<std::pair<TaskId, bool>> ends;
    for (const Verdict& verdict : verdicts) {
      ends.emplace_back(verdict.key.task, is_over(verdict.state));
    }
    driver_.tasks().finish(std::move(verdicts),
                           [this, ends = std::move(ends)](Result<std::vector<bool>> done) {
                             --under_way_;
                             ASSERT_TRUE(done);
                             for (const auto& [task, is_end] : ends) {
                               if (is_end) acknowledged_.over(task);
                             }
                           });
  }

  // On the store's thread, before a write or a sync.
  void maybe_cut() {
    if (cuts_ >= cuts_max_ || wait_-- > 0) return;
    wait_ = static_cast<int>(random_() % 60);
    // First what was acknowledged: it has to be in an image that is made later.
    const Acknowledged::All acknowledged = acknowledged_.all();
    const PowerCutVfs::Image image = vfs_.image(random_);
    const TemporaryFolder folder;
    for (const auto& [name, content] : image) {
      std::ofstream{folder.path() / name, std::ios::binary} << content;
    }
    const std::string loss = loss_in(folder.path() / "state.db", acknowledged);
    if (!loss.empty()) {
      ++losses_;
      if (first_loss_.empty()) first_loss_ = loss;
    }
    ++cuts_;
  }

  static std::string loss_in(const std::filesystem::path& file,
                             const Acknowledged::All& acknowledged) {
    Loop loop;
    FakeClock clock;
    StoreDriver driver{loop, clock};
    SqliteOptions options;
    options.file = file;
    options.synchronous = "OFF";
    driver.use(make_sqlite_store(loop, clock, options));
    const auto opened = driver.open();
    if (!opened) return "cannot be opened: " + opened.error().message;
    std::map<TaskId, TaskRecord> found;
    TaskQuery query;
    query.limit = 1000;
    for (;;) {
      TaskPage page = driver.list(query);
      for (TaskRecord& task : page.tasks) found.emplace(task.id, std::move(task));
      if (page.next == 0) break;
      query.after = page.next;
    }
    for (const auto& [task, known] : acknowledged) {
      const auto there = found.find(task);
      if (there == found.end()) return "a submitted task is gone";
      if (known.is_over && !is_over(there->second.state)) return "an end is gone";
      if (there->second.attempt < known.attempt) return "a claim is gone";
    }
    return {};
  }

  const char* synchronous_;
  const int cuts_max_;
  std::mt19937 random_;
  std::mt19937 workload_;
  PowerCutVfs vfs_{"power_cut"};
  TemporaryFolder folder_;
  Loop loop_;
  FakeClock clock_;
  StoreDriver driver_{loop_, clock_};
  Acknowledged acknowledged_;
  int under_way_ = 0;
  std::atomic<int> cuts_{0};
  // The store's thread writes them while it runs.
  int wait_ = 0;
  int losses_ = 0;
  std::string first_loss_;
};

TEST(PowerCut, LosesNothingThatWasAcknowledged) {
  PowerCut cut{"FULL", 200, 20261123};
  EXPECT_EQ(cut.run(), 0) << cut.first_loss();
  EXPECT_EQ(cut.cuts(), 200);
}

// The test above would see a missing fsync: without any, it fails.
TEST(PowerCut, WithoutSyncsTheSameTestFindsLosses) {
  PowerCut cut{"OFF", 20, 20261123};
  EXPECT_GT(cut.run(), 0);
  EXPECT_NE(cut.first_loss(), "");
}

// NORMAL syncs the log at checkpoints only: the last commits are lost.
TEST(PowerCut, NormalIsNotEnough) {
  PowerCut cut{"NORMAL", 40, 20261123};
  EXPECT_GT(cut.run(), 0);
}

}  // namespace
}  // namespace cofounder::test
