// SPDX-License-Identifier: Apache-2.0
// The many ways to set PostgreSQL up wrongly: each is refused with what to do about it.
#include "core/store/postgres_libpq.hpp"
#include "tests/store/postgres_fixture.hpp"

namespace cofounder::test {
namespace {

using ::testing::HasSubstr;
class PostgresSetup : public PostgresStoreTest {};

TEST(PostgresLibrary, MissingOrStrangeIsATypedError) {
  for (const char* name : {"libpq-that-is-not-there.so.5", "libm.so.6"}) {
    const auto opened = open_libpq(name);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, "store_unusable");
    EXPECT_THAT(opened.error().message, HasSubstr(name));
  }
  EXPECT_TRUE(open_libpq("libpq.so.5"));
}

TEST_F(PostgresSetup, AServerThatIsNotThereIsSaidToBe) {
  options.dsn = "host=/nowhere user=postgres dbname=postgres";
  const Error error = refused(options);
  EXPECT_EQ(error.code, "store_unavailable");
  EXPECT_TRUE(error.retryable);
  EXPECT_THAT(error.message, HasSubstr("cannot be reached"));
  options.dsn = "host=name.invalid user=postgres";
  EXPECT_THAT(refused(options).message, HasSubstr("name.invalid"));
}

TEST_F(PostgresSetup, AConnectionStringThatCannotBeReadIsNotRepeated) {
  options.dsn = "host=/tmp =horse";
  const Error error = refused(options);
  EXPECT_EQ(error.code, "store_unusable");
  options.dsn = "service=horse";
  EXPECT_THAT(refused(options).message, HasSubstr("service"));
}

TEST_F(PostgresSetup, AWrongPasswordIsSaidWithoutIt) {
  options.dsn = postgres_dsn(postgres_socket(), "somebody", "locked");
  Error error = refused(options);
  EXPECT_EQ(error.code, "store_unusable");
  EXPECT_THAT(error.hint, HasSubstr("password"));
  options.password = [] { return Result<std::string>{std::string{"wrong horse"}}; };
  error = refused(options);
  EXPECT_THAT(error.message, HasSubstr("password authentication failed"));
  options.password = [] {
    return Result<std::string>{make_error("secret_missing", "There is no credential.")};
  };
  StoreDriver driver{loop, loop.clock()};
  driver.use(make_postgres_store(loop, loop.clock(), options));
  EXPECT_EQ(driver.open().error().code, "secret_missing");
}

TEST_F(PostgresSetup, TheRightPasswordOpens) {
  options.dsn = postgres_dsn(postgres_socket(), "somebody", "locked");
  options.password = [] { return Result<std::string>{std::string{"correct horse"}}; };
  open(first, options);
  EXPECT_TRUE(first.submit(new_task()).is_new);
  first.close();
  PostgresHand{options.dsn + " password='correct horse'"}.run("DROP SCHEMA " + schema.name() +
                                                              " CASCADE");
}

TEST_F(PostgresSetup, AnUnknownDatabaseRoleOrEncodingIsSaid) {
  options.dsn = postgres_dsn(postgres_socket(), "postgres", "absent");
  EXPECT_THAT(refused(options).hint, HasSubstr("createdb"));
  options.dsn = postgres_dsn(postgres_socket(), "nobody_of_ours");
  EXPECT_THAT(refused(options).hint, HasSubstr("createuser"));
  options.dsn = postgres_dsn(postgres_socket(), "postgres", "latin");
  const Error error = refused(options);
  EXPECT_THAT(error.message, HasSubstr("LATIN1"));
  EXPECT_THAT(error.hint, HasSubstr("UTF8"));
}

TEST_F(PostgresSetup, ARoleWithoutRightsIsSaid) {
  const std::string role = schema.name() + "_role";
  hand.run("CREATE ROLE " + role + " LOGIN");
  options.dsn = postgres_dsn(postgres_socket(), role);
  Error error = refused(options);
  EXPECT_EQ(error.code, "store_unusable");
  EXPECT_THAT(error.hint, HasSubstr("GRANT CREATE"));
  hand.run("ALTER ROLE " + role + " SET default_transaction_read_only = on");
  error = refused(options);
  EXPECT_THAT(error.message, HasSubstr("read-only"));
  hand.run("DROP ROLE " + role);
}

TEST_F(PostgresSetup, ANewerSchemaIsRefused) {
  open(first, options);
  first.close();
  hand.run("UPDATE " + at("meta") + " SET value = 99 WHERE name = 'version'");
  const Error error = refused(options);
  EXPECT_EQ(error.code, "store_unusable");
  EXPECT_THAT(error.message, HasSubstr("version 99"));
  hand.run("DELETE FROM " + at("meta"));
  EXPECT_THAT(refused(options).message, HasSubstr("no version"));
}

TEST_F(PostgresSetup, ASchemaAlteredByHandIsSaid) {
  open(first, options);
  first.close();
  hand.run("ALTER TABLE " + at("nodes") + " RENAME TO knots");
  const Error error = refused(options);
  EXPECT_EQ(error.code, "store_unusable");
  EXPECT_THAT(error.hint, HasSubstr("not as the daemon made it"));
  EXPECT_THAT(error.message, HasSubstr("column nodes.name text"));
  hand.run("ALTER TABLE " + at("knots") + " RENAME TO nodes");
  hand.run("ALTER TABLE " + at("tasks") + " ADD COLUMN ours text");  // which hurts nobody
  open(second, options);
  second.close();
  for (const char* const change : {"ALTER TABLE %tasks ALTER COLUMN priority TYPE integer",
                                   "DROP INDEX %tasks_unique_key", "DROP TABLE %shape CASCADE"}) {
    std::string sql = change;
    hand.run(sql.replace(sql.find('%'), 1, schema.name() + "."));
    EXPECT_THAT(refused(options).hint, HasSubstr("not as the daemon made it")) << change;
  }
}

}  // namespace
}  // namespace cofounder::test
