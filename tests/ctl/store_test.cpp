// SPDX-License-Identifier: Apache-2.0
// Backups and checks of the store, against a daemon that says what it likes.
#include <filesystem>
#include <iterator>

#include "tests/ctl/ctl_fixture.hpp"

namespace cofounder::ctl {
namespace {

using test::error_answer;
using test::http_answer;
using testing::HasSubstr;

std::string text_of(const std::string& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

TEST_F(CtlTest, ABackupAppearsWhenItIsWhole) {
  const std::filesystem::path folder = daemon.socket().parent_path() / "backups";
  std::filesystem::create_directory(folder);
  const std::string file = folder / "backup.db";
  const auto names = [&] {
    return std::distance(std::filesystem::directory_iterator{folder},
                         std::filesystem::directory_iterator{});
  };
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbytes\r\n";
  on("GET /v1/store/backup", head);  // and then the daemon is gone
  on("GET /v1/store/backup", error_answer(403, "access_denied", "you may not"));
  on("GET /v1/store/backup", error_answer(507, "disk_full", "no room"));
  on("GET /v1/store/backup", head + "0\r\n\r\n");
  for (const int code : {exit_code::failed, exit_code::denied, exit_code::failed}) {
    EXPECT_EQ(run({"store", "backup", file}), code) << err;
    EXPECT_EQ(names(), 0) << "nothing is left of what is not whole";
  }
  EXPECT_THAT(err, HasSubstr("no room (disk_full)"));
  EXPECT_EQ(run({"store", "backup", file}), exit_code::ok) << err;
  EXPECT_EQ(text_of(file), "bytes");
  EXPECT_EQ(run({"store", "backup", file}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("file_exists"));
  EXPECT_EQ(names(), 1);
}

TEST_F(CtlTest, ACheckOfTheStoreFailsWhenSomethingIsWrong) {
  on("GET /v1/store/check", http_answer(200, R"({"ok":true,"problems":[]})"));
  on("GET /v1/store/check", http_answer(200, R"({"ok":false,"problems":["one","two"]})"));
  EXPECT_EQ(run({"store", "check"}), exit_code::ok);
  EXPECT_EQ(out, "the store is whole\n");
  EXPECT_EQ(run({"store", "check"}), exit_code::failed);
  EXPECT_EQ(out, "one\ntwo\n");
  EXPECT_EQ(run({"store", "check", "--json"}), exit_code::failed);
  EXPECT_EQ(out, R"({"ok":false,"problems":["one","two"]})");
}

}  // namespace
}  // namespace cofounder::ctl
