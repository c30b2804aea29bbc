// SPDX-License-Identifier: Apache-2.0
#include "core/host/files.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cofounder {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = testing::TempDir() + "cofounderd_files_XXXXXX";
    top = ::mkdtemp(pattern.data());
    for (const char* name : {"in", "in/sub", "out", "state", "elsewhere"}) {
      fs::create_directories(top / name);
    }
    config.paths.state = top / "state";
    config.paths.scratch = top / "scratch";
    config.files.read = {top / "in"};
    config.files.write = {top / "out"};
    config.files.file_bytes_max = 1'000;
    config.files.upload_bytes_max = 1'000;
    write("in/a.txt", "hello");
    write("in/sub/b.txt", "deep");
    write("elsewhere/secret", "secret");
    write("state/cofounderd.db", "database");
  }
  ~FilesTest() override { fs::remove_all(top); }

  void write(const char* name, std::string_view text) { std::ofstream{top / name} << text; }
  std::string path(const char* name) const { return (top / name).string(); }
  static std::string read(int descriptor) {
    std::string text(100, '\0');
    const auto size = ::read(descriptor, text.data(), text.size());
    ::close(descriptor);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return text;
  }
  static std::string read(const fs::path& file) {
    return read(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  }
  std::string opened(const std::string& name) {
    const auto file = files->open_for_reading(name);
    return file ? read(*file) : file.error().code;
  }
  std::string created(const std::string& name) {
    const auto output = files->create_file(name);
    return output ? "ok" : output.error().code;
  }
  void open() {
    files = std::make_unique<Files>(config);
    const auto error = files->open();
    ASSERT_FALSE(error) << error->message;
  }
  std::size_t entries(const char* name) const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{top / name}, fs::directory_iterator{}));
  }
  Files::Upload::Done upload(std::string_view text) {
    auto incoming = files->begin_upload().value();
    EXPECT_FALSE(incoming->write(text));
    return incoming->finish().value();
  }

  fs::path top;
  Config config;
  std::unique_ptr<Files> files;
};

TEST_F(FilesTest, OpensRegularFilesBelowAllowedFolders) {
  open();
  EXPECT_EQ(opened(path("in/a.txt")), "hello");
  EXPECT_EQ(opened(path("in/sub/b.txt")), "deep");
  EXPECT_EQ(opened(path("in//sub/./b.txt")), "deep");
}

TEST_F(FilesTest, DeniesWhatLeadsOutOfThem) {
  fs::create_symlink(path("elsewhere/secret"), path("in/link"));
  fs::create_symlink(path("in/a.txt"), path("in/inner"));
  fs::create_directory_symlink(path("elsewhere"), path("in/folder"));
  open();
  EXPECT_EQ(opened(path("elsewhere/secret")), "file_denied");
  EXPECT_EQ(opened(path("in/../elsewhere/secret")), "file_denied");
  EXPECT_EQ(opened(path("in/sub/../../elsewhere/secret")), "file_denied");
  EXPECT_EQ(opened(path("in/link")), "file_denied");
  EXPECT_EQ(opened(path("in/inner")), "file_denied") << "no link, also not to an allowed file";
  EXPECT_EQ(opened(path("in/folder/secret")), "file_denied");
  EXPECT_EQ(opened(path("in")), "file_denied");
  EXPECT_EQ(opened(path("inner")), "file_denied");
  EXPECT_EQ(opened("in/a.txt"), "file_denied");
  EXPECT_EQ(opened(""), "file_denied");
  EXPECT_EQ(opened(path("in/a.txt") + std::string{"\0x", 2}), "file_denied");
  EXPECT_EQ(opened(path("in/") + std::string(5'000, 'a')), "file_denied");
  EXPECT_EQ(opened(path("in/") + std::string(300, 'a')), "file_not_found");
}

TEST_F(FilesTest, OpensNothingButRegularFiles) {
  ASSERT_EQ(::mkfifo(path("in/fifo").c_str(), 0600), 0);
  config.files.read.push_back("/dev");
  config.files.read.push_back("/proc");
  open();
  EXPECT_EQ(opened(path("in/fifo")), "file_not_regular");
  EXPECT_EQ(opened(path("in/sub")), "file_not_regular");
  EXPECT_EQ(opened("/dev/zero"), "file_not_regular");
  EXPECT_EQ(opened("/proc/self/environ"), "file_denied") << "\"self\" is a link";
  EXPECT_EQ(opened("/proc/" + std::to_string(::getpid()) + "/environ"), "file_not_regular");
}

TEST_F(FilesTest, TellsWhatIsMissingTooBigOrUnreadable) {
  write("in/big", std::string(1'001, 'x'));
  write("in/most", std::string(1'000, 'x'));
  open();
  EXPECT_EQ(opened(path("in/none")), "file_not_found");
  EXPECT_EQ(opened(path("in/a.txt/none")), "file_not_found");
  EXPECT_EQ(opened(path("in/big")), "file_too_big");
  EXPECT_EQ(opened(path("in/most")).size(), 100u);
  if (::geteuid() != 0) {
    ::chmod(path("in/a.txt").c_str(), 0);
    EXPECT_EQ(opened(path("in/a.txt")), "file_unreadable");
  }
}

TEST_F(FilesTest, KeepsTheDaemonsOwnFilesAlsoBelowAllowedFolders) {
  config.files.read = {top};
  config.files.write = {top};
  config.store.path = path("elsewhere/my.db");
  config.plugin["x"].secrets["key"] = {SecretSource::Kind::file, path("elsewhere/secret")};
  write("elsewhere/my.db", "rows");
  write("elsewhere/my.db-wal", "rows");
  open();
  EXPECT_EQ(opened(path("in/a.txt")), "hello");
  EXPECT_EQ(opened(path("state/cofounderd.db")), "file_denied");
  EXPECT_EQ(opened(path("elsewhere/my.db")), "file_denied");
  EXPECT_EQ(opened(path("elsewhere/my.db-wal")), "file_denied");
  EXPECT_EQ(opened(path("elsewhere/secret")), "file_denied");
  EXPECT_EQ(opened(path("scratch/.lock")), "file_denied");
  EXPECT_EQ(created(path("state/cofounderd.db")), "file_denied");
  EXPECT_EQ(created(path("elsewhere/my.db")), "file_denied");
}

TEST_F(FilesTest, ReadsTheFileThatItOpenedWhenItIsReplaced) {
  open();
  const int file = files->open_for_reading(path("in/a.txt")).value();
  fs::remove(path("in/a.txt"));
  fs::create_symlink(path("elsewhere/secret"), path("in/a.txt"));

  EXPECT_EQ(read(file), "hello");
  EXPECT_EQ(opened(path("in/a.txt")), "file_denied");
}

TEST_F(FilesTest, NeverFollowsALinkThatIsPutInPlaceMeanwhile) {
  open();
  std::atomic<bool> ending{false};
  std::jthread swapper{[&] {
    while (!ending) {
      fs::remove(path("in/swap"));
      fs::create_symlink(path("elsewhere/secret"), path("in/swap"));
      fs::remove(path("in/swap"));
      write("in/swap", "mine");
    }
  }};
  for (int i = 0; i < 2'000; ++i) {
    const std::string text = opened(path("in/swap"));
    EXPECT_NE(text, "secret");
  }
  ending = true;
}

TEST_F(FilesTest, PutsAWrittenFileInPlaceWholeOrNotAtAll) {
  write("out/old", "old");
  open();
  {
    auto output = files->create_file(path("out/old")).value();
    EXPECT_FALSE(output->write("new and"));
    EXPECT_FALSE(output->write(" longer"));
    EXPECT_EQ(read(top / "out/old"), "old");
    EXPECT_FALSE(output->commit());
    EXPECT_EQ(output->bytes(), 14u);
  }
  EXPECT_EQ(read(top / "out/old"), "new and longer");
  {
    auto output = files->create_file(path("out/gone")).value();
    EXPECT_FALSE(output->write("lost"));
  }
  EXPECT_EQ(entries("out"), 1u) << "a file that was not committed vanishes";
  {
    auto output = files->create_file(path("out/again")).value();
    EXPECT_FALSE(output->write("first try"));
    EXPECT_FALSE(output->clear());
    EXPECT_FALSE(output->write("second"));
    EXPECT_FALSE(output->commit());
  }
  EXPECT_EQ(read(top / "out/again"), "second");
}

TEST_F(FilesTest, WritesOnlyBelowAllowedFolders) {
  fs::create_directory_symlink(path("elsewhere"), path("out/folder"));
  fs::create_symlink(path("elsewhere/secret"), path("out/link"));
  fs::create_directory(path("out/dir"));
  open();
  EXPECT_EQ(created(path("out/x")), "ok");
  EXPECT_EQ(created(path("out/dir/x")), "ok");
  EXPECT_EQ(created(path("in/x")), "file_denied");
  EXPECT_EQ(created(path("out/../in/x")), "file_denied");
  EXPECT_EQ(created(path("out/folder/x")), "file_denied");
  EXPECT_EQ(created(path("out/link")), "file_not_regular");
  EXPECT_EQ(created(path("out/dir")), "file_not_regular");
  EXPECT_EQ(created(path("out/")), "file_denied");
  EXPECT_EQ(created(path("out")), "file_denied");
  EXPECT_EQ(created(path("out/none/x")), "file_not_found");

  auto output = files->create_file(path("out/most")).value();
  EXPECT_FALSE(output->write(std::string(1'000, 'x')));
  EXPECT_EQ(output->write("x")->code, "file_too_big");
}

TEST_F(FilesTest, NeverWritesThroughALinkThatCameMeanwhile) {
  open();
  auto output = files->create_file(path("out/x")).value();
  EXPECT_FALSE(output->write("text"));
  fs::create_symlink(path("elsewhere/secret"), path("out/x"));

  EXPECT_EQ(output->commit()->code, "file_not_regular");
  EXPECT_EQ(read(top / "elsewhere/secret"), "secret");
}

TEST_F(FilesTest, UploadsBelongToOneTask) {
  open();
  const auto done = upload("content");
  EXPECT_EQ(done.bytes, 7u);
  EXPECT_EQ(done.sha256, "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
  ASSERT_TRUE(done.id.starts_with("upload:"));

  files->bind_upload(done.id, 7);
  files->bind_upload(done.id, 8);
  EXPECT_EQ(read(files->open_upload(done.id, 7).value()), "content");
  EXPECT_EQ(files->open_upload(done.id, 8).error().code, "file_not_found");
  EXPECT_EQ(files->open_upload("upload:../../in/a.txt", 7).error().code, "file_not_found");
  EXPECT_EQ(files->open_upload("nonsense", 7).error().code, "file_not_found");
  files->task_over(7);
  EXPECT_EQ(files->open_upload(done.id, 7).error().code, "file_not_found");
  EXPECT_EQ(entries("scratch/uploads"), 0u);
}

TEST_F(FilesTest, AnUploadThatNobodyBoundIsTheFirstTasks) {
  open();
  const auto done = upload("content");
  EXPECT_EQ(read(files->open_upload(done.id, 7).value()), "content");
  EXPECT_EQ(files->open_upload(done.id, 8).error().code, "file_not_found");
  EXPECT_EQ(files->tasks(), std::vector<TaskId>{7});
}

TEST_F(FilesTest, UploadsHaveALimitAndVanishWhenTheyAreBrokenOff) {
  open();
  auto incoming = files->begin_upload().value();
  EXPECT_FALSE(incoming->write(std::string(1'000, 'x')));
  EXPECT_EQ(incoming->write("x")->code, "file_too_big");
  EXPECT_EQ(entries("scratch/uploads"), 1u);
  incoming.reset();
  EXPECT_EQ(entries("scratch/uploads"), 0u);
}

TEST_F(FilesTest, UploadsThatNoTaskHasExpire) {
  open();
  const auto free = upload("free");
  const auto bound = upload("bound");
  files->bind_upload(bound.id, 7);
  const auto now = std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());

  files->expire_uploads(now + config.files.upload_kept - Milliseconds{60'000});
  EXPECT_EQ(entries("scratch/uploads"), 2u);
  files->expire_uploads(now + config.files.upload_kept + Milliseconds{60'000});
  EXPECT_EQ(entries("scratch/uploads"), 1u);
  EXPECT_EQ(read(files->open_upload(bound.id, 7).value()), "bound");
}

TEST_F(FilesTest, AThousandScratchFoldersAreGone) {
  open();
  for (TaskId task = 1; task <= 1'000; ++task) {
    const auto folder = files->attempt_folder(task, 1, "x").value();
    fs::create_directories(folder / "deep/er");
    std::ofstream{folder / "deep/er/file"} << "text";
    std::ofstream{files->task_folder(task, "x").value() / "file"} << "kept";
  }
  EXPECT_EQ(files->scratch_bytes_of("x"), 8'000u);
  EXPECT_EQ(files->scratch_bytes_of("y"), 0u);
  EXPECT_EQ(files->scratch_bytes(5, 1, "x"), 8u);

  for (TaskId task = 1; task <= 1'000; ++task) files->attempt_over(task, 1);
  EXPECT_EQ(entries("scratch/attempt/x"), 0u) << "out of the way at once";
  EXPECT_EQ(entries("scratch/task/x"), 1'000u) << "kept over attempts";
  for (TaskId task = 1; task <= 1'000; ++task) files->task_over(task);
  files->wait_until_removed();
  EXPECT_EQ(entries("scratch/task/x"), 0u);
  EXPECT_EQ(entries("scratch/trash"), 0u);
  EXPECT_EQ(files->scratch_bytes_of("x"), 0u);
}

TEST_F(FilesTest, ScratchFoldersAreTheDaemonsAlone) {
  open();
  const auto folder = files->attempt_folder(3, 2, "x").value();
  struct stat info {};
  ASSERT_EQ(::stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0700u);
  EXPECT_EQ(files->attempt_folder(3, 2, "x").value(), folder);
  EXPECT_NE(files->attempt_folder(3, 3, "x").value(), folder);

  std::ofstream{folder / "file"} << "text";
  fs::create_symlink(path("elsewhere/secret"), folder / "link");
  EXPECT_EQ(read(files->open_in_folder(folder, "file").value()), "text");
  EXPECT_EQ(files->open_in_folder(folder, "link").error().code, "file_denied");
  EXPECT_EQ(files->open_in_folder(folder, "../x").error().code, "file_denied");
  EXPECT_EQ(files->create_in_folder(folder, "..").error().code, "file_denied");
  EXPECT_EQ(files->create_in_folder(folder, "link").error().code, "file_not_regular");
  files->task_over(3);
  files->wait_until_removed();
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_EQ(read(top / "elsewhere/secret"), "secret") << "removing follows no link";
}

TEST_F(FilesTest, RemovesFoldersThatThePluginLocked) {
  open();
  const auto folder = files->attempt_folder(3, 1, "x").value();
  fs::create_directory(folder / "locked");
  std::ofstream{folder / "locked/file"} << "text";
  ::chmod((folder / "locked").c_str(), 0);
  files->attempt_over(3, 1);
  files->wait_until_removed();
  EXPECT_EQ(entries("scratch/trash"), 0u);
}

TEST_F(FilesTest, ANewDaemonRemovesWhatADeadOneLeft) {
  open();
  files->attempt_folder(5, 1, "x").value();
  files->task_folder(6, "x").value();
  const auto bound = upload("bound");
  files->bind_upload(bound.id, 7);
  const auto young = upload("young");
  write("scratch/uploads/0123.part", "half");
  files.reset();  // as a crash leaves it: nothing was told to be over
  fs::create_directories(top / "scratch/trash/half-removed/deep");

  open();
  files->wait_until_removed();
  EXPECT_EQ(entries("scratch/attempt"), 0u);
  EXPECT_EQ(entries("scratch/trash"), 0u);
  EXPECT_EQ(entries("scratch/uploads"), 2u);
  EXPECT_EQ(files->tasks(), (std::vector<TaskId>{6, 7}));
  EXPECT_EQ(read(files->open_upload(bound.id, 7).value()), "bound");
  EXPECT_EQ(read(files->open_upload(young.id, 8).value()), "young");
  files->task_over(6);
  EXPECT_EQ(entries("scratch/task/x"), 0u);
}

TEST_F(FilesTest, OnlyOneDaemonUsesAScratchFolder) {
  open();
  Files second{config};
  EXPECT_EQ(second.open()->code, "scratch_locked");
  files.reset();
  EXPECT_FALSE(second.open());
}

TEST_F(FilesTest, SaysWhenScratchCannotBeUsed) {
  config.paths.scratch = path("in/a.txt/scratch");
  EXPECT_EQ(Files{config}.open()->code, "scratch_unusable");
}

TEST_F(FilesTest, LeavesNoDescriptorOpen) {
  open();
  const auto count = [] {
    return std::distance(fs::directory_iterator{"/proc/self/fd"}, fs::directory_iterator{});
  };
  const auto before = count();
  for (int i = 0; i < 100; ++i) {
    opened(path("in/a.txt"));
    opened(path("in/sub"));
    created(path("out/x"));
    upload("text");
  }
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace cofounder
