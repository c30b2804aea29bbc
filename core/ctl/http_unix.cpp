// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/http_unix.hpp"

#include "core/ctl/connection.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <optional>

namespace cofounder::ctl {
namespace {

constexpr std::size_t head_bytes_max = 64u << 10;
constexpr std::size_t body_bytes_max = 64u << 20;
constexpr std::size_t size_line_bytes_max = 1024;  // of a chunk, with its extensions

using Done = std::optional<Error>;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// One answer on one connection.
class Exchange {
 public:
  Exchange(Connection connection, const Request& request, const StreamSink* sink)
      : connection_{std::move(connection)}, request_{request}, sink_{sink} {}

  Result<Answer> run() {
    if (Done error = send()) return *error;
    do {
      if (Done error = read_head()) return *error;
    } while (answer_.status < 200);
    if (Done error = read_body()) return *error;
    return std::move(answer_);
  }

 private:
  Done send() {
    const bool has_body = request_.method != "GET" && request_.method != "DELETE";
    std::string head = request_.method + " " + request_.target + " HTTP/1.1\r\n";
    head += "Host: cofounderd\r\nConnection: close\r\nUser-Agent: cofounderctl\r\n";
    head += "Accept: " + (request_.accept.empty() ? "application/json" : request_.accept) + "\r\n";
    if (!request_.bearer.empty()) head += "Authorization: Bearer " + request_.bearer + "\r\n";
    if (has_body) {
      const std::uint64_t bytes = request_.file >= 0 ? request_.file_bytes : request_.body.size();
      if (bytes != 0) head += "Content-Type: " + request_.content_type + "\r\n";
      head += "Content-Length: " + std::to_string(bytes) + "\r\n";
    }
    head += "\r\n";
    if (has_body && request_.file < 0) head += request_.body;
    const Result<bool> sent = connection_.send(head, request_.silence_max);
    if (!sent) return sent.error();
    return *sent && has_body && request_.file >= 0 ? send_file() : Done{};
  }

  // A daemon that refuses the file answers and takes no more: its answer is what counts.
  Done send_file() {
    char piece[65536];
    for (std::uint64_t left = request_.file_bytes; left > 0;) {
      const ssize_t got = ::read(request_.file, piece, std::min<std::uint64_t>(left, sizeof piece));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return make_error("file_changed", "the file became shorter while it was sent");
      const Result<bool> sent =
          connection_.send({piece, static_cast<std::size_t>(got)}, request_.silence_max);
      if (!sent) return sent.error();
      if (!*sent) return std::nullopt;
      left -= static_cast<std::uint64_t>(got);
    }
    return std::nullopt;
  }

  // Adds to the buffer; an error when nothing more comes.
  Done need_more(std::string_view what) {
    const Result<bool> more = connection_.fill(request_.silence_max);
    if (!more) return more.error();
    if (!*more) return bad_answer("it ends in " + std::string{what});
    return std::nullopt;
  }

  Done read_head() {
    std::string& buffer = connection_.buffer();
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (buffer.size() > head_bytes_max) return bad_answer("its head is too large");
      if (!std::string_view{"HTTP/1."}.starts_with(std::string_view{buffer}.substr(0, 7))) {
        return bad_answer("it is not HTTP");
      }
      const bool was_empty = buffer.empty();
      const Result<bool> more = connection_.fill(request_.silence_max);
      if (!more) return more.error();
      if (!*more && was_empty) {
        Error error = make_error("unreachable", "the daemon closed the connection");
        error.hint = "journalctl -u cofounderd says why";
        return error;
      }
      if (!*more) return bad_answer("it ends in its head");
    }
    if (end > head_bytes_max) return bad_answer("its head is too large");
    const std::string head = buffer.substr(0, end);
    buffer.erase(0, end + 4);
    return parse_head(head);
  }

  Done parse_head(std::string_view head) {
    answer_ = {};
    std::string_view line = head.substr(0, head.find("\r\n"));
    const std::string_view number = line.size() >= 12 ? line.substr(9, 3) : std::string_view{};
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), answer_.status);
    if (!line.starts_with("HTTP/1.") || error != std::errc{} ||
        end != number.data() + number.size() || answer_.status < 100 || line[8] != ' ') {
      return bad_answer("it is not HTTP");
    }
    while (line.size() < head.size()) {
      head.remove_prefix(line.size() + 2);
      line = head.substr(0, head.find("\r\n"));
      const auto colon = line.find(':');
      if (colon == std::string_view::npos) return bad_answer("a header has no colon");
      answer_.headers.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    }
    return std::nullopt;
  }

  Done read_body() {
    if (answer_.status == 204 || answer_.status == 304) return std::nullopt;
    if (lower(answer_.header("transfer-encoding")) == "chunked") return read_chunks();
    const std::string_view length = answer_.header("content-length");
    if (length.empty()) return read_to_the_end();
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (error != std::errc{} || end != length.data() + length.size()) {
      return bad_answer("its length is no number");
    }
    return read_bytes(bytes);
  }

  // Passes on `bytes` bytes of the body.
  Done read_bytes(std::uint64_t bytes) {
    std::string& buffer = connection_.buffer();
    while (bytes > 0 && !enough_) {
      if (buffer.empty()) {
        if (Done error = wait_for_body()) return error;
        continue;
      }
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, buffer.size()));
      if (Done error = take(std::string_view{buffer}.substr(0, part))) return error;
      buffer.erase(0, part);
      bytes -= part;
    }
    return std::nullopt;
  }

  Done read_chunks() {
    std::string& buffer = connection_.buffer();
    while (!enough_) {
      std::size_t end = 0;
      while ((end = buffer.find("\r\n")) == std::string::npos && !enough_) {
        if (buffer.size() > size_line_bytes_max) return bad_answer("a chunk has no size");
        if (Done error = wait_for_body()) return error;
      }
      if (enough_) return std::nullopt;
      std::uint64_t bytes = 0;
      const auto [stop, error] = std::from_chars(buffer.data(), buffer.data() + end, bytes, 16);
      const bool is_number = error == std::errc{} && stop != buffer.data() &&
                             (stop == buffer.data() + end || *stop == ';' || *stop == ' ');
      if (!is_number) return bad_answer("a chunk has no size");
      buffer.erase(0, end + 2);
      if (bytes == 0) return std::nullopt;  // trailers say nothing to us
      if (Done problem = read_bytes(bytes)) return problem;
      while (buffer.size() < 2 && !enough_) {
        if (Done problem = need_more("a chunk")) return problem;
      }
      if (enough_) return std::nullopt;
      if (!buffer.starts_with("\r\n")) return bad_answer("a chunk is longer than it says");
      buffer.erase(0, 2);
    }
    return std::nullopt;
  }

  Done read_to_the_end() {
    std::string& buffer = connection_.buffer();
    while (!enough_) {
      if (Done error = take(buffer)) return error;
      buffer.clear();
      const Result<bool> more = connection_.fill(request_.silence_max);
      if (!more) return more.error();
      if (!*more) return std::nullopt;
    }
    return std::nullopt;
  }

  bool is_streamed() const noexcept { return sink_ != nullptr && answer_.is_success(); }

  // A stream may be silent for as long as its reader likes.
  Done wait_for_body() {
    Done error = need_more("its body");
    if (error && error->code == "no_answer" && is_streamed()) {
      enough_ = !sink_->silence();
      return std::nullopt;
    }
    return error;
  }

  Done take(std::string_view piece) {
    if (is_streamed()) {
      enough_ = !sink_->piece(piece);
      return std::nullopt;
    }
    if (answer_.body.size() + piece.size() > body_bytes_max) {
      return bad_answer("it is larger than " + std::to_string(body_bytes_max) + " bytes");
    }
    answer_.body.append(piece);
    return std::nullopt;
  }

  Connection connection_;
  const Request& request_;
  const StreamSink* sink_;
  Answer answer_;
  bool enough_ = false;
};

Result<Answer> exchange(const std::filesystem::path& socket, const Request& request,
                        const StreamSink* sink) {
  Result<Connection> connection = Connection::open(socket);
  if (!connection) return connection.error();
  return Exchange{std::move(*connection), request, sink}.run();
}

}  // namespace

std::string_view Answer::header(std::string_view lower_case_name) const noexcept {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

Result<Answer> UnixHttp::call(const Request& request) const {
  return exchange(socket_, request, nullptr);
}

Result<Answer> UnixHttp::stream(const Request& request, const StreamSink& sink) const {
  return exchange(socket_, request, &sink);
}

std::string encode(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      result += c;
    } else {
      result += '%';
      result += digits[byte >> 4];
      result += digits[byte & 15];
    }
  }
  return result;
}

}  // namespace cofounder::ctl
