// SPDX-License-Identifier: Apache-2.0
// Whose file is loaded, and that it is the one that was looked at.
#include "core/host/library.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace cofounder::host {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LibraryFiles : public testing::Test {
 protected:
  LibraryFiles() {
    std::string name = (fs::temp_directory_path() / "cofounder-library.XXXXXX").string();
    folder = ::mkdtemp(name.data());
    fs::copy_file(fs::path{COFOUNDER_BINARY_DIR} / "fixtures/bad-json.so", plugin());
    fs::copy_file(plugin(), folder / "other.so");
  }
  ~LibraryFiles() override { fs::remove_all(folder); }

  fs::path plugin() const { return folder / "plugin.so"; }
  void expect_refused(const char* code, const char* words) const {
    const auto file = LibraryFile::open(plugin());
    ASSERT_TRUE(file.has_error());
    EXPECT_EQ(file.error().code, code);
    EXPECT_THAT(file.error().message, HasSubstr(words));
    EXPECT_THAT(file.error().message, HasSubstr(plugin().string()));
  }
  // Opened, then changed, then loaded.
  template <class Change>
  void expect_noticed(Change change) const {
    auto file = LibraryFile::open(plugin());
    ASSERT_FALSE(file.has_error()) << file.error().message;
    change();
    const auto library = load_library(*file, folder / "copies");
    ASSERT_TRUE(library.has_error());
    EXPECT_EQ(library.error().code, "plugin_file_changed");
    EXPECT_TRUE(library.error().retryable);
    EXPECT_THAT(library.error().message, HasSubstr("changed while it was loaded"));
  }
  fs::path folder;
};

TEST_F(LibraryFiles, IsLoadedWhenNothingIsWrong) {
  auto file = LibraryFile::open(plugin());
  ASSERT_FALSE(file.has_error()) << file.error().message;
  const auto library = load_library(*file, folder / "copies");
  ASSERT_FALSE(library.has_error()) << library.error().message;
  EXPECT_EQ(library->sha256.size(), 64u);
}

TEST_F(LibraryFiles, IsRefusedWhenItIsALink) {
  fs::create_directory(folder / "elsewhere");
  fs::rename(plugin(), folder / "elsewhere/plugin.so");
  fs::create_symlink(folder / "elsewhere/plugin.so", plugin());
  expect_refused("unreadable", "it is a link");
}

TEST_F(LibraryFiles, IsRefusedWhenOthersMayWriteIt) {
  for (const mode_t mode : {0664u, 0646u, 0666u}) {
    ASSERT_EQ(::chmod(plugin().c_str(), mode), 0);
    expect_refused("plugin_file_unsafe", "may write it");
  }
  ASSERT_EQ(::chmod(plugin().c_str(), 0644), 0);
  EXPECT_FALSE(LibraryFile::open(plugin()).has_error());
}

TEST_F(LibraryFiles, IsRefusedWhenItBelongsToSomebodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(::chown(plugin().c_str(), 65534, 65534), 0);
  expect_refused("plugin_file_unsafe", "owner 65534");
}

TEST_F(LibraryFiles, IsRefusedWhenItIsWrittenMeanwhile) {
  expect_noticed([this] { std::ofstream{plugin(), std::ios::app} << 'x'; });
}

TEST_F(LibraryFiles, IsRefusedWhenItIsReplacedMeanwhile) {
  expect_noticed([this] { fs::rename(folder / "other.so", plugin()); });
}

TEST_F(LibraryFiles, IsRefusedWhenItIsReplacedByALinkMeanwhile) {
  expect_noticed([this] {
    fs::rename(plugin(), folder / "moved.so");
    fs::create_symlink(folder / "moved.so", plugin());
  });
}

TEST_F(LibraryFiles, IsRefusedWhenItIsRemovedMeanwhile) {
  expect_noticed([this] { fs::remove(plugin()); });
}

}  // namespace
}  // namespace cofounder::host
