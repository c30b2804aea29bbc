// SPDX-License-Identifier: Apache-2.0
#include "core/http/server_connection.hpp"

#include "core/http/server_socket.hpp"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstring>

namespace cofounder::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t buffer_bytes_idle = 2u << 10;
constexpr std::size_t buffer_bytes_body = 64u << 10;

int status_of_sink_error(const Error& error) noexcept {
  if (error.code == "file_too_big" || error.code == "body_too_big") return 413;
  if (error.code == "disk_full") return 507;
  return 500;
}

}  // namespace

Connection::Connection(ServerCore& core, asio::generic::stream_protocol::socket socket, Peer peer)
    : core_{&core},
      socket_{std::move(socket)},
      peer_{std::move(peer)},
      reader_{core.options.header_bytes_max} {
  socket_.non_blocking(true);
}

void Connection::start(const Self& self) {
  self->index_ = self->core_->connections.size();
  self->core_->connections.push_back(self);
  self->set_deadline(self->core_->options.idle_timeout);
  self->read(self);
}

void Connection::set_deadline(Milliseconds from_now) {
  deadline_ = core_->loop.clock().mono() + from_now;
  core_->arm(deadline_);
}

void Connection::on_sweep(Mono now, const Self& self) {
  if (deadline_ > now) return;
  deadline_ = Mono::max();
  if (phase_ == Phase::head || phase_ == Phase::body) {
    refuse(self, 408, make_error("request_timeout", "the request took too long to arrive", true));
  } else {
    close();
  }
}

void Connection::stop_if_idle() {
  keep_alive_ = false;
  // One that has just come is not idle: its first request may be on its way, or in the socket.
  if (phase_ == Phase::idle && has_asked_ && end_ == begin_) close();
}

void Connection::close(bool tell) {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  boost::system::error_code ignored;
  socket_.close(ignored);
  sink_.reset();
  if (const auto exchange = std::exchange(exchange_, nullptr)) {
    exchange->connection = nullptr;
    exchange->is_gone = true;
    exchange->on_drain = nullptr;
    auto action = std::move(exchange->on_gone);
    // Posted: whoever is just writing to this client must not find its own lists changed.
    if (tell && action) core_->loop.post(std::move(action));
  }
  core_->remove(*this);
}

// --- reading

bool Connection::make_room() {
  if (is_reading_) return true;  // there was some, and the socket writes into it
  if (buffer_ == nullptr) {
    capacity_ = buffer_bytes_idle;
    buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
  }
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ < capacity_) return true;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  const std::size_t most =
      std::max<std::size_t>(buffer_bytes_body, core_->options.header_bytes_max + 1024);
  if (capacity_ >= most) return false;
  const std::size_t wanted = phase_ == Phase::body ? most : std::min(most, capacity_ * 4);
  auto bigger = std::make_unique_for_overwrite<char[]>(wanted);
  std::memcpy(bigger.get(), buffer_.get(), end_);
  buffer_ = std::move(bigger);
  capacity_ = wanted;
  return true;
}

// Idle clients are many, so one keeps only a small buffer.
void Connection::shrink() {
  if (capacity_ <= buffer_bytes_idle || begin_ != end_ || is_reading_) return;
  buffer_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

void Connection::read(Self self) {
  if (is_reading_ || is_ended_ || phase_ == Phase::closed) return;
  if (!make_room()) return;  // it sends ahead of a slow handler; the rest waits in the socket
  is_reading_ = true;
  const asio::mutable_buffer room{buffer_.get() + end_, capacity_ - end_};
  socket_.async_read_some(room,
                          [this, self = std::move(self)](const boost::system::error_code& error,
                                                         std::size_t bytes) mutable {
                            on_read(std::move(self), static_cast<bool>(error), bytes);
                          });
}

void Connection::on_read(Self self, bool failed, std::size_t bytes) {
  is_reading_ = false;
  if (phase_ == Phase::closed) return;
  if (failed) return on_end_of_input(std::move(self));
  end_ += bytes;
  switch (phase_) {
    case Phase::lingering:
      begin_ = end_ = 0;
      return read(std::move(self));
    case Phase::idle:
    case Phase::head:
    case Phase::body:
      return process(self);
    default:  // sent ahead; reading on shows when the client goes away
      return read(std::move(self));
  }
}

// The client closed, or only its writing half ("printf ... | nc -N"): then it still gets its
// answer.
void Connection::on_end_of_input(Self self) {
  const bool is_answering =
      phase_ == Phase::handling || phase_ == Phase::streaming || phase_ == Phase::sending;
  if (!is_answering || is_hung_up(socket_.native_handle())) return close();
  is_ended_ = true;
  socket_.async_wait(asio::socket_base::wait_error,
                     [this, self = std::move(self)](const boost::system::error_code&) {
                       if (phase_ != Phase::closed) close();
                     });
}

void Connection::process(const Self& self) {
  is_processing_ = true;
  while (process_step(self)) {
  }
  is_processing_ = false;
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::idle || phase_ == Phase::head || phase_ == Phase::body) {
    if (is_ended_) return close();
    if (phase_ == Phase::idle) shrink();
  }
  if (phase_ != Phase::lingering) read(self);
}

// false: no more can be done with the bytes that are here.
bool Connection::process_step(const Self& self) {
  if (phase_ != Phase::idle && phase_ != Phase::head && phase_ != Phase::body) return false;
  std::size_t used = 0;
  const auto step = reader_.feed({buffer_.get() + begin_, end_ - begin_}, used);
  begin_ += used;
  switch (step) {
    case RequestReader::Step::need_more:
      if (phase_ == Phase::idle && reader_.has_begun()) {
        phase_ = Phase::head;
        set_deadline(core_->options.header_timeout);
      }
      if (!make_room()) refuse(self, 431, make_error("header_too_big", "the head is too big"));
      return false;
    case RequestReader::Step::failed:
      refuse(self, reader_.failure().first, reader_.failure().second);
      return false;
    case RequestReader::Step::head:
      return begin_body(self);
    case RequestReader::Step::body:
      return take_body_piece(self);
    case RequestReader::Step::done:
      dispatch(self);
      return phase_ == Phase::idle;
  }
  return false;
}

bool Connection::begin_body(const Self& self) {
  ServerRequest& request = reader_.request();
  request.peer = peer_;
  has_asked_ = true;
  is_head_ = request.method == "HEAD";
  is_chunked_ = !reader_.is_http_1_0();
  // HTTP/1.0 clients that ask for it would want to read of it in the answer: they do not get it.
  keep_alive_ = reader_.keep_alive() && !reader_.is_http_1_0() && !core_->is_stopping;
  phase_ = Phase::body;
  body_bytes_ = 0;
  body_bytes_max_ = core_->options.body_bytes_max;
  ServerHandler::Plan plan;
  if (core_->handler.plan) plan = core_->handler.plan(request);
  if (plan.refusal) {
    refuse(self, plan.refusal->first, plan.refusal->second);
    return false;
  }
  if (plan.body_bytes_max > 0) body_bytes_max_ = plan.body_bytes_max;
  request.attachment = std::move(plan.attachment);
  sink_ = std::move(plan.sink);
  if (sink_) body_bytes_max_ = sink_->bytes_max;
  if (!reader_.has_body()) return true;
  set_deadline(core_->options.body_timeout);
  if (reader_.content_length().value_or(0) > body_bytes_max_) {
    refuse(self, 413,
           make_error("body_too_big",
                      "the body has more than " + std::to_string(body_bytes_max_) + " bytes"));
    return false;
  }
  if (!sink_ && reader_.content_length()) request.body.reserve(*reader_.content_length());
  if (reader_.expects_continue() && begin_ == end_) {
    return write_all(self, "HTTP/1.1 100 Continue\r\n\r\n", {});
  }
  return true;
}

bool Connection::take_body_piece(const Self& self) {
  const std::string_view piece = reader_.piece();
  body_bytes_ += piece.size();
  if (body_bytes_ > body_bytes_max_) {
    refuse(self, 413,
           make_error("body_too_big",
                      "the body has more than " + std::to_string(body_bytes_max_) + " bytes"));
    return false;
  }
  set_deadline(core_->options.body_timeout);
  if (!sink_) {
    reader_.request().body.append(piece);
    return true;
  }
  if (const auto error = sink_->write(piece)) {
    refuse(self, status_of_sink_error(*error), *error);
    return false;
  }
  return true;
}

void Connection::dispatch(const Self& self) {
  phase_ = Phase::handling;
  deadline_ = Mono::max();  // how long an answer may take is the handler's business
  sink_.reset();
  exchange_ = std::make_shared<Responder::Exchange>();
  exchange_->connection = self;
  core_->handler.handle(std::move(reader_.request()), Responder{exchange_});
}

}  // namespace cofounder::http
