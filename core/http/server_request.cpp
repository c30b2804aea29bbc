// SPDX-License-Identifier: Apache-2.0
#include "core/http/server_request.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>

namespace cofounder::http {

namespace beast = boost::beast;

namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string to_lower(std::string_view text) {
  std::string lower{text};
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool read_query(std::string_view text, ServerRequest& request) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional<std::string>{std::in_place}
                                                  : percent_decode(pair.substr(equals + 1), true);
    if (!name || !value) return false;
    request.query.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

// Takes the origin form ("/path?query"), the absolute form that proxies use, and "*".
bool read_target(std::string_view target, ServerRequest& request) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t slash = target.find_first_of("/?", scheme.size());
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
    break;
  }
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  auto path = percent_decode(target.substr(0, mark), false);
  if (!path || (!path->starts_with('/') && *path != "*")) return false;
  request.path = std::move(*path);
  return mark == std::string_view::npos || read_query(target.substr(mark + 1), request);
}

// Fills a ServerRequest as Beast recognises its parts: no field container in between.
class Parser final : public beast::http::basic_parser<true> {
 public:
  ServerRequest request;
  std::string_view piece;
  int version = 0;  // 10 or 11
  bool is_target_bad = false;
  bool has_host = false;
  bool expects_continue = false;

 private:
  using ErrorCode = beast::error_code;

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int v, ErrorCode&) override {
    request.method.assign(method.data(), method.size());
    version = v;
    is_target_bad = !read_target({target.data(), target.size()}, request);
    request.headers.reserve(8);
  }
  void on_response_impl(int, beast::string_view, int, ErrorCode&) override {}
  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     ErrorCode&) override {
    if (is_head_done_) return;  // trailers after a chunked body mean nothing to us
    has_host = has_host || field == beast::http::field::host;
    if (field == beast::http::field::expect && beast::iequals(value, "100-continue")) {
      expects_continue = true;
    }
    request.headers.emplace_back(to_lower({name.data(), name.size()}),
                                 std::string{value.data(), value.size()});
  }
  void on_header_impl(ErrorCode&) override { is_head_done_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(beast::string_view body, ErrorCode&) override {
    piece = {body.data(), body.size()};
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, ErrorCode&) override {
    piece = {body.data(), body.size()};
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  bool is_head_done_ = false;
};

std::pair<int, Error> failure_of(beast::error_code why) {
  const auto is = [&](beast::http::error e) { return why == beast::http::make_error_code(e); };
  if (is(beast::http::error::header_limit) || is(beast::http::error::buffer_overflow)) {
    return {431, make_error("header_too_big", "the head of the request is too big")};
  }
  if (is(beast::http::error::bad_version)) {
    return {505, make_error("invalid_http", "only HTTP/1.0 and HTTP/1.1 are spoken here")};
  }
  return {400, make_error("invalid_http", "not a valid HTTP request: " + why.message())};
}

// Beast 1.81 asserts that at least the 5 bytes of the last chunk are there when it looks at that
// again.  They come before any chunked body is over, so nobody waits for ever.
bool may_be_last_chunk(std::string_view rest) noexcept {
  constexpr std::size_t last_chunk_bytes = 5;
  if (rest.size() >= last_chunk_bytes) return false;
  if (rest.starts_with("\r\n")) rest.remove_prefix(2);
  return rest.empty() || rest.front() == '0' || rest.front() == '\r';
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool is_query) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && is_query) {
      c = ' ';
    } else if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    out.push_back(c);
  }
  return out;
}

struct RequestReader::State {
  explicit State(std::uint64_t limit) : header_bytes_max{static_cast<std::uint32_t>(limit)} {
    begin();
  }
  void begin() {
    parser.emplace();
    parser->header_limit(header_bytes_max);
    parser->body_limit(boost::none);  // the limit is per route, known after the head only
    has_begun = false;
    is_head_told = false;
  }

  std::uint32_t header_bytes_max;
  std::optional<Parser> parser;
  bool has_begun = false;
  bool is_head_told = false;
  std::pair<int, Error> failure{400, {}};
};

RequestReader::RequestReader(std::uint64_t header_bytes_max)
    : state_{std::make_unique<State>(header_bytes_max)} {}
RequestReader::~RequestReader() = default;

void RequestReader::restart() { state_->begin(); }

RequestReader::Step RequestReader::feed(std::string_view bytes, std::size_t& used) {
  used = 0;
  Parser& parser = *state_->parser;
  // Empty lines before a request are allowed (RFC 9112, 2.2).
  while (!state_->has_begun && used < bytes.size() &&
         (bytes[used] == '\r' || bytes[used] == '\n')) {
    ++used;
  }
  for (;;) {
    if (parser.is_done()) return Step::done;
    if (used == bytes.size()) return Step::need_more;
    state_->has_begun = true;
    if (state_->is_head_told && parser.chunked() && may_be_last_chunk(bytes.substr(used))) {
      return Step::need_more;
    }
    beast::error_code error;
    parser.piece = {};
    used += parser.put(boost::asio::const_buffer{bytes.data() + used, bytes.size() - used}, error);
    if (error && error != beast::http::make_error_code(beast::http::error::need_more)) {
      state_->failure = failure_of(error);
      return Step::failed;
    }
    if (!state_->is_head_told && parser.is_header_done()) {
      state_->is_head_told = true;
      if (parser.is_target_bad) {
        state_->failure = {400, make_error("invalid_target", "the request's path is malformed")};
        return Step::failed;
      }
      if (parser.version >= 11 && !parser.has_host) {
        state_->failure = {400, make_error("invalid_http", "the request has no Host")};
        return Step::failed;
      }
      return Step::head;
    }
    if (!parser.piece.empty()) return Step::body;
    if (error) return Step::need_more;
  }
}

bool RequestReader::has_begun() const noexcept { return state_->has_begun; }
ServerRequest& RequestReader::request() noexcept { return state_->parser->request; }
std::string_view RequestReader::piece() const noexcept { return state_->parser->piece; }
bool RequestReader::has_body() const noexcept { return !state_->parser->is_done(); }
bool RequestReader::keep_alive() const noexcept { return state_->parser->keep_alive(); }
bool RequestReader::is_http_1_0() const noexcept { return state_->parser->version < 11; }
bool RequestReader::expects_continue() const noexcept { return state_->parser->expects_continue; }
const std::pair<int, Error>& RequestReader::failure() const noexcept { return state_->failure; }

std::optional<std::uint64_t> RequestReader::content_length() const noexcept {
  const auto length = state_->parser->content_length();
  return length ? std::optional<std::uint64_t>{*length} : std::nullopt;
}

}  // namespace cofounder::http
