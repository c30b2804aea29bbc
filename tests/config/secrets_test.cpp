// SPDX-License-Identifier: Apache-2.0
#include "tests/config/config_fixture.hpp"

#include <sys/stat.h>

namespace cofounder {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = SecretSource::Kind;

class SecretTest : public ConfigTest {
 protected:
  SecretTest() { ::setenv("CREDENTIALS_DIRECTORY", folder.c_str(), 1); }
  ~SecretTest() override { ::unsetenv("CREDENTIALS_DIRECTORY"); }

  void keep(std::string_view name, std::string_view text, mode_t mode = 0400) {
    write(folder / name, text);
    ASSERT_EQ(::chmod((folder / name).c_str(), mode), 0);
  }
  std::string path(std::string_view name) const { return (folder / name).native(); }
  static std::string code(const SecretSource& source) {
    const auto secret = read_secret(source);
    return secret ? "read" : secret.error().code;
  }
};

TEST_F(SecretTest, ReadsCredentialsWithoutTheirLastLineBreak) {
  keep("a", "hunter2\n");
  keep("b", "two\nlines\r\n");
  EXPECT_EQ(read_secret({Kind::credential, "a"}).value(), "hunter2");
  EXPECT_EQ(read_secret({Kind::credential, "b"}).value(), "two\nlines");
}

TEST_F(SecretTest, ACredentialIsAFileNameInTheFolderOnly) {
  for (const char* name : {"", ".", "..", "../a", "/etc/passwd"}) {
    EXPECT_EQ(code({Kind::credential, name}), "secret_unreadable") << name;
  }
}

TEST_F(SecretTest, MissingOnesSayWhatToDo) {
  const auto credential = read_secret({Kind::credential, "nothing"});
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code, "secret_missing");
  EXPECT_THAT(credential.error().hint, HasSubstr("LoadCredential=nothing:"));

  ::unsetenv("CREDENTIALS_DIRECTORY");
  const auto none = read_secret({Kind::credential, "nothing"});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("systemd passed no credentials"));

  ::unsetenv("COF_TEST_SECRET");
  EXPECT_EQ(code({Kind::environment, "COF_TEST_SECRET"}), "secret_missing");
  EXPECT_EQ(code({Kind::file, path("nothing")}), "secret_missing");
  keep("empty", "\n");
  EXPECT_EQ(code({Kind::file, path("empty")}), "secret_missing");
}

TEST_F(SecretTest, ReadsTheEnvironment) {
  ::setenv("COF_TEST_SECRET", "hunter2", 1);
  EXPECT_EQ(read_secret({Kind::environment, "COF_TEST_SECRET"}).value(), "hunter2");
  ::unsetenv("COF_TEST_SECRET");
}

TEST_F(SecretTest, RefusesAFileThatEveryoneMayReadOrWrite) {
  keep("open", "hunter2\n", 0644);
  const auto secret = read_secret({Kind::file, path("open")});
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().code, "secret_unreadable");
  EXPECT_THAT(secret.error().message, HasSubstr("may be read or written by everyone"));
  EXPECT_THAT(secret.error().message, Not(HasSubstr("hunter2")));
  EXPECT_EQ(secret.error().hint, "chmod o= " + path("open"));

  keep("writable", "hunter2\n", 0602);
  EXPECT_EQ(code({Kind::file, path("writable")}), "secret_unreadable");
  keep("group", "hunter2\n", 0640);
  EXPECT_EQ(read_secret({Kind::file, path("group")}).value(), "hunter2");
}

TEST_F(SecretTest, RefusesWhatIsNoFile) {
  EXPECT_EQ(code({Kind::file, folder.native()}), "secret_unreadable");
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(code({Kind::file, path("fifo")}), "secret_unreadable");
  EXPECT_EQ(code({Kind::file, "/dev/zero"}), "secret_unreadable");
  keep("huge", std::string((1u << 20) + 1, 'x'));
  EXPECT_EQ(code({Kind::file, path("huge")}), "secret_unreadable");
}

}  // namespace
}  // namespace cofounder
