// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/simulators/http_server.hpp"

// Cloudinary's Upload and Admin API, as strict as the real one.  Sources: the official Node SDK 2.11
// (recorded requests), cloudinary.com/documentation, as of 2026-11-23.
namespace simulator {

struct CloudinaryOptions {
  std::string cloud = "demo";
  std::string key = "1234";
  std::string secret = "abcd";
  std::uint64_t chunk_bytes_min = 5'000'000;    // of every chunk but the last
  std::uint64_t bytes_max = 100'000'000;        // of an upload in one request
  bool signs_with_sha256 = false;               // its answers; as the account is set
  int delay_ms = 0;                             // before each answer of the Upload API
};

class Cloudinary {
 public:
  explicit Cloudinary(CloudinaryOptions options) : options_{std::move(options)} {}
  Response handle(const Request& request);

  struct Asset {
    std::string resource_type;
    std::string public_id;
    std::string format;
    std::string etag;
    std::uint64_t bytes = 0;
    std::int64_t version = 0;
    int width = 0, height = 0;
  };

 private:
  struct Fields {  // of an upload or destroy request
    std::map<std::string, std::string> values;
    std::optional<FormPart> file;
  };
  struct PartialUpload {
    std::string content;
    std::string public_id;
    std::optional<std::uint64_t> total;
  };

  std::optional<Fields> read_fields(const Request& request) const;
  // Nothing when the request is allowed to do what it asks.
  std::optional<Response> check_authority(const Request& request, const Fields& fields) const;
  bool has_basic_credentials(const Request& request) const;

  Response upload(const Request& request, const std::string& resource_type);
  Response upload_chunk(const Request& request, const std::string& resource_type, Fields fields);
  Response store(const std::string& resource_type, const Fields& fields, std::string content,
                 const std::string& file_name);
  Response destroy(const Request& request, const std::string& resource_type);
  Response admin(const Request& request, std::string_view path);
  Response describe(const Asset& asset, const Fields& fields, bool existing) const;

  CloudinaryOptions options_;
  std::mutex mutex_;  // for the two below
  std::map<std::string, Asset> assets_;  // by resource type + "/" + public id
  std::map<std::string, PartialUpload> partial_;  // by X-Unique-Upload-Id
};

// ---- cloudinary_checks.cpp

Response cloudinary_error(int status, const std::string& message);
std::string hex_digest(const char* algorithm, std::string_view text);
// hex(sha1|sha256) of the sorted parameters and the secret; `version` 1 or 2.
std::string cloudinary_signature(const std::map<std::string, std::string>& params,
                                 const std::string& secret, const char* algorithm, int version);
// What is wrong with the fields of an upload, in the provider's words; empty: nothing.
std::string check_upload_fields(const std::map<std::string, std::string>& values);
std::string check_destroy_fields(const std::map<std::string, std::string>& values);
// "key=value|key=value", with \ before = and | inside; nothing for what is none.
std::optional<std::map<std::string, std::string>> parse_context(std::string_view text);
// "bytes 0-9/-1" or "bytes 0-9/10".
struct ContentRange {
  std::uint64_t first = 0, last = 0;
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text);
// "2026-11-23", and not after today.
bool is_past_date(std::string_view text);
std::optional<std::string> decode_data_uri(std::string_view uri);
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace simulator
