// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http.hpp"

#include <random>

// The inside of http.hpp; include that.
namespace cofounder::sdk::inline v1 {

namespace detail {

// A request under way, and what came of its answer so far.
class HttpExchange : public Pending {
 public:
  explicit HttpExchange(const HostTables& tables) noexcept : tables_{tables} {}

  void start(std::uint64_t call_id, const HttpRequest& request, std::int32_t framing,
             std::uint64_t flags, std::uint64_t response_file);

  void abandon() noexcept override {
    tables_(tables_.http, &cof_http_service::cancel, handle_.load(std::memory_order_acquire));
  }

  // Allows the host to send more, in steps that keep the number of calls low.
  void consumed(std::uint64_t bytes) noexcept {
    owed_ += bytes;
    if (owed_ < window / 2 || done()) return;
    allow(std::exchange(owed_, 0));
  }
  void allow(std::uint64_t bytes) noexcept {
    tables_(tables_.http, &cof_http_service::pull, handle_.load(std::memory_order_acquire), bytes);
  }

  bool succeeded() const noexcept { return status >= 200 && status < 300; }

  static constexpr std::uint64_t window = 256 * 1024;  // bytes on their way to a stream

  bool streamed = false;
  int status = 0;
  HttpHeaders headers;
  std::deque<HttpItem> items;

 protected:
  bool accept(const cof_reply& reply) override {
    if (reply.kind == COF_HTTP_HEAD) {
      status = static_cast<int>(reply.value);
      headers = parse_header_lines(view(reply.body));
      return streamed && succeeded();
    }
    items.push_back(HttpItem{std::string{view(reply.body)}, std::string{view(reply.name)},
                             std::string{view(reply.id)}});
    return reply.value == 0;  // else the next one wakes who waits
  }

 private:
  const HostTables& tables_;
  std::atomic<std::uint64_t> handle_{0};
  std::uint64_t owed_ = 0;
};

inline void HttpExchange::start(std::uint64_t call_id, const HttpRequest& request,
                                std::int32_t framing, std::uint64_t flags,
                                std::uint64_t response_file) {
  std::vector<cof_http_part> parts;
  std::vector<const cof_http_part*> pointers;
  parts.reserve(request.parts.size());
  for (const HttpPart& part : request.parts) {
    cof_http_part& given = parts.emplace_back();
    given.struct_size = sizeof given;
    given.bytes = to_bytes(part.bytes);
    given.file = part.file;
    given.offset = part.offset;
    given.size = part.size;
    pointers.push_back(&given);
  }
  const std::string headers_text = header_lines(request.headers);

  cof_http_request given{};
  given.struct_size = sizeof given;
  given.flags = static_cast<std::uint32_t>(flags);
  if (request.idempotent) given.flags |= COF_HTTP_IDEMPOTENT;
  given.method = to_c(request.method);
  given.url = to_c(request.url);
  given.headers = to_c(headers_text);
  given.parts = pointers.data();
  given.part_count = pointers.size();
  given.connect_timeout_ms = request.connect_timeout.count();
  given.total_timeout_ms = request.total_timeout.count();
  given.idle_timeout_ms = request.idle_timeout.count();
  given.response_bytes_max = request.response_bytes_max;
  given.framing = framing;
  given.tries_max = request.tries_max;
  given.response_file = response_file;
  given.item_bytes_max = request.item_bytes_max;
  given.retry_wait_max_ms = request.retry_wait_max.count();
  given.retry_statuses = to_c(request.retry_statuses);

  std::uint64_t handle = 0;
  const std::int32_t started_as =
      tables_(tables_.http, &cof_http_service::start, call_id,
              static_cast<const cof_http_request*>(&given), tag(), &handle);
  handle_.store(handle, std::memory_order_release);
  started(started_as, "start an HTTP request");
}

inline Result<HttpResponse> read_response(Pending& answered) {
  auto& exchange = static_cast<HttpExchange&>(answered);
  if (exchange.last.status < 0) return exchange.last.failure();
  HttpResponse response;
  response.status = static_cast<int>(exchange.last.value);
  response.headers = std::move(exchange.headers);
  response.body = std::move(exchange.last.body);
  response.received_bytes = static_cast<std::uint64_t>(exchange.last.value2);
  response.retry_after = exchange.last.retry_after;
  return response;
}

}  // namespace detail

// A streamed answer:
//   for (;;) {
//     auto item = co_await stream.next();
//     if (!item) co_return item.failure();   // the transfer broke
//     if (!*item) break;                     // the end
//     use((*item)->body);
//   }
// The host sends only as much as is taken.  Dropping the stream cancels the request.
class HttpStream {
 public:
  explicit HttpStream(detail::Ref<detail::HttpExchange> exchange) noexcept
      : exchange_{std::move(exchange)} {}

  int status() const noexcept { return exchange_->status; }
  bool ok() const noexcept { return exchange_->succeeded(); }
  const HttpHeaders& headers() const noexcept { return exchange_->headers; }
  // The first header of that lower-case name, or "".
  std::string_view header(std::string_view name) const noexcept {
    return detail::find_header(exchange_->headers, name);
  }
  // The body of an answer that is not 2xx, cut at 64 KiB.
  std::string error_body() const { return ok() ? std::string{} : exchange_->last.body; }
  Milliseconds retry_after() const noexcept { return exchange_->last.retry_after; }

  class [[nodiscard]] Next {
   public:
    explicit Next(detail::HttpExchange* exchange) noexcept : exchange_{exchange} {}
    bool await_ready() const noexcept {
      exchange_->looked();
      return !exchange_->items.empty() || exchange_->done();
    }
    bool await_suspend(std::coroutine_handle<> waiter) noexcept { return exchange_->wait(waiter); }
    Result<std::optional<HttpItem>> await_resume() {
      if (exchange_->items.empty()) return end();
      std::optional<HttpItem> item{std::move(exchange_->items.front())};
      exchange_->items.pop_front();
      exchange_->consumed(item->body.size());
      return item;
    }

   private:
    Result<std::optional<HttpItem>> end() const {
      if (exchange_->last.status < 0) return exchange_->last.failure();
      return std::optional<HttpItem>{};
    }
    detail::HttpExchange* exchange_;
  };

  // The next item, or nothing at the end.
  Next next() noexcept { return Next{exchange_.get()}; }
  // Whether next() would not wait for an item: of a fast stream several come together.
  bool has_next() const noexcept { return !exchange_->items.empty(); }

 private:
  detail::Ref<detail::HttpExchange> exchange_;
};

inline Future<HttpResponse> Http::send(const HttpRequest& request) const {
  auto* exchange = new detail::HttpExchange{*tables_};
  Future<HttpResponse> future{exchange, &detail::read_response};
  exchange->start(call_id_, request, COF_HTTP_WHOLE, 0, 0);
  return future;
}

inline Future<HttpResponse> Http::download(const HttpRequest& request, const File& into) const {
  auto* exchange = new detail::HttpExchange{*tables_};
  Future<HttpResponse> future{exchange, &detail::read_response};
  exchange->start(call_id_, request, COF_HTTP_FILE, 0, into.handle());
  return future;
}

inline Future<HttpStream> Http::stream(const HttpRequest& request, Framing framing) const {
  auto* exchange = new detail::HttpExchange{*tables_};
  exchange->streamed = true;
  Future<HttpStream> future{exchange, [](detail::Pending& answered) -> Result<HttpStream> {
                              auto& opened = static_cast<detail::HttpExchange&>(answered);
                              if (opened.done() && opened.last.status < 0 && opened.items.empty()) {
                                return opened.last.failure();
                              }
                              opened.retain();  // the future lets go of its own share
                              return HttpStream{detail::Ref<detail::HttpExchange>{&opened}};
                            }};
  exchange->start(call_id_, request, static_cast<std::int32_t>(framing), COF_HTTP_PULL, 0);
  if (!exchange->done()) exchange->allow(detail::HttpExchange::window);
  return future;
}

// ---- Multipart ----------------------------------------------------------------------------------

inline Multipart::Multipart() : boundary_{"cofounder-"} {
  static constexpr char digits[] = "0123456789abcdef";
  std::random_device random;
  for (int i = 0; i < 32; ++i) boundary_ += digits[random() % 16u];
}

inline void Multipart::open(std::string_view name, std::string_view file_name,
                            std::string_view type) {
  // As browsers do (WHATWG HTML, multipart/form-data): only what would end the quotes is escaped.
  const auto quoted = [](std::string_view text) {
    std::string safe;
    for (const char c : text) {
      if (c == '"')
        safe += "%22";
      else if (c == '\r')
        safe += "%0D";
      else if (c == '\n')
        safe += "%0A";
      else
        safe += c;
    }
    return safe;
  };
  text_ += "--" + boundary_ + "\r\nContent-Disposition: form-data; name=\"" + quoted(name) + "\"";
  if (!file_name.empty()) text_ += "; filename=\"" + quoted(file_name) + "\"";
  if (!type.empty()) text_.append("\r\nContent-Type: ").append(type);
  text_ += "\r\n\r\n";
}

inline Multipart& Multipart::field(std::string_view name, std::string_view value) {
  open(name, {}, {});
  text_.append(value).append("\r\n");
  return *this;
}

inline Multipart& Multipart::bytes(std::string_view name, std::string_view file_name,
                                   std::string_view content, std::string_view type) {
  open(name, file_name, type);
  text_.append(content).append("\r\n");
  return *this;
}

inline Multipart& Multipart::file(std::string_view name, std::string_view file_name,
                                  const File& file, std::uint64_t offset, std::uint64_t size,
                                  std::string_view type) {
  open(name, file_name, type);
  parts_.emplace_back(std::exchange(text_, {}));
  parts_.emplace_back(file, offset, size);
  text_ = "\r\n";
  return *this;
}

inline std::vector<HttpPart> Multipart::finish() {
  text_ += "--" + boundary_ + "--\r\n";
  parts_.emplace_back(std::exchange(text_, {}));
  return std::move(parts_);
}

}  // namespace cofounder::sdk::inline v1
