// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/http/server.hpp"
#include "core/http/server_request.hpp"
#include "core/http/server_response.hpp"

#include <boost/asio/generic/stream_protocol.hpp>

#include <memory>
#include <string>
#include <vector>

namespace cofounder::http {

class Connection;

// What a server's connections share.
struct ServerCore {
  ServerCore(Loop& l, Server::Options o, ServerHandler h)
      : loop{l}, options{std::move(o)}, handler{std::move(h)} {}

  // One timer serves the deadlines of all connections: it is moved only when one comes earlier.
  void arm(Mono deadline);
  void sweep();
  std::string_view date();
  void remove(Connection& connection);

  Loop& loop;
  Server::Options options;
  ServerHandler handler;
  std::vector<std::shared_ptr<Connection>> connections;
  bool is_stopping = false;
  UniqueFunction<void()> on_empty;  // while stopping

 private:
  friend class Server;
  Mono sweep_at_ = Mono::max();
  TimerId timer_ = 0;
  std::chrono::sys_seconds date_at_{};
  std::string date_;
};

// One client: reads a request, has it handled, writes the answer, and so on.  Requests of one
// client are handled one after the other; what it sends ahead waits in the buffer.
//
// Shared by the server's list, the operations in flight and the Responder, for any of them may end
// first.  close() detaches it from the server; later calls do nothing.
class Connection {
 public:
  Connection(ServerCore& core, boost::asio::generic::stream_protocol::socket socket, Peer peer);

  static void start(const std::shared_ptr<Connection>& self);
  void on_sweep(Mono now, const std::shared_ptr<Connection>& self);
  void stop_if_idle();
  void end_keep_alive() noexcept { keep_alive_ = false; }
  void close(bool tell = true);
  Mono deadline() const noexcept { return deadline_; }

  // For the Responder.
  void send(const std::shared_ptr<Connection>& self, ServerResponse response);
  void begin_stream(ServerResponse head);
  bool write(const std::shared_ptr<Connection>& self, std::string_view piece);
  void end_stream(const std::shared_ptr<Connection>& self);

 private:
  friend struct ServerCore;
  using Self = std::shared_ptr<Connection>;
  enum class Phase {
    idle,       // between requests
    head,       // a request has begun
    body,       // its head is known
    handling,   // the handler has it
    streaming,  // the handler writes a stream
    sending,    // the rest of an answer waits for the client to read
    lingering,  // all is said; what the client still sends is thrown away until it closes
    closed
  };

  void read(Self self);
  void on_read(Self self, bool failed, std::size_t bytes);
  void on_end_of_input(Self self);
  void process(const Self& self);
  bool process_step(const Self& self);
  bool begin_body(const Self& self);
  bool take_body_piece(const Self& self);
  void dispatch(const Self& self);
  void refuse(const Self& self, int status, const Error& error);
  bool write_all(const Self& self, std::string_view head, std::string&& body);
  void write_rest(Self self);
  void flush(const Self& self);
  void finish_answer(const Self& self);
  void linger(const Self& self);
  void set_deadline(Milliseconds from_now);
  ResponseFrame frame(bool is_stream) const;
  bool make_room();
  void shrink();
  std::size_t waiting_bytes() const noexcept { return queued_.size() + sending_.size() - sent_; }

  ServerCore* core_;
  boost::asio::generic::stream_protocol::socket socket_;
  Peer peer_;
  RequestReader reader_;
  Phase phase_ = Phase::idle;
  Mono deadline_ = Mono::max();
  std::size_t index_ = 0;  // in core_->connections

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;

  bool is_reading_ = false;
  bool is_writing_ = false;
  bool is_processing_ = false;
  bool is_ended_ = false;  // the client closed its writing half
  bool keep_alive_ = true;
  bool has_asked_ = false;  // it had a request
  bool is_head_ = false;  // the request's method
  bool is_chunked_ = false;
  bool is_stream_ending_ = false;
  bool is_flush_posted_ = false;
  bool wants_drain_ = false;

  std::optional<BodySink> sink_;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t body_bytes_max_ = 0;

  std::string sending_;  // given to the socket from sent_ on
  std::size_t sent_ = 0;
  std::string queued_;  // of a stream: behind sending_
  std::shared_ptr<Responder::Exchange> exchange_;
};

struct Responder::Exchange {
  std::shared_ptr<Connection> connection;  // null when the answer is given or the client away
  bool is_answered = false;
  bool is_streaming = false;
  bool is_gone = false;
  UniqueFunction<void()> on_gone;
  UniqueFunction<void()> on_drain;
  UniqueFunction<void(int)> on_answer;
};

}  // namespace cofounder::http
