// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/loop.hpp"
#include "core/http/client.hpp"
#include "core/http/retry_after.hpp"

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// What client.cpp is made of.  Only client*.cpp include it; libcurl's handles are void* here so
// that its header stays in the sources.
namespace cofounder::http {

using EasyHandle = void*;

// Where a URL points to, as libcurl itself reads it.
struct Target {
  std::string scheme;  // "http" or "https"
  std::string host;
  std::string key;  // scheme://host:port
};
// Code "invalid_url".
Result<Target> parse_target(const std::string& url);

// Codes of Client's comment.  `detail` is libcurl's own text, used where it cannot hold a secret.
Error make_curl_error(int code, Failure failure, const Target& target, std::string_view detail);

// libcurl's multi handle on the loop, made with the first transfer and given up when none was
// running for a while.  It owns the connections and counts them.
class Multi {
 public:
  using OnDone = UniqueFunction<void(EasyHandle, int code)>;  // outside libcurl; may destroy this

  Multi(Loop& loop, int connections_max, OnDone on_done);
  ~Multi();

  // Sets what every handle needs to work here: sockets, sharing.  `is_fresh`: do not look for a
  // connection to use again.  False: libcurl failed.
  bool prepare(EasyHandle easy, bool is_fresh);
  // False: libcurl refused it.
  bool add(EasyHandle easy);
  // Not from inside libcurl (is_inside()).
  void remove(EasyHandle easy) noexcept;
  void unpause(EasyHandle easy) noexcept;
  bool is_inside() const noexcept;

  int open_connections() const noexcept;
  // All handles have to be removed; closes every connection and returns how many were open.
  int close() noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// One request on the wire: an easy handle and what it reads and writes.  May be started again after
// it ended.
class Transfer {
 public:
  enum class Take { more, pause, stop };
  // Called inside libcurl.
  class Sink {
   public:
    virtual void request_goes_out() = 0;
    virtual void head_came(ResponseHead head) = 0;
    virtual Take body_came(std::string_view bytes) = 0;

   protected:
    ~Sink() = default;
  };
  // Why it stopped itself.
  enum class Stop { none, sink, head_too_big, body_unreadable, sent_twice, not_loopback };

  // `request` must stay as it is, but its headers are taken.
  Transfer(ClientRequest& request, const Target& target, const Client::Options& options,
           bool idempotent, Clock& clock, Sink& sink);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  bool is_ready() const noexcept { return easy_ != nullptr && ready_; }
  EasyHandle easy() const noexcept { return easy_; }

  void rewind() noexcept;  // before each try
  void set_paused(bool paused) noexcept;

  bool is_sent() const noexcept { return sends_ > 0; }
  bool is_paused() const noexcept { return paused_; }
  Stop stop() const noexcept { return stop_; }
  Mono last_activity() const noexcept { return last_activity_; }
  std::string_view error_text() const noexcept { return error_text_.data(); }

  struct Numbers {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool is_http2 = false;
  };
  Numbers numbers() const noexcept;

 private:
  struct Callbacks;
  void set_up(const Target& target, const Client::Options& options);
  void set_method();
  void set_headers();
  bool read_body(char* into, std::size_t size, std::size_t& count);
  bool take_header(std::string_view line);

  ClientRequest& request_;
  Clock& clock_;
  Sink& sink_;
  EasyHandle easy_ = nullptr;
  void* header_list_ = nullptr;
  bool ready_ = false;
  const bool idempotent_;
  const bool loopback_only_;
  bool is_post_ = false;  // for libcurl: it has a body, perhaps an empty one
  bool is_read_ = false;  // by read_body()
  std::uint64_t body_size_ = 0;

  std::size_t part_ = 0;  // where the next byte of the body is
  std::uint64_t part_offset_ = 0;
  ResponseHead head_;
  std::size_t head_bytes_ = 0;
  bool head_over_ = false;
  bool paused_ = false;
  int sends_ = 0;
  Stop stop_ = Stop::none;
  Mono last_activity_{};
  std::array<char, 256> error_text_{};
};

}  // namespace cofounder::http
