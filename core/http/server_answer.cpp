// SPDX-License-Identifier: Apache-2.0
// The answering half of Connection.
#include "core/http/server_connection.hpp"

#include <boost/asio/buffer.hpp>

#include <array>
#include <cassert>

namespace cofounder::http {

namespace asio = boost::asio;

namespace {

constexpr Milliseconds linger_time{2'000};

}  // namespace

ResponseFrame Connection::frame(bool is_stream) const {
  ResponseFrame frame;
  frame.keep_alive = keep_alive_;
  frame.is_stream = is_stream;
  frame.is_chunked = is_stream && is_chunked_;
  frame.date = core_->date();
  frame.server_name = core_->options.server_name;
  return frame;
}

// An answer before the request was read to its end: the connection cannot be used again.
void Connection::refuse(const Self& self, int status, const Error& error) {
  keep_alive_ = false;
  sink_.reset();
  phase_ = Phase::handling;
  send(self, error_response(status, error));
}

void Connection::send(const Self& self, ServerResponse response) {
  if (phase_ != Phase::handling) return;
  if (core_->is_stopping || (is_ended_ && begin_ == end_)) keep_alive_ = false;
  std::string head;
  head.reserve(256);
  append_head(head, response, frame(false));
  if (is_head_ || !may_have_body(response.status)) response.body.clear();
  phase_ = Phase::sending;
  if (write_all(self, head, std::move(response.body))) finish_answer(self);
}

// true: the socket took everything.  false: the rest is under way (write_rest), or it is closed.
bool Connection::write_all(const Self& self, std::string_view head, std::string&& body) {
  if (is_writing_) {  // "100 Continue" is still on its way
    queued_ += head;
    queued_ += body;
    return false;
  }
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  boost::system::error_code error;
  const std::size_t written = socket_.write_some(buffers, error);
  if (error && error != asio::error::would_block) {
    close();
    return false;
  }
  if (written == head.size() + body.size()) return true;
  assert(sending_.empty());
  if (written >= head.size()) {
    sending_ = std::move(body);
    sent_ = written - head.size();
  } else {
    sending_.assign(head.substr(written));
    sending_ += body;
    sent_ = 0;
  }
  write_rest(self);
  return false;
}

void Connection::write_rest(Self self) {
  is_writing_ = true;
  set_deadline(core_->options.body_timeout);
  const asio::const_buffer rest{sending_.data() + sent_, sending_.size() - sent_};
  socket_.async_write_some(rest,
                           [this, self = std::move(self)](const boost::system::error_code& error,
                                                          std::size_t bytes) mutable {
                             is_writing_ = false;
                             if (phase_ == Phase::closed) return;
                             if (error) return close();
                             sent_ += bytes;
                             if (sent_ < sending_.size()) return write_rest(std::move(self));
                             sending_ = {};
                             sent_ = 0;
                             if (phase_ == Phase::streaming) return flush(self);
                             if (!queued_.empty()) {
                               sending_ = std::exchange(queued_, {});
                               return write_rest(std::move(self));
                             }
                             if (phase_ == Phase::sending) return finish_answer(self);
                             process(self);  // it was "100 Continue"
                           });
}

void Connection::finish_answer(const Self& self) {
  if (exchange_ != nullptr) {
    exchange_->connection = nullptr;
    exchange_->on_gone = nullptr;
    exchange_->on_drain = nullptr;
    exchange_ = nullptr;
  }
  if (!keep_alive_) return linger(self);
  phase_ = Phase::idle;
  reader_.restart();
  set_deadline(core_->options.idle_timeout);
  if (is_processing_) return;  // the loop in process() goes on
  if (begin_ != end_) {
    // Posted, so that the next request is not handled inside of what answered this one.
    core_->loop.post([this, self] {
      if (phase_ == Phase::idle) process(self);
    });
    return;
  }
  if (is_ended_) return close();
  shrink();
  read(self);
}

// Closing with unread input would reset the connection, and the client might lose the answer.
void Connection::linger(const Self& self) {
  if (is_ended_) return close();
  phase_ = Phase::lingering;
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  deadline_ = core_->loop.clock().mono() + linger_time;
  core_->arm(deadline_);
  begin_ = end_ = 0;
  read(self);
}

// --- streams

void Connection::begin_stream(ServerResponse head) {
  if (phase_ != Phase::handling) return;
  if (!is_chunked_ || core_->is_stopping) keep_alive_ = false;
  phase_ = Phase::streaming;
  is_stream_ending_ = false;
  wants_drain_ = false;
  if (!may_have_body(head.status)) is_head_ = true;
  append_head(queued_, head, frame(true));
}

bool Connection::write(const Self& self, std::string_view piece) {
  constexpr std::size_t comfortable = 256u << 10;
  constexpr std::size_t most = 1u << 20;
  if (phase_ != Phase::streaming || is_stream_ending_) return true;
  if (!is_head_ && !piece.empty()) {
    if (is_chunked_) {
      static constexpr char digits[] = "0123456789abcdef";
      std::array<char, 18> size;
      std::size_t at = size.size();
      size[--at] = '\n';
      size[--at] = '\r';
      for (std::size_t rest = piece.size(); rest != 0; rest >>= 4) size[--at] = digits[rest & 15];
      queued_.append(size.data() + at, size.size() - at);
    }
    queued_ += piece;
    if (is_chunked_) queued_ += "\r\n";
  }
  if (waiting_bytes() > most) {
    close();
    return false;
  }
  if (!is_flush_posted_ && !is_writing_) {
    // Many small pieces of one moment go out in one system call.
    is_flush_posted_ = true;
    core_->loop.post([this, self] {
      is_flush_posted_ = false;
      if (phase_ == Phase::streaming) flush(self);
    });
  }
  if (waiting_bytes() <= comfortable) return true;
  wants_drain_ = true;
  return false;
}

void Connection::flush(const Self& self) {
  if (is_writing_) return;
  while (!queued_.empty()) {
    std::string piece = std::exchange(queued_, {});
    if (!write_all(self, {}, std::move(piece))) return;
  }
  deadline_ = Mono::max();
  if (is_stream_ending_) return finish_answer(self);
  if (std::exchange(wants_drain_, false) && exchange_ != nullptr && exchange_->on_drain) {
    const auto exchange = exchange_;  // the action may end the exchange
    exchange->on_drain();
  }
}

void Connection::end_stream(const Self& self) {
  if (phase_ != Phase::streaming || is_stream_ending_) return;
  if (is_chunked_ && !is_head_) queued_ += "0\r\n\r\n";
  is_stream_ending_ = true;
  flush(self);
}

}  // namespace cofounder::http
