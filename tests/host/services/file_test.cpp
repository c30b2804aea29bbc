// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

#include <sys/stat.h>

namespace cofounder::host::test {
namespace {

namespace fs = std::filesystem;

class FileServiceTest : public ServiceTest {
 protected:
  FileServiceTest() {
    manifest.permissions.files = true;
    write("in/a.txt", "hello world");
    write("in/not_named.txt", "other");
    write("outside.txt", "secret");
  }
  void write(const char* name, std::string_view content) { std::ofstream{top / name} << content; }
  std::string path(std::string_view name) const { return (top / name).string(); }
  std::string read_back(std::string_view name) const {
    std::ifstream content{top / name};
    return {std::istreambuf_iterator<char>{content}, {}};
  }
  // A call whose args name these files.
  std::shared_ptr<Call> call_naming(const std::vector<std::string>& names) {
    json::Writer out;
    out.begin_object().key("nested").begin_object().key("files").begin_array();
    for (const auto& name : names) out.string(name);
    return add_call(COF_CALL_OPERATION, out.end_array().end_object().end_object().take());
  }
  std::int32_t open(const Call& call, std::string_view name, std::int32_t mode = COF_FILE_READ) {
    return file->open(host, call.id, text(name), mode, &handle);
  }
  std::string scratch_path(const Call& call, std::int32_t kind) {
    Sink out;
    EXPECT_EQ(scratch->path(host, call.id, kind, out), COF_OK);
    return out.written;
  }
  std::string name_of(std::uint64_t of) {
    Sink out;
    EXPECT_EQ(file->name(host, of, out), COF_OK);
    return out.written;
  }
  std::uint64_t handle = 0;
  const cof_file_service* file = table<cof_file_service>(COF_FILE_IID);
  const cof_scratch_service* scratch = table<cof_scratch_service>(COF_SCRATCH_IID);
};

TEST_F(FileServiceTest, ReadsAFileThatTheClientNamed) {
  load();
  const auto call = call_naming({path("in/a.txt")});
  ASSERT_EQ(open(*call, path("in/a.txt")), COF_OK);
  EXPECT_EQ(file->size(host, handle), 11);
  EXPECT_EQ(name_of(handle), "a.txt");
  std::string buffer(100, '\0');
  EXPECT_EQ(file->read(host, handle, 6, buffer.data(), 3), 3);
  EXPECT_EQ(buffer.substr(0, 3), "wor");
  EXPECT_EQ(file->read(host, handle, 11, buffer.data(), 3), 0);
  EXPECT_EQ(file->read(host, handle, 0, nullptr, 0), 0);
  EXPECT_EQ(file->read(host, handle, 0, nullptr, 1), COF_EINVALID);
  EXPECT_EQ(file->read(host, handle, UINT64_MAX, buffer.data(), 1), COF_EINVALID);
  EXPECT_EQ(file->write(host, handle, bytes("x")), COF_EINVALID);
  EXPECT_EQ(file->commit(host, handle), COF_EINVALID);
  file->release(host, handle);
  EXPECT_EQ(file->size(host, handle), COF_EGONE);
  EXPECT_EQ(file->read(host, handle, 0, buffer.data(), 1), COF_EGONE);
  EXPECT_EQ(file->write(host, handle, bytes("x")), COF_EGONE);
  EXPECT_EQ(file->commit(host, handle), COF_EGONE);
  EXPECT_EQ(file->name(host, handle, Sink{}), COF_EGONE);
  file->release(host, handle);
}

TEST_F(FileServiceTest, OpensOnlyWhatStandsInTheArguments) {
  fs::create_symlink(path("outside.txt"), top / "in/link");
  ASSERT_EQ(::mkfifo(path("in/fifo").c_str(), 0600), 0);
  config.files.file_bytes_max = 20;
  write("in/big", std::string(21, 'x'));
  load();
  const auto call = call_naming({path("outside.txt"), path("in/link"), path("in/fifo"),
                                 path("in/none"), path("in/big"), path("in"), "upload:none"});
  EXPECT_EQ(open(*call, path("in/not_named.txt")), COF_EDENIED);
  EXPECT_EQ(open(*call, path("outside.txt")), COF_EDENIED);
  EXPECT_EQ(open(*call, path("in/link")), COF_EDENIED);
  EXPECT_EQ(open(*call, path("in/fifo")), COF_EINVALID);
  EXPECT_EQ(open(*call, path("in/none")), COF_ENOTFOUND);
  EXPECT_EQ(open(*call, path("in/big")), COF_ETOOBIG);
  EXPECT_EQ(open(*call, "upload:none"), COF_ENOTFOUND);
  EXPECT_EQ(open(*call, path("in/big"), 3), COF_EUNSUPPORTED);
  EXPECT_EQ(file->open(host, call->id, broken_text, COF_FILE_READ, &handle), COF_EINVALID);
  EXPECT_EQ(file->open(host, call->id, text("x"), COF_FILE_READ, nullptr), COF_EINVALID);
  EXPECT_EQ(file->open(host, no_call, text("x"), COF_FILE_READ, &handle), COF_EGONE);
  EXPECT_EQ(file->open(host, 0, text("x"), COF_FILE_READ, &handle), COF_EGONE);
  EXPECT_EQ(handle, 0u);
}

TEST_F(FileServiceTest, NeedsAPermission) {
  manifest.permissions.files = false;
  load();
  const auto call = call_naming({path("in/a.txt")});
  EXPECT_EQ(open(*call, path("in/a.txt")), COF_EDENIED);
  EXPECT_EQ(open(*call, "scratch:attempt/own", COF_FILE_WRITE), COF_OK)
      << "its own temporary files are its own";
}

TEST_F(FileServiceTest, HandlesEndWithTheirCall) {
  load();
  const auto call = call_naming({path("in/a.txt"), path("out/new")});
  const auto other = call_naming({path("in/a.txt")});
  ASSERT_EQ(open(*call, path("in/a.txt")), COF_OK);
  const auto reading = handle;
  ASSERT_EQ(open(*call, path("out/new"), COF_FILE_WRITE), COF_OK);
  const auto writing = handle;
  ASSERT_EQ(open(*other, path("in/a.txt")), COF_OK);
  EXPECT_EQ(file->write(host, writing, bytes("half")), COF_OK);
  end(call);
  EXPECT_EQ(file->size(host, reading), COF_EGONE);
  EXPECT_EQ(file->write(host, writing, bytes("x")), COF_EGONE);
  EXPECT_EQ(file->size(host, handle), 11) << "another call's stays";
  EXPECT_TRUE(fs::is_empty(top / "out")) << "what was not committed vanished";
  EXPECT_EQ(metric("cofounderd_plugin_left_open", "kind", "file"), 2);
  EXPECT_EQ(open(*call, path("in/a.txt")), COF_EGONE);
}

TEST_F(FileServiceTest, WritesAndPutsInPlace) {
  load();
  const auto call = call_naming({path("out/new"), path("in/new")});
  EXPECT_EQ(open(*call, path("in/new"), COF_FILE_WRITE), COF_EDENIED);
  ASSERT_EQ(open(*call, path("out/new"), COF_FILE_WRITE), COF_OK);
  EXPECT_EQ(file->size(host, handle), 0);
  EXPECT_EQ(file->write(host, handle, bytes("one ")), COF_OK);
  EXPECT_EQ(file->write(host, handle, bytes("two")), COF_OK);
  EXPECT_EQ(file->write(host, handle, {nullptr, 1}), COF_EINVALID);
  char byte = 0;
  EXPECT_EQ(file->read(host, handle, 0, &byte, 1), COF_EINVALID);
  EXPECT_FALSE(fs::exists(top / "out/new"));
  EXPECT_EQ(file->commit(host, handle), COF_OK);
  EXPECT_EQ(read_back("out/new"), "one two");
  EXPECT_EQ(file->commit(host, handle), COF_EINVALID);
  EXPECT_EQ(file->write(host, handle, bytes("x")), COF_EINVALID);
}

TEST_F(FileServiceTest, AFileHasALimit) {
  config.files.file_bytes_max = 10;
  load();
  const auto call = call_naming({path("out/new")});
  ASSERT_EQ(open(*call, path("out/new"), COF_FILE_WRITE), COF_OK);
  EXPECT_EQ(file->write(host, handle, bytes("0123456789")), COF_OK);
  EXPECT_EQ(file->write(host, handle, bytes("x")), COF_ETOOBIG);
}

TEST_F(FileServiceTest, OpensTheUploadsOfItsTask) {
  load();
  auto incoming = files->begin_upload().value();
  EXPECT_FALSE(incoming->write("sent"));
  const auto upload = incoming->finish().value();
  files->bind_upload(upload.id, 77);
  const auto call = call_naming({upload.id});
  EXPECT_EQ(open(*call, upload.id, COF_FILE_WRITE), COF_EDENIED);
  ASSERT_EQ(open(*call, upload.id), COF_OK);
  EXPECT_EQ(file->size(host, handle), 4);
  EXPECT_EQ(name_of(handle), upload.id);
  const auto foreign = add_call(COF_CALL_OPERATION, "{\"f\":\"" + upload.id + "\"}", 78);
  EXPECT_EQ(open(*foreign, upload.id), COF_ENOTFOUND);
  const auto route = add_call(COF_CALL_ROUTE, "{\"f\":\"" + upload.id + "\"}");
  EXPECT_EQ(open(*route, upload.id), COF_ENOTFOUND);
}

TEST_F(FileServiceTest, APluginHasAtMost1024OpenFiles) {
  load();
  const auto call = call_naming({path("in/a.txt")});
  for (int i = 0; i < 1'024; ++i) ASSERT_EQ(open(*call, path("in/a.txt")), COF_OK);
  EXPECT_EQ(open(*call, path("in/a.txt")), COF_ELIMIT);
  file->release(host, handle);
  EXPECT_EQ(open(*call, path("in/a.txt")), COF_OK);
}

TEST_F(FileServiceTest, ScratchFoldersLiveAsLongAsAttemptOrTask) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  const fs::path attempt = scratch_path(*call, COF_SCRATCH_ATTEMPT);
  const fs::path task = scratch_path(*call, COF_SCRATCH_TASK);
  EXPECT_TRUE(attempt.is_absolute());
  EXPECT_TRUE(fs::is_empty(attempt));
  EXPECT_EQ(scratch_path(*call, COF_SCRATCH_ATTEMPT), attempt) << "the same one";
  std::ofstream{attempt / "file"} << "text";
  EXPECT_EQ(scratch->path(host, call->id, 3, Sink{}), COF_EUNSUPPORTED);
  EXPECT_EQ(scratch->path(host, no_call, COF_SCRATCH_TASK, Sink{}), COF_EGONE);
  EXPECT_EQ(scratch->path(host, 0, COF_SCRATCH_TASK, Sink{}), COF_EGONE);
  EXPECT_EQ(scratch->path(host, add_call(COF_CALL_START)->id, COF_SCRATCH_TASK, Sink{}),
            COF_EINVALID);
  end(call);
  EXPECT_FALSE(fs::exists(attempt));
  EXPECT_TRUE(fs::exists(task));
  EXPECT_EQ(scratch->path(host, call->id, COF_SCRATCH_ATTEMPT, Sink{}), COF_EGONE);
  files->task_over(77);
  EXPECT_FALSE(fs::exists(task));
}

TEST_F(FileServiceTest, ScratchCannotBeMadeWithoutADisk) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  fs::remove(top / "scratch/task");
  std::ofstream{top / "scratch/task"} << "no folder";
  EXPECT_EQ(scratch->path(host, call->id, COF_SCRATCH_TASK, Sink{}), COF_EUNAVAILABLE);
}

TEST_F(FileServiceTest, ScratchFilesNeedNoPath) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  ASSERT_EQ(open(*call, "scratch:task/part", COF_FILE_WRITE), COF_OK);
  EXPECT_EQ(file->write(host, handle, bytes("text")), COF_OK);
  EXPECT_EQ(file->commit(host, handle), COF_OK);
  EXPECT_EQ(name_of(handle), "part");
  ASSERT_EQ(open(*call, "scratch:task/part"), COF_OK);
  EXPECT_EQ(file->size(host, handle), 4);
  EXPECT_EQ(open(*call, "scratch:attempt/part"), COF_ENOTFOUND);
  EXPECT_EQ(open(*call, "scratch:task/../x"), COF_EDENIED);
  EXPECT_EQ(open(*call, "scratch:task/.."), COF_EDENIED);
  EXPECT_EQ(open(*call, "scratch:else/x"), COF_EINVALID);
  EXPECT_EQ(open(*call, "scratch:task"), COF_EINVALID);
  EXPECT_EQ(open(*add_call(COF_CALL_EVENT), "scratch:task/part"), COF_EINVALID);
}

TEST_F(FileServiceTest, ScratchHasAShare) {
  plugin_config.limits.scratch_bytes_max = 1'000;
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  ASSERT_EQ(open(*call, "scratch:attempt/a", COF_FILE_WRITE), COF_OK);
  EXPECT_EQ(file->write(host, handle, bytes(std::string(600, 'x'))), COF_OK);
  EXPECT_EQ(file->write(host, handle, bytes(std::string(600, 'x'))), COF_ELIMIT);
  EXPECT_EQ(file->write(host, handle, bytes(std::string(400, 'x'))), COF_OK);
  EXPECT_EQ(scratch->path(host, call->id, COF_SCRATCH_TASK, Sink{}), COF_ELIMIT);
  EXPECT_EQ(open(*call, "scratch:attempt/b", COF_FILE_WRITE), COF_ELIMIT);
  EXPECT_EQ(file->commit(host, handle), COF_OK);
  EXPECT_EQ(open(*call, "scratch:attempt/a"), COF_OK) << "reading needs no room";
  end(call);
  const auto next = add_call(COF_CALL_OPERATION, "{}", 78);
  EXPECT_EQ(scratch->path(host, next->id, COF_SCRATCH_TASK, Sink{}), COF_OK);
}

TEST_F(FileServiceTest, WhatAPluginWritesByItselfCountsToo) {
  plugin_config.limits.scratch_bytes_max = 1'000;
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  std::ofstream{fs::path{scratch_path(*call, COF_SCRATCH_ATTEMPT)} / "big"}
      << std::string(2'000, 'x');
  EXPECT_EQ(scratch->path(host, call->id, COF_SCRATCH_ATTEMPT, Sink{}), COF_ELIMIT);
}

}  // namespace
}  // namespace cofounder::host::test
