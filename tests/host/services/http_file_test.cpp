// SPDX-License-Identifier: Apache-2.0
// Bodies and answers of HTTP requests in files.
#include "core/host/disk_worker.hpp"
#include "tests/host/services/http_fixture.hpp"

namespace cofounder::host::test {
namespace {

TEST_F(HttpServiceTest, SendsFilesAndReceivesIntoFiles) {
  manifest.permissions.files = true;
  std::ofstream{top / "in/a"} << "0123456789";
  load();
  const std::string in = (top / "in/a").string();
  const std::string out = (top / "out/b").string();
  const auto call = add_call(COF_CALL_OPERATION, "{\"a\":\"" + in + "\",\"b\":\"" + out + "\"}");
  const auto* file = table<cof_file_service>(COF_FILE_IID);
  std::uint64_t reading = 0;
  std::uint64_t writing = 0;
  ASSERT_EQ(file->open(host, call->id, text(in), COF_FILE_READ, &reading), COF_OK);
  ASSERT_EQ(file->open(host, call->id, text(out), COF_FILE_WRITE, &writing), COF_OK);
  auto wanted = request("/echo");
  wanted.method = text("PUT");
  cof_http_part part{sizeof part, 0, {}, reading, 2, 5};
  const cof_http_part* parts[] = {&part};
  wanted.parts = parts;
  wanted.part_count = 1;
  wanted.framing = COF_HTTP_FILE;
  wanted.response_file = writing;
  ASSERT_EQ(start(wanted, 1, call->id), COF_OK);
  file->release(host, reading);
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(last(1).body, "");
  EXPECT_EQ(file->commit(host, writing), COF_OK);
  std::ifstream written{out};
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>{written}, {}}), "PUT 23456");

  part.size = 9;
  EXPECT_EQ(start(wanted, 2, call->id), COF_EGONE) << "released";
  ASSERT_EQ(file->open(host, call->id, text(in), COF_FILE_READ, &reading), COF_OK);
  part.file = reading;
  EXPECT_EQ(start(wanted, 2, call->id), COF_EINVALID) << "beyond its end";
  part.file = writing;
  EXPECT_EQ(start(wanted, 2, call->id), COF_EINVALID) << "not for reading";
  wanted.response_file = reading;
  EXPECT_EQ(start(wanted, 2, call->id), COF_EINVALID) << "not for writing";
  wanted.response_file = 12'345;
  EXPECT_EQ(start(wanted, 2, call->id), COF_EGONE);
  wanted.response_file = 0;
  EXPECT_EQ(start(wanted, 2, call->id), COF_EINVALID);
}

// The disk's worker is held up, as by a disk that does not answer.
class HeldDisk {
 public:
  explicit HeldDisk(Files& files) {
    files.disk().run([this] {
      std::unique_lock lock{mutex_};
      is_held_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return is_free_; });
    });
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return is_held_; });
  }
  ~HeldDisk() { release(); }
  void release() {
    const std::lock_guard lock{mutex_};
    is_free_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_held_ = false;
  bool is_free_ = false;
};

TEST_F(HttpServiceTest, ASlowDiskSlowsTheTransferAndNotTheLoop) {
  manifest.permissions.files = true;
  load();
  const std::string out = (top / "out/b").string();
  const auto call = add_call(COF_CALL_OPERATION, "{\"b\":\"" + out + "\"}");
  const auto* file = table<cof_file_service>(COF_FILE_IID);
  std::uint64_t writing = 0;
  ASSERT_EQ(file->open(host, call->id, text(out), COF_FILE_WRITE, &writing), COF_OK);
  ASSERT_EQ(file->write(host, writing, bytes("of the plugin, before")), COF_OK);
  HeldDisk disk{*files};
  auto wanted = request("/stream");
  wanted.framing = COF_HTTP_FILE;
  wanted.response_file = writing;
  ASSERT_EQ(start(wanted, 1, call->id), COF_OK);
  // The loop takes what the window allows, and goes on with other things meanwhile.
  wait_for([&] { return files->disk().waiting_bytes() >= 256 * 1024; });
  EXPECT_EQ(start(request("/echo"), 2), COF_OK);
  EXPECT_EQ(last(2).status, COF_OK);
  EXPECT_EQ(replies(1).size(), 1u) << "the head; no end before all is written";
  EXPECT_LT(files->disk().waiting_bytes(), 512u * 1024);
  disk.release();
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(last(1).value2, 6'553'600);
  EXPECT_EQ(file->commit(host, writing), COF_OK);
  EXPECT_EQ(std::filesystem::file_size(out), 6'553'600u);
  EXPECT_EQ(files->disk().waiting_bytes(), 0u);
}

TEST_F(HttpServiceTest, AfterACancelNothingMoreIsWritten) {
  manifest.permissions.files = true;
  load();
  const std::string out = (top / "out/b").string();
  const auto call = add_call(COF_CALL_OPERATION, "{\"b\":\"" + out + "\"}");
  const auto* file = table<cof_file_service>(COF_FILE_IID);
  std::uint64_t writing = 0;
  ASSERT_EQ(file->open(host, call->id, text(out), COF_FILE_WRITE, &writing), COF_OK);
  HeldDisk disk{*files};
  auto wanted = request("/stream");
  wanted.framing = COF_HTTP_FILE;
  wanted.response_file = writing;
  ASSERT_EQ(start(wanted, 1, call->id), COF_OK);
  wait_for([&] { return files->disk().waiting_bytes() > 0; });
  EXPECT_EQ(http->cancel(host, handle), COF_OK);
  EXPECT_EQ(last(1).status, COF_ECANCELLED) << "the cancel does not wait for the disk";
  ASSERT_EQ(file->write(host, writing, bytes("of the plugin")), COF_OK);
  disk.release();
  wait_for([&] { return files->disk().waiting_bytes() == 0; });
  EXPECT_EQ(file->commit(host, writing), COF_OK);
  std::ifstream written{out};
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>{written}, {}}), "of the plugin");
}

TEST_F(HttpServiceTest, AnEmptyAnswerEmptiesTheFile) {
  manifest.permissions.files = true;
  load();
  const std::string out = (top / "out/b").string();
  const auto call = add_call(COF_CALL_OPERATION, "{\"b\":\"" + out + "\"}");
  const auto* file = table<cof_file_service>(COF_FILE_IID);
  std::uint64_t writing = 0;
  ASSERT_EQ(file->open(host, call->id, text(out), COF_FILE_WRITE, &writing), COF_OK);
  ASSERT_EQ(file->write(host, writing, bytes("old")), COF_OK);
  HeldDisk disk{*files};
  auto wanted = request("/empty");
  wanted.framing = COF_HTTP_FILE;
  wanted.response_file = writing;
  ASSERT_EQ(start(wanted, 1, call->id), COF_OK);
  wait_for([&] { return !replies(1).empty(); });
  EXPECT_EQ(start(request("/echo"), 2), COF_OK);
  last(2);
  EXPECT_EQ(replies(1).size(), 1u) << "not before the file is empty";
  disk.release();
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(file->commit(host, writing), COF_OK);
  EXPECT_EQ(std::filesystem::file_size(out), 0u);
}

}  // namespace
}  // namespace cofounder::host::test
