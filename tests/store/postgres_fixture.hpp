// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/store/store_fixture.hpp"

#include <gmock/gmock.h>

namespace cofounder::test {

// Skips the whole program where no PostgreSQL can be started.
class NeedsPostgres final : public ::testing::Environment {
 public:
  void SetUp() override {
    if (const std::string why = postgres_absent(); !why.empty()) GTEST_SKIP() << why;
  }
};
inline ::testing::Environment* const needs_postgres =
    ::testing::AddGlobalTestEnvironment(new NeedsPostgres);

// Stores on the tests' PostgreSQL with its own clock, and a hand that looks into the tables.
class PostgresStoreTest : public ::testing::Test {
 protected:
  PostgresStoreTest() {
    options.dsn = postgres_dsn();
    options.schema = schema.name();
    options.node = "n1";
  }
  std::string at(const std::string& table) const { return schema.name() + "." + table; }
  void open(StoreDriver& driver, const PostgresOptions& with) {
    driver.use(make_postgres_store(loop, loop.clock(), with));
    driver.open().value();
  }
  Error refused(const PostgresOptions& with) {
    StoreDriver driver{loop, loop.clock()};
    driver.use(make_postgres_store(loop, loop.clock(), with));
    auto opened = driver.open();
    EXPECT_FALSE(opened);
    if (opened) return {};
    EXPECT_THAT(opened.error().message + opened.error().hint, ::testing::Not(::testing::HasSubstr("horse")));
    EXPECT_FALSE(opened.error().hint.empty()) << opened.error().message;
    return opened.error();
  }
  static ClaimLimits limits(int most) {
    ClaimLimits made;
    made.running_max = most;
    made.plugin_max = {{"hello", most}};
    return made;
  }

  Loop loop;
  PostgresSchema schema;
  PostgresHand hand;
  PostgresOptions options;
  StoreDriver first{loop, loop.clock()};
  StoreDriver second{loop, loop.clock()};
};

}  // namespace cofounder::test
