// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/http_transfer.hpp"

#include "core/host/disk_worker.hpp"
#include "core/host/services/header_lines.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace cofounder::host {
namespace {

constexpr std::int64_t window_bytes = 256 * 1024;
constexpr std::size_t failure_body_bytes_max = 64 * 1024;
// Of all transfers together: beyond it each one has a single piece on its way to the disk.
constexpr std::uint64_t disk_bytes_max = 16u << 20;

// Every text of a reply is UTF-8, whatever a provider sends.
std::string as_text(std::string text) {
  if (!is_utf8(text)) text.clear();
  return text;
}

}  // namespace

Transfer::Transfer(Instance& instance, std::uint64_t handle, HttpRequest request,
                   std::shared_ptr<Operation> operation)
    : instance_{instance},
      handle_{handle},
      spec_{std::move(request)},
      answer_{instance, std::move(operation)},
      lines_{static_cast<std::size_t>(spec_.item_bytes_max)},
      events_{static_cast<std::size_t>(spec_.item_bytes_max)} {}

void Transfer::start() {
  if (finished_) return;
  const auto self = shared_from_this();
  http::ResponseHandler handler;
  handler.on_head = [self](const http::ResponseHead& head) { self->head_came(head); };
  handler.on_body = [self](std::string_view bytes) { return self->body_came(bytes); };
  handler.on_end = [self](std::optional<Error> error) { self->ended(error); };
  request_ = instance_.ports().http.start(std::move(spec_.request), std::move(handler));
  instance_.on_cancel(answer_.operation(), [self] {
    if (self->finished_) return;
    if (self->answer_.operation()->call->cancel_reason == 0) {
      self->instance_.services().count_left_open(LeftOpen::transfer);
    }
    self->cancel();
  });
}

void Transfer::cancel() {
  if (finished_) return;
  stop_client();
  Reply last = Reply::failure(COF_ECANCELLED);
  finish(std::move(last));
}

void Transfer::stop_client() {
  if (request_ != 0) instance_.ports().http.cancel(std::exchange(request_, 0));
}

void Transfer::pull(std::uint64_t bytes) {
  credit_ += std::min(bytes, std::numeric_limits<std::uint64_t>::max() - credit_);
  let_items_go();
  finish_when_drained();
  resume_when_there_is_room();
}

void Transfer::head_came(const http::ResponseHead& head) {
  if (finished_) return;
  status_ = head.status;
  retry_after_ = head.retry_after;
  whole_ = spec_.framing == COF_HTTP_WHOLE || status_ < 200 || status_ > 299;
  if (!whole_ && spec_.response_file != nullptr) {
    sink_ = std::make_shared<FileSink>(instance_, spec_.response_file);
    waiting_ += 1;
    sink_->clear([weak = weak_from_this()](std::int32_t status) {
      if (const auto self = weak.lock()) self->file_written(1, status);
    });
  }
  Reply reply;
  reply.last = false;
  reply.kind = COF_HTTP_HEAD;
  reply.value = status_;
  reply.body = header_lines(head.headers);
  instance_.reply(answer_.operation(), std::move(reply));
}

bool Transfer::body_came(std::string_view bytes) {
  if (finished_) return true;
  bytes_ += bytes.size();
  if (!whole_ || (status_ >= 200 && status_ <= 299)) {
    if (bytes_ > spec_.response_bytes_max) {
      fail(make_error("response_too_big", "the answer has more than " +
                                              std::to_string(spec_.response_bytes_max) + " bytes"),
           COF_ETOOBIG);
      return true;
    }
  }
  if (whole_) {
    take_whole(bytes);
  } else if (spec_.framing == COF_HTTP_FILE) {
    take_into_file(bytes);
  } else {
    take_items(bytes);
  }
  paused_ = !finished_ && has_enough();
  return !paused_;
}

void Transfer::take_whole(std::string_view bytes) {
  body_.append(bytes);
  if (status_ >= 200 && status_ <= 299) return;
  if (body_.size() < failure_body_bytes_max) return;
  // Enough to tell what is wrong: who sends more need not be listened to.
  body_.resize(failure_body_bytes_max);
  stop_client();
  came_whole_ = true;
  finish_when_drained();
}

void Transfer::take_into_file(std::string_view bytes) {
  const auto size = static_cast<std::int64_t>(bytes.size());
  waiting_ += size;
  sink_->append(std::string{bytes}, [weak = weak_from_this(), size](std::int32_t status) {
    if (const auto self = weak.lock()) self->file_written(size, status);
  });
}

void Transfer::file_written(std::int64_t bytes, std::int32_t status) {
  waiting_ -= bytes;
  if (status != COF_OK) {
    return fail(make_error("file_unwritable", "the answer cannot be written"), status);
  }
  resume_when_there_is_room();
  finish_when_drained();
}

void Transfer::take_items(std::string_view bytes) {
  std::optional<Error> error;
  if (spec_.framing == COF_HTTP_CHUNKS) {
    add_item(std::string{bytes});
  } else if (spec_.framing == COF_HTTP_LINES) {
    error = lines_.feed(bytes, [this](std::string_view line) { add_item(std::string{line}); });
  } else {
    error = events_.feed(bytes, [this](const http::SseEvent& event) {
      add_item(event.data, as_text(event.name), as_text(event.id));
    });
  }
  if (error) fail(*error, COF_ETOOBIG);
}

void Transfer::add_item(std::string body, std::string name, std::string id) {
  if (finished_) return;
  Reply reply;
  reply.last = false;
  reply.kind = COF_HTTP_BODY;
  reply.body = std::move(body);
  reply.name = std::move(name);
  reply.id = std::move(id);
  if (!spec_.pull) return post_item(std::move(reply));
  items_.push_back(std::move(reply));
  let_items_go();
}

void Transfer::let_items_go() {
  while (!finished_ && credit_ > 0 && !items_.empty()) {
    // An empty event counts, too: it is an entry.
    credit_ -= std::min<std::uint64_t>(credit_, std::max<std::size_t>(items_.front().body.size(), 1));
    post_item(std::move(items_.front()));
    items_.pop_front();
  }
}

void Transfer::post_item(Reply reply) {
  const auto size = static_cast<std::int64_t>(reply.body.size()) + 64;  // and what it lies in
  waiting_ += size;
  batch_bytes_ += size;
  batch_.push_back(std::move(reply));
  if (batch_.size() > 1) return;
  instance_.loop().defer([self = shared_from_this()] { self->post_batch(); });
}

void Transfer::post_batch() {
  if (batch_.empty()) return;  // the end came meanwhile, and took it along
  for (Reply& reply : batch_) reply.value = 1;
  batch_.back().value = 0;
  batch_.back().delivered = [self = shared_from_this(), size = std::exchange(batch_bytes_, 0)] {
    self->delivered(size);
  };
  instance_.reply_all(answer_.operation(), std::exchange(batch_, {}));
}

void Transfer::delivered(std::int64_t bytes) {
  waiting_ -= bytes;
  resume_when_there_is_room();
}

bool Transfer::has_enough() const noexcept {
  if (whole_) return false;
  if (spec_.framing == COF_HTTP_FILE) {
    return waiting_ >= window_bytes ||
           (waiting_ > 0 && instance_.world().files.disk().waiting_bytes() >= disk_bytes_max);
  }
  return spec_.pull ? credit_ == 0 || !items_.empty() : waiting_ >= window_bytes;
}

// Only at half: every pause and its end cost something.
bool Transfer::has_room() const noexcept {
  if (spec_.framing == COF_HTTP_FILE) return waiting_ <= window_bytes / 2 && !has_enough();
  return spec_.pull ? !has_enough() : waiting_ <= window_bytes / 2;
}

void Transfer::resume_when_there_is_room() {
  if (!paused_ || !has_room() || request_ == 0) return;
  paused_ = false;
  instance_.ports().http.resume(request_);
}

void Transfer::ended(const std::optional<Error>& error) {
  request_ = 0;
  if (finished_) return;
  if (error) return fail(*error, status_of_error(*error));
  if (!whole_ && spec_.framing == COF_HTTP_LINES && !lines_.rest().empty()) {
    add_item(std::string{lines_.rest()});
  }
  came_whole_ = true;
  finish_when_drained();
}

void Transfer::finish_when_drained() {
  if (!came_whole_ || !items_.empty() || finished_) return;
  if (sink_ != nullptr && waiting_ > 0) return;
  Reply last;
  last.kind = COF_HTTP_END;
  last.value = status_;
  last.value2 = static_cast<std::int64_t>(bytes_);
  last.body = std::move(body_);
  last.retry_after = retry_after_;
  finish(std::move(last));
}

void Transfer::fail(const Error& error, std::int32_t status) {
  if (finished_) return;
  stop_client();
  Reply last = Reply::failure(error);
  last.status = status;
  finish(std::move(last));
}

void Transfer::finish(Reply last) {
  finished_ = true;
  items_.clear();
  post_batch();
  if (sink_ != nullptr) sink_->drop();
  last.kind = COF_HTTP_END;
  instance_.services().transfers.remove(handle_);
  answer_.give(std::move(last));
}

}  // namespace cofounder::host
