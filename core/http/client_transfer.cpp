// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_curl.hpp"
#include "core/http/client_parts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace cofounder::http {
namespace {

constexpr std::size_t head_bytes_max = 256 << 10;
constexpr std::uint64_t copied_body_bytes_max = 32 << 10;  // smaller ones need no upload buffer
constexpr std::uint64_t read_ahead_bytes = 1 << 20;

std::string_view trim(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string lower(std::string_view text) {
  std::string result{text};
  for (char& letter : result) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return result;
}

std::uint64_t size_of(const BodyPart& part) noexcept {
  if (const auto* text = std::get_if<std::string>(&part)) return text->size();
  return std::get_if<FileRange>(&part)->size;
}

// Reads ahead, so that the loop does not wait for a disk when the bytes are needed.
void read_ahead(const FileRange& range, std::uint64_t offset) noexcept {
  const std::uint64_t size = std::min(range.size - offset, read_ahead_bytes);
  posix_fadvise(range.descriptor, static_cast<off_t>(range.offset + offset),
                static_cast<off_t>(size), POSIX_FADV_WILLNEED);
}

bool is_loopback_address(const char* address) noexcept {
  return std::strncmp(address, "127.", 4) == 0 || std::strcmp(address, "::1") == 0;
}

}  // namespace

// What libcurl calls.
struct Transfer::Callbacks {
  static std::size_t write(char* bytes, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.last_activity_ = transfer.clock_.mono();
    if (transfer.paused_) return CURL_WRITEFUNC_PAUSE;
    switch (transfer.sink_.body_came({bytes, size})) {
      case Take::pause:
        transfer.paused_ = true;  // these bytes are taken, the next ones wait
        return size;
      case Take::more:
        return size;
      case Take::stop:
        break;
    }
    transfer.stop_ = Stop::sink;
    return size + 1;  // anything but `size` ends it
  }

  static std::size_t header(char* bytes, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.last_activity_ = transfer.clock_.mono();
    return transfer.take_header({bytes, size}) ? size : size + 1;
  }

  static std::size_t read(char* into, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.last_activity_ = transfer.clock_.mono();
    std::size_t count = 0;
    if (transfer.read_body(into, size, count)) return count;
    transfer.stop_ = Stop::body_unreadable;
    return CURL_READFUNC_ABORT;
  }

  // libcurl rewinds when it repeats a request on a fresh connection.
  static int seek(void* self, curl_off_t offset, int origin) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
    transfer.part_ = 0;
    transfer.part_offset_ = 0;
    return CURL_SEEKFUNC_OK;
  }

  // Right before the request goes out.  libcurl repeats by itself what failed on a re-used
  // connection: that must not happen to what may be done only once.
  static int before_request(void* self, char* address, char*, int, int) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.last_activity_ = transfer.clock_.mono();
    if (transfer.loopback_only_ && !is_loopback_address(address)) {
      transfer.stop_ = Stop::not_loopback;
      return CURL_PREREQFUNC_ABORT;
    }
    if (transfer.sends_ > 0 && !transfer.idempotent_) {
      transfer.stop_ = Stop::sent_twice;
      return CURL_PREREQFUNC_ABORT;
    }
    ++transfer.sends_;
    transfer.sink_.request_goes_out();
    return CURL_PREREQFUNC_OK;
  }
};

Transfer::Transfer(ClientRequest& request, const Target& target, const Client::Options& options,
                   bool idempotent, Clock& clock, Sink& sink)
    : request_{request},
      clock_{clock},
      sink_{sink},
      easy_{curl().easy_init()},
      idempotent_{idempotent},
      loopback_only_{target.scheme == "http"} {
  for (const BodyPart& part : request_.body) body_size_ += size_of(part);
  if (easy_ != nullptr) set_up(target, options);
}

Transfer::~Transfer() {
  curl().easy_cleanup(easy_);
  curl().slist_free_all(static_cast<curl_slist*>(header_list_));
}

void Transfer::set_up(const Target& target, const Client::Options& options) {
  ready_ = true;
  const auto set = [this](CURLoption option, auto value) {
    ready_ = ready_ && curl().easy_setopt(easy_, option, value) == CURLE_OK;
  };
  void* const self = this;
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, target.scheme.c_str());
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // nothing from the environment
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // else libcurl waits for its resolver thread when we cancel
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_PIPEWAIT, loopback_only_ ? 0L : 1L);
  // Only what needs little memory to unpack.
  set(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  set(CURLOPT_BUFFERSIZE, 16L << 10);
  set(CURLOPT_UPLOAD_BUFFERSIZE, body_size_ > (1u << 20) ? 64L << 10 : 16L << 10);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  // The same limit as our own timer's: libcurl shares it out among a host's addresses.
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
  if (!options.user_agent.empty()) set(CURLOPT_USERAGENT, options.user_agent.c_str());
  if (!loopback_only_) {
    // One file and no folder, for only then are the certificates parsed once and not for each
    // connection.
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  }
  set(CURLOPT_ERRORBUFFER, error_text_.data());
  set(CURLOPT_WRITEDATA, self);
  set(CURLOPT_WRITEFUNCTION, &Callbacks::write);
  set(CURLOPT_HEADERDATA, self);
  set(CURLOPT_HEADERFUNCTION, &Callbacks::header);
  set(CURLOPT_PREREQDATA, self);
  set(CURLOPT_PREREQFUNCTION, &Callbacks::before_request);
  set_method();
  set_headers();
}

void Transfer::set_method() {
  const auto set = [this](CURLoption option, auto value) {
    ready_ = ready_ && curl().easy_setopt(easy_, option, value) == CURLE_OK;
  };
  const std::string& method = request_.method;
  const bool wants_body = method == "POST" || method == "PUT" || method == "PATCH";
  if (body_size_ == 0 && !wants_body) {
    if (method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else {
      set(CURLOPT_HTTPGET, 1L);
      if (method != "GET") set(CURLOPT_CUSTOMREQUEST, method.c_str());
    }
    return;
  }
  is_post_ = true;
  set(CURLOPT_POST, 1L);
  if (method != "POST") set(CURLOPT_CUSTOMREQUEST, method.c_str());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_size_));
  const bool is_one_text =
      request_.body.size() == 1 && std::holds_alternative<std::string>(request_.body.front());
  if (body_size_ == 0) {
    set(CURLOPT_POSTFIELDS, "");
  } else if (is_one_text && body_size_ <= copied_body_bytes_max) {
    set(CURLOPT_POSTFIELDS, std::get<std::string>(request_.body.front()).c_str());
  } else {
    is_read_ = true;
    set(CURLOPT_READDATA, static_cast<void*>(this));
    set(CURLOPT_READFUNCTION, &Callbacks::read);
    set(CURLOPT_SEEKDATA, static_cast<void*>(this));
    set(CURLOPT_SEEKFUNCTION, &Callbacks::seek);
  }
}

void Transfer::set_headers() {
  bool has_content_type = false;
  bool has_expect = false;
  const auto add = [this](const std::string& line) {
    auto* list = curl().slist_append(static_cast<curl_slist*>(header_list_), line.c_str());
    if (list == nullptr) ready_ = false;
    if (list != nullptr) header_list_ = list;
  };
  for (const auto& [name, value] : request_.headers) {
    const std::string lower_name = lower(name);
    has_content_type = has_content_type || lower_name == "content-type";
    has_expect = has_expect || lower_name == "expect";
    add(value.empty() ? name + ";" : name + ": " + value);  // ";": libcurl's way to send it empty
  }
  // libcurl would add its own of these to bodies.
  if (is_post_) {
    if (!has_content_type) add("Content-Type:");
    if (!has_expect) add("Expect:");
  }
  Headers{}.swap(request_.headers);  // they live in the list now
  if (header_list_ != nullptr &&
      curl().easy_setopt(easy_, CURLOPT_HTTPHEADER, static_cast<curl_slist*>(header_list_)) !=
          CURLE_OK) {
    ready_ = false;
  }
}

void Transfer::rewind() noexcept {
  part_ = 0;
  part_offset_ = 0;
  head_ = {};
  head_bytes_ = 0;
  head_over_ = false;
  paused_ = false;
  sends_ = 0;
  stop_ = Stop::none;
  error_text_.front() = '\0';
  last_activity_ = clock_.mono();
}

void Transfer::set_paused(bool paused) noexcept {
  paused_ = paused;
  last_activity_ = clock_.mono();
}

bool Transfer::read_body(char* into, std::size_t size, std::size_t& count) {
  while (count < size && part_ < request_.body.size()) {
    const BodyPart& part = request_.body[part_];
    const auto take = static_cast<std::size_t>(
        std::min<std::uint64_t>(size - count, size_of(part) - part_offset_));
    if (take == 0) {
      ++part_;
      part_offset_ = 0;
      continue;
    }
    if (const auto* text = std::get_if<std::string>(&part)) {
      std::memcpy(into + count, text->data() + part_offset_, take);
      count += take;
      part_offset_ += take;
      continue;
    }
    const auto& range = std::get<FileRange>(part);
    if (part_offset_ % read_ahead_bytes < take) read_ahead(range, part_offset_);
    ssize_t got = 0;
    do {
      got = ::pread(range.descriptor, into + count, take,
                    static_cast<off_t>(range.offset + part_offset_));
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;  // the file broke or became shorter than promised
    count += static_cast<std::size_t>(got);
    part_offset_ += static_cast<std::uint64_t>(got);
  }
  return true;
}

bool Transfer::take_header(std::string_view line) {
  head_bytes_ += line.size();
  if (head_bytes_ > head_bytes_max) {
    stop_ = Stop::head_too_big;
    return false;
  }
  if (head_over_) return true;  // trailers
  if (line.starts_with("HTTP/")) {
    // The first, or the next one after 100 Continue and its like.
    head_ = {};
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      const std::string_view code = line.substr(space + 1, 3);
      std::from_chars(code.data(), code.data() + code.size(), head_.status);
    }
    return true;
  }
  const std::string_view text = trim(line);
  if (text.empty()) {
    if (head_.status < 200) return true;
    head_over_ = true;
    sink_.head_came(std::exchange(head_, {}));
    return true;
  }
  if ((line.front() == ' ' || line.front() == '\t') && !head_.headers.empty()) {
    head_.headers.back().second.append(" ").append(text);  // an old folded line
    return true;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return true;
  head_.headers.emplace_back(lower(trim(text.substr(0, colon))), trim(text.substr(colon + 1)));
  return true;
}

Transfer::Numbers Transfer::numbers() const noexcept {
  curl_off_t up = 0;
  curl_off_t down = 0;
  long request_bytes = 0;
  long header_bytes = 0;
  long version = 0;
  curl().easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &up);
  curl().easy_getinfo(easy_, CURLINFO_SIZE_DOWNLOAD_T, &down);
  curl().easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &request_bytes);
  curl().easy_getinfo(easy_, CURLINFO_HEADER_SIZE, &header_bytes);
  curl().easy_getinfo(easy_, CURLINFO_HTTP_VERSION, &version);
  Numbers numbers;
  // A short body goes out together with the head and is counted there already.
  numbers.sent = static_cast<std::uint64_t>(request_bytes);
  if (is_read_) numbers.sent += static_cast<std::uint64_t>(up);
  numbers.received = static_cast<std::uint64_t>(down) + static_cast<std::uint64_t>(header_bytes);
  numbers.is_http2 = version == CURL_HTTP_VERSION_2_0;
  return numbers;
}

}  // namespace cofounder::http
