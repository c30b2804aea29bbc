// SPDX-License-Identifier: Apache-2.0
#include "core/host/files_state.hpp"
#include "core/host/sha256.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cofounder {
namespace fs = std::filesystem;
namespace {

Time written_at(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return Time{};
  return Time{Milliseconds{info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1'000'000}};
}

bool is_upload_id(std::string_view id) {
  return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

// While it comes in, an upload is a file ID.part; then ID; and ID@TASK when a task has it, so that a
// restart knows.
struct Files::Upload::State {
  Files::State& files;
  std::string id;
  fs::path part;
  Descriptor file;
  std::uint64_t bytes = 0;
  Sha256 sha256;
  bool finished = false;
};

Files::Upload::Upload(std::unique_ptr<State> state) : state_{std::move(state)} {}

Files::Upload::~Upload() {
  if (!state_->finished) ::unlink(state_->part.c_str());
}

std::optional<Error> Files::Upload::write(std::string_view piece) {
  State& upload = *state_;
  if (piece.size() > upload.files.upload_bytes_max - upload.bytes) {
    return make_error("file_too_big", "the file has more than " +
                                          std::to_string(upload.files.upload_bytes_max) +
                                          " bytes (files.upload_bytes_max)");
  }
  upload.sha256.update(piece);
  upload.bytes += piece.size();
  while (!piece.empty()) {
    const auto size = ::write(upload.file.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return disk_error(errno, "the upload cannot be written", "disk_full");
    piece.remove_prefix(static_cast<std::size_t>(size));
  }
  return std::nullopt;
}

Result<Files::Upload::Done> Files::Upload::finish() {
  State& upload = *state_;
  const fs::path file = upload.files.upload_path(upload.id, 0);
  std::error_code error;
  fs::rename(upload.part, file, error);
  if (error) return disk_error(error.value(), "the upload cannot be kept", "disk_full");
  upload.finished = true;
  {
    const std::lock_guard guard{upload.files.mutex};
    upload.files.uploads[upload.id] = {.task = 0, .at = written_at(file)};
  }
  return Done{.id = std::string{upload_prefix} + upload.id,
              .bytes = upload.bytes,
              .sha256 = upload.sha256.hex()};
}

Result<std::unique_ptr<Files::Upload>> Files::begin_upload() {
  std::string id = random_hex(16);
  fs::path part = state_->scratch / "uploads" / (id + ".part");
  Descriptor file{::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) return disk_error(errno, "an upload cannot be made", "scratch_unusable");
  auto state = std::make_unique<Upload::State>(Upload::State{.files = *state_,
                                                             .id = std::move(id),
                                                             .part = std::move(part),
                                                             .file = std::move(file),
                                                             .sha256 = Sha256{}});
  return std::unique_ptr<Upload>{new Upload{std::move(state)}};
}

fs::path Files::State::upload_path(const std::string& id, TaskId task) const {
  return scratch / "uploads" / (task == 0 ? id : id + "@" + to_string(task));
}

bool Files::State::bind(std::map<std::string, UploadInfo>::iterator upload, TaskId task) {
  std::error_code error;
  fs::rename(upload_path(upload->first, 0), upload_path(upload->first, task), error);
  if (error) return false;
  upload->second.task = task;
  uploads_of.emplace(task, upload->first);
  return true;
}

void Files::bind_upload(std::string_view id, TaskId task) {
  if (!id.starts_with(upload_prefix)) return;
  const std::lock_guard guard{state_->mutex};
  const auto upload = state_->uploads.find(std::string{id.substr(upload_prefix.size())});
  // The first task keeps it: an upload is for one.
  if (upload != state_->uploads.end() && upload->second.task == 0) state_->bind(upload, task);
}

Result<int> Files::open_upload(std::string_view id, TaskId task) {
  const auto gone = [&] {
    return make_error("file_not_found", shown(id) + " is no upload of this task");
  };
  if (!id.starts_with(upload_prefix)) return gone();
  const std::string key{id.substr(upload_prefix.size())};
  const std::lock_guard guard{state_->mutex};
  const auto upload = state_->uploads.find(key);
  if (upload == state_->uploads.end()) return gone();
  if (upload->second.task == 0 && !state_->bind(upload, task)) return gone();
  if (upload->second.task != task) return gone();
  const int file = ::open(state_->upload_path(key, task).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return gone();
  return file;
}

void Files::State::remove_upload(std::map<std::string, UploadInfo>::iterator upload) noexcept {
  const auto& [id, info] = *upload;
  ::unlink(upload_path(id, info.task).c_str());
  const auto [first, last] = uploads_of.equal_range(info.task);
  for (auto at = first; at != last; ++at) {
    if (at->second == id) {
      uploads_of.erase(at);
      break;
    }
  }
  uploads.erase(upload);
}

void Files::State::adopt_uploads() {
  std::error_code error;
  for (fs::directory_iterator at{scratch / "uploads", error}, end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    const std::string id = name.substr(0, name.find('@'));
    const auto task = name.size() == id.size() ? std::optional<TaskId>{0}
                                               : parse_task_id(name.substr(id.size() + 1));
    if (!is_upload_id(id) || !task) {  // "ID.part": it never came whole
      cleaner->remove(at->path());
      continue;
    }
    uploads[id] = {.task = *task, .at = written_at(at->path())};
    if (*task != 0) uploads_of.emplace(*task, id);
  }
}

void Files::expire_uploads(Time now) noexcept {
  const std::lock_guard guard{state_->mutex};
  for (auto upload = state_->uploads.begin(); upload != state_->uploads.end();) {
    const auto next = std::next(upload);
    if (upload->second.task == 0 && now - upload->second.at > state_->upload_kept) {
      state_->remove_upload(upload);
    }
    upload = next;
  }
}

}  // namespace cofounder
