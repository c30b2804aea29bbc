// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_connection.hpp"
#include "tests/store/store_fixture.hpp"

namespace cofounder::test {
namespace {

class SqliteRowsTest : public ::testing::Test {
 protected:
  SqliteRowsTest() { options.file = folder.path() / "state.db"; }

  TemporaryFolder folder;
  SqliteOptions options;
  Loop loop;
  FakeClock clock;
  StoreDriver driver{loop, clock};
};

// Somebody edited the file, or a disk lied: the daemon opens, and nothing of it is thrown away.
TEST_F(SqliteRowsTest, ThatMakeNoSenseFailTheirTaskAndNoOther) {
  driver.use(make_sqlite_store(loop, clock, options));
  driver.open().value();
  const auto submitted = driver.submit(std::vector<NewTask>(12, new_task()));
  ASSERT_TRUE(submitted);
  driver.close();
  driver.drop();
  const std::vector<std::string> damages = {
      "state = 7",
      "state = -1",
      "priority = 5000000000",
      "run_at = 9223372036854775807",
      "run_at = -1",
      "attempt = 99999999999",
      "uncounted = 5",
      "timeout = 9223372036854775807",
      "op = CAST(x'00ff80' AS TEXT)",
      "queue = ''",
  };
  const auto task = [&](std::size_t i) { return submitted->at(i).id; };
  {
    SqliteConnection hand{options.file, nullptr};
    for (std::size_t i = 0; i < damages.size(); ++i) {
      hand.execute("UPDATE tasks SET " + damages[i] +
                   " WHERE id = " + std::to_string(static_cast<std::int64_t>(task(i))));
    }
    hand.execute("DELETE FROM payloads WHERE id = " +
                 std::to_string(static_cast<std::int64_t>(task(10))));
  }
  driver.use(make_sqlite_store(loop, clock, options));
  const auto opened = driver.open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->unreadable, static_cast<std::int64_t>(damages.size()));
  EXPECT_EQ(opened->waiting, 2);
  for (std::size_t i = 0; i < damages.size(); ++i) {
    const auto record = driver.get(task(i));
    ASSERT_TRUE(record) << damages[i];
    EXPECT_EQ(record->state, TaskState::failed) << damages[i];
    EXPECT_EQ(record->error.value_or(Error{}).code, "record_unreadable") << damages[i];
    EXPECT_EQ(record->args, new_task().args) << damages[i] << ": what it was is kept";
  }

  // That its args are gone is seen when it is its turn; the one behind it runs.
  driver.limit(10);
  driver.until([&] { return driver.claimed.size() == 1; });
  EXPECT_EQ(driver.claimed[0].key.task, task(11));
  EXPECT_EQ(driver.get(task(10))->error.value_or(Error{}).code, "record_unreadable");

  // They are failed once, and are not found again.
  driver.close();
  driver.use(make_sqlite_store(loop, clock, options));
  EXPECT_EQ(driver.open().value().unreadable, 0);
  EXPECT_EQ(driver.get(task(0))->state, TaskState::failed);
}

}  // namespace
}  // namespace cofounder::test
