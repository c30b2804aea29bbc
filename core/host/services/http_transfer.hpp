// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/services/http_request.hpp"
#include "core/host/services/open_file.hpp"
#include "core/host/services/service.hpp"
#include "core/http/readers.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace cofounder::host {

// One request of a plugin, from the loop's side: turns what the client brings into replies of the
// wanted framing, and holds the client back while the plugin has enough.
//
// What waits for the plugin is counted: without PULL from when it is posted until reply() returned;
// with PULL it is kept here until pull() allows it.  Items that come in one turn of the loop go to the
// plugin together, so that a fast stream costs one hop to its worker for many.  What goes into a file is written by the disk's
// worker and counted until it is there.  On the loop only.
class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(Instance& instance, std::uint64_t handle, HttpRequest request,
           std::shared_ptr<Operation> operation);

  std::uint64_t handle() const noexcept { return handle_; }  // from any thread
  bool pulls() const noexcept { return spec_.pull; }          // from any thread

  void start();
  void cancel();
  void pull(std::uint64_t bytes);

 private:
  void head_came(const http::ResponseHead& head);
  bool body_came(std::string_view bytes);
  void ended(const std::optional<Error>& error);

  void take_whole(std::string_view bytes);
  void take_items(std::string_view bytes);
  void take_into_file(std::string_view bytes);
  void file_written(std::int64_t bytes, std::int32_t status);
  void add_item(std::string body, std::string name = {}, std::string id = {});
  void let_items_go();
  void post_item(Reply reply);
  void post_batch();
  void delivered(std::int64_t bytes);
  bool has_enough() const noexcept;
  bool has_room() const noexcept;
  void resume_when_there_is_room();

  void finish_when_drained();
  void finish(Reply last);
  void fail(const Error& error, std::int32_t status);
  void stop_client();

  Instance& instance_;
  const std::uint64_t handle_;
  HttpRequest spec_;
  Answer answer_;
  http::Client::Handle request_ = 0;  // 0: not on its way, or over
  bool finished_ = false;

  int status_ = 0;
  Milliseconds retry_after_{0};
  bool whole_ = true;           // the answer's body comes in the last reply
  std::uint64_t bytes_ = 0;
  std::string body_;
  std::shared_ptr<FileSink> sink_;  // with a response file
  http::LineReader lines_;
  http::SseReader events_;

  std::deque<Reply> items_;     // PULL: not allowed yet
  std::uint64_t credit_ = 0;
  std::vector<Reply> batch_;    // posted once the loop has done what it does now
  std::int64_t batch_bytes_ = 0;
  // Bytes that were posted, and reply() has not returned, or that are not in the file yet.
  std::int64_t waiting_ = 0;
  bool paused_ = false;
  bool came_whole_ = false;
};

}  // namespace cofounder::host
