// SPDX-License-Identifier: Apache-2.0
// The Cloudinary simulator takes right requests and refuses mutated ones as the provider does.
#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/simulators/cloudinary.hpp"

namespace {

using Json = nlohmann::json;
using simulator::Cloudinary;
using simulator::Response;

constexpr std::size_t chunk_bytes = 5'000'000;

std::string picture(std::size_t bytes) {
  std::string png{"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\x2c\0\0\0\xc8", 24};
  png.resize(bytes, 'x');
  return png;
}

// A request as it is about to be made.
struct Draft {
  std::string method = "POST";
  std::string path;
  std::string content_type;  // empty: as the fields need it
  std::map<std::string, std::string> fields;
  std::map<std::string, std::string> unsigned_fields;  // put in, or in place of, after signing
  std::set<std::string> dropped;                       // after signing
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> files;
  std::string secret = "abcd";
  std::string extra_body;
  bool is_multipart = true;

  void header(const std::string& name, const std::string& value) {
    for (auto& [key, old] : headers) {
      if (key == name) {
        old = value;
        return;
      }
    }
    headers.emplace_back(name, value);
  }
  void without_header(const std::string& name) {
    std::erase_if(headers, [&](const auto& header) { return header.first == name; });
  }
};

simulator::Request request_of(const Draft& draft) {
  simulator::Request request;
  request.method = draft.method;
  request.path = draft.path;
  request.headers = draft.headers;
  if (draft.method != "POST") return request;
  auto fields = draft.fields;
  fields["signature"] = simulator::cloudinary_signature(fields, draft.secret, "SHA1", 2);
  fields["api_key"] = "1234";
  for (const auto& [name, value] : draft.unsigned_fields) fields[name] = value;
  for (const auto& name : draft.dropped) fields.erase(name);
  if (draft.is_multipart) {
    for (const auto& [name, value] : fields) {
      request.body +=
          "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    }
    for (const std::string& file : draft.files) {
      request.body +=
          "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n"
          "Content-Type: application/octet-stream\r\n\r\n" +
          file + "\r\n";
    }
    request.body += draft.extra_body + "--XX--\r\n";
  } else {
    for (const auto& [name, value] : fields) {
      request.body += (request.body.empty() ? "" : "&") + name + "=" + value;
    }
    request.body += draft.extra_body;
  }
  request.headers.emplace_back("content-type", !draft.content_type.empty() ? draft.content_type
                                               : draft.is_multipart
                                                   ? "multipart/form-data; boundary=XX"
                                                   : "application/x-www-form-urlencoded");
  return request;
}

std::string now(std::int64_t plus_s = 0) { return std::to_string(std::time(nullptr) + plus_s); }

Draft good_upload() {
  Draft draft;
  draft.path = "/v1_1/demo/auto/upload";
  draft.fields = {{"public_id", "folder/a"},
                  {"timestamp", now()},
                  {"tags", "a,b"},
                  {"context", "alt=1\\=2|b=c"},
                  {"eager", "c_fill,w_3/webp|w_9"},
                  {"overwrite", "1"}};
  draft.files = {picture(1000)};
  return draft;
}
Draft good_chunk() {
  Draft draft = good_upload();
  draft.files = {picture(chunk_bytes)};
  draft.header("x-unique-upload-id", "u1");
  draft.header("content-range", "bytes 0-4999999/10000000");
  return draft;
}
Draft good_destroy() {
  Draft draft;
  draft.path = "/v1_1/demo/image/destroy";
  draft.is_multipart = false;
  draft.fields = {{"public_id", "a"}, {"timestamp", now()}, {"invalidate", "true"}};
  return draft;
}
Draft good_usage() {
  Draft draft;
  draft.method = "GET";
  draft.path = "/v1_1/demo/usage";
  draft.header("authorization", "Basic MTIzNDphYmNk");
  return draft;
}

struct Mutation {
  const char* name;
  std::function<void(Draft&)> make;
  int status;
  const char* message;  // a part of the error; of HTML: of the body
};

// Wrong in all signed requests.
std::vector<Mutation> of_signed() {
  return {
      {"no timestamp", [](Draft& d) { d.fields.erase("timestamp"); }, 400,
       "Missing required parameter - timestamp"},
      {"timestamp is no number", [](Draft& d) { d.fields["timestamp"] = "today"; }, 400,
       "timestamp"},
      {"timestamp in ms", [](Draft& d) { d.fields["timestamp"] += "000"; }, 400, "Stale request"},
      {"too old", [](Draft& d) { d.fields["timestamp"] = now(-3700); }, 400, "Stale request"},
      {"of the future", [](Draft& d) { d.fields["timestamp"] = now(3700); }, 400, "Stale request"},
      {"wrong secret", [](Draft& d) { d.secret = "abce"; }, 401, "Invalid Signature"},
      {"changed after signing", [](Draft& d) { d.unsigned_fields["public_id"] = "b"; }, 401,
       "Invalid Signature"},
      {"added after signing", [](Draft& d) { d.unsigned_fields["type"] = "private"; }, 401,
       "Invalid Signature"},
      {"dropped after signing", [](Draft& d) { d.dropped = {"public_id"}; }, 401,
       "Invalid Signature"},
      {"cut signature", [](Draft& d) { d.unsigned_fields["signature"] = "bfd09f95"; }, 401,
       "Invalid Signature"},
      {"no signature", [](Draft& d) { d.dropped = {"signature"}; }, 400, "unsigned upload"},
      {"no api_key", [](Draft& d) { d.dropped = {"api_key"}; }, 401, "Must supply api_key"},
      {"wrong api_key", [](Draft& d) { d.unsigned_fields["api_key"] = "1235"; }, 401, "api_key"},
      {"wrong basic credentials", [](Draft& d) { d.header("authorization", "Basic MTIzNDphYmNl"); },
       401, "credentials"},
      {"another cloud", [](Draft& d) { d.path.replace(0, 11, "/v1_1/dema/"); }, 401, "cloud_name"},
      {"no such resource type",
       [](Draft& d) { d.path.replace(11, d.path.rfind('/') - 11, "picture"); }, 400,
       "resource type"},
      {"another API version", [](Draft& d) { d.path.replace(0, 5, "/v2"); }, 404, "<html>"},
      {"GET",
       [](Draft& d) {
         d.method = "GET";
         d.header("authorization", "Basic MTIzNDphYmNk");
       },
       404, "not found"},
      {"unknown parameter", [](Draft& d) { d.fields["publicid"] = "x"; }, 400,
       "Invalid parameter publicid"},
      {"id with dots", [](Draft& d) { d.fields["public_id"] = "../a"; }, 400, "public_id"},
      {"id with a question mark", [](Draft& d) { d.fields["public_id"] = "a?b"; }, 400,
       "public_id"},
      {"id too long", [](Draft& d) { d.fields["public_id"] = std::string(256, 'a'); }, 400,
       "too long"},
      {"invalidate is no boolean", [](Draft& d) { d.fields["invalidate"] = "yes"; }, 400,
       "invalidate"},
      {"body of another type", [](Draft& d) { d.content_type = "application/json"; }, 400,
       "Malformed form"},
  };
}

std::vector<Mutation> of_uploads() {
  auto all = of_signed();
  const std::vector<Mutation> more{
      {"no file", [](Draft& d) { d.files.clear(); }, 400, "file"},
      {"two files", [](Draft& d) { d.files.push_back("x"); }, 400, "Malformed form"},
      {"file and file", [](Draft& d) { d.unsigned_fields["file"] = "https://example.com/a"; }, 400,
       "file"},
      {"a field twice",
       [](Draft& d) {
         d.extra_body = "--XX\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\nc\r\n";
       },
       400, "Malformed form"},
      {"another boundary", [](Draft& d) { d.content_type = "multipart/form-data; boundary=YY"; },
       400, "Malformed form"},
      {"no boundary", [](Draft& d) { d.content_type = "multipart/form-data"; }, 400,
       "Malformed form"},
      {"folder with dots", [](Draft& d) { d.fields["folder"] = "a/../b"; }, 400, "folder"},
      {"context without =", [](Draft& d) { d.fields["context"] = "alt"; }, 400, "context"},
      {"context with = unescaped", [](Draft& d) { d.fields["context"] = "alt=1=2"; }, 400,
       "context"},
      {"context with | unescaped", [](Draft& d) { d.fields["context"] = "alt=1|2"; }, 400,
       "context"},
      {"context without a key", [](Draft& d) { d.fields["context"] = "=1"; }, 400, "context"},
      {"tags by bars", [](Draft& d) { d.fields["tags"] = "a|b"; }, 400, "tags"},
      {"eager with spaces", [](Draft& d) { d.fields["eager"] = "w_3, h_4"; }, 400,
       "transformation"},
      {"transformation with spaces", [](Draft& d) { d.fields["transformation"] = "w_3 h_4"; }, 400,
       "transformation"},
      {"overwrite is no boolean", [](Draft& d) { d.fields["overwrite"] = "True"; }, 400,
       "overwrite"},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string error_of(const Response& response) {
  const Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_object() || !json.contains("error")) return response.body;
  const std::string message = json.at("error").at("message");
  bool in_header = false;
  for (const auto& [name, value] : response.headers)
    in_header |= name == "X-Cld-Error" && value == message;
  EXPECT_TRUE(in_header);
  return message;
}

simulator::CloudinaryOptions small_limits() {
  simulator::CloudinaryOptions options;
  options.bytes_max = 20'000'000;
  return options;
}

void expect_refused(const std::vector<Mutation>& mutations, const std::function<Draft()>& good) {
  EXPECT_GE(mutations.size(), 10u);
  for (const Mutation& mutation : mutations) {
    SCOPED_TRACE(mutation.name);
    Cloudinary provider{small_limits()};
    Draft draft = good();
    mutation.make(draft);
    const Response response = provider.handle(request_of(draft));
    EXPECT_EQ(response.status, mutation.status) << response.body;
    EXPECT_NE(error_of(response).find(mutation.message), std::string::npos) << response.body;
    // Only the mutation was wrong.
    const Response right = Cloudinary{small_limits()}.handle(request_of(good()));
    EXPECT_EQ(right.status, 200) << right.body;
  }
}

// The providers' facts, row 6: "unsigned Cloudinary upload": also with one byte that is another.
TEST(CloudinarySimulator, TakesUploadsAndRefusesMutatedOnes) {
  auto mutations = of_uploads();
  mutations.push_back({"empty file", [](Draft& d) { d.files = {""}; }, 400, "Empty file"});
  mutations.push_back({"no picture",
                       [](Draft& d) {
                         d.files = {"text"};
                         d.path = "/v1_1/demo/image/upload";
                       },
                       400, "Invalid image file"});
  mutations.push_back(
      {"too big", [](Draft& d) { d.files = {picture(20'000'001)}; }, 400, "File size too large"});
  mutations.push_back({"a local path",
                       [](Draft& d) {
                         d.files.clear();
                         d.unsigned_fields["file"] = "/etc/passwd";
                       },
                       400, "Unsupported source"});
  mutations.push_back({"broken base64",
                       [](Draft& d) {
                         d.files.clear();
                         d.unsigned_fields["file"] = "data:a/b;base64,%%%=";
                       },
                       400, "data URI"});
  expect_refused(mutations, good_upload);
}

TEST(CloudinarySimulator, TakesChunksAndRefusesMutatedOnes) {
  auto mutations = of_uploads();
  const auto range = [](const char* text) {
    return [text](Draft& d) { d.header("content-range", text); };
  };
  mutations.push_back(
      {"no range", [](Draft& d) { d.without_header("content-range"); }, 400, "Content-Range"});
  mutations.push_back({"no upload id", [](Draft& d) { d.without_header("x-unique-upload-id"); },
                       400, "X-Unique-Upload-Id"});
  mutations.push_back({"not in order", range("bytes 5000000-9999999/15000000"), 400, "order"});
  mutations.push_back({"a byte too many", range("bytes 0-5000000/10000000"), 400, "Content-Range"});
  mutations.push_back({"a byte too few", range("bytes 0-4999998/10000000"), 400, "Content-Range"});
  mutations.push_back({"backwards", range("bytes 4999999-0/10000000"), 400, "Content-Range"});
  mutations.push_back({"total too small", range("bytes 0-4999999/4999999"), 400, "Content-Range"});
  mutations.push_back({"unknown total as *", range("bytes 0-4999999/*"), 400, "Content-Range"});
  mutations.push_back({"another unit", range("octets 0-4999999/10000000"), 400, "Content-Range"});
  mutations.push_back({"no numbers", range("bytes a-b/c"), 400, "Content-Range"});
  mutations.push_back(
      {"a number beyond 64 bits", range("bytes 0-99999999999999999999/-1"), 400, "Content-Range"});
  mutations.push_back({"too small",
                       [](Draft& d) {
                         d.files = {picture(chunk_bytes - 1)};
                         d.header("content-range", "bytes 0-4999998/10000000");
                       },
                       400, "5mb"});
  mutations.push_back({"a URL in chunks",
                       [](Draft& d) {
                         d.files.clear();
                         d.unsigned_fields["file"] = "https://example.com/a";
                       },
                       400, "Content-Range"});
  expect_refused(mutations, good_chunk);
}

TEST(CloudinarySimulator, ChunksBelongTogether) {
  const auto second = [](const std::function<void(Draft&)>& change) {
    Cloudinary provider{{}};
    const Json first = Json::parse(provider.handle(request_of(good_chunk())).body);
    EXPECT_EQ(first.at("done"), false);
    EXPECT_EQ(first.at("bytes"), chunk_bytes);
    Draft draft = good_chunk();
    draft.files = {std::string(chunk_bytes, 'y')};
    draft.header("content-range", "bytes 5000000-9999999/10000000");
    change(draft);
    return provider.handle(request_of(draft));
  };
  const Response whole = second([](Draft&) {});
  EXPECT_EQ(Json::parse(whole.body).at("bytes"), 2 * chunk_bytes);
  EXPECT_EQ(second([](Draft& d) { d.fields["public_id"] = "other"; }).status, 400);
  EXPECT_EQ(
      second([](Draft& d) { d.header("content-range", "bytes 5000000-9999999/20000000"); }).status,
      400);
  EXPECT_EQ(second([](Draft& d) { d.header("x-unique-upload-id", "u2"); }).status, 400);
  EXPECT_EQ(
      second([](Draft& d) { d.header("content-range", "bytes 5000001-10000000/10000001"); }).status,
      400);
  // The same chunk again is no mistake.
  EXPECT_EQ(second([](Draft& d) { d = good_chunk(); }).status, 200);
}

TEST(CloudinarySimulator, TakesDeletionsAndRefusesMutatedOnes) {
  auto mutations = of_signed();
  mutations.push_back({"no id", [](Draft& d) { d.fields.erase("public_id"); }, 400,
                       "Missing required parameter - public_id"});
  mutations.push_back(
      {"resource type auto", [](Draft& d) { d.path = "/v1_1/demo/auto/destroy"; }, 400, "auto"});
  mutations.push_back(
      {"unknown type", [](Draft& d) { d.fields["type"] = "hidden"; }, 400, "Invalid type"});
  mutations.push_back({"a parameter of uploads", [](Draft& d) { d.fields["tags"] = "a"; }, 400,
                       "Invalid parameter tags"});
  mutations.push_back(
      {"bad escape", [](Draft& d) { d.extra_body = "&x=%zz"; }, 400, "Malformed form"});
  mutations.push_back(
      {"a field twice", [](Draft& d) { d.extra_body = "&public_id=b"; }, 400, "Malformed form"});
  expect_refused(mutations, good_destroy);
}

TEST(CloudinarySimulator, DeletesWhatIsThere) {
  Cloudinary provider{{}};
  const Json asset = Json::parse(provider.handle(request_of(good_upload())).body);
  EXPECT_EQ(asset.at("resource_type"), "image");
  EXPECT_EQ(asset.at("context").at("custom"), (Json{{"alt", "1=2"}, {"b", "c"}}));
  Draft draft = good_destroy();
  draft.fields["public_id"] = "folder/a";
  EXPECT_EQ(Json::parse(provider.handle(request_of(draft)).body), (Json{{"result", "ok"}}));
  EXPECT_EQ(Json::parse(provider.handle(request_of(draft)).body), (Json{{"result", "not found"}}));
}

TEST(CloudinarySimulator, TakesUsageAndRefusesMutatedOnes) {
  const auto authorization = [](const char* text) {
    return [text](Draft& d) { d.header("authorization", text); };
  };
  const auto path = [](const char* text) { return [text](Draft& d) { d.path = text; }; };
  expect_refused(
      {
          {"no credentials", [](Draft& d) { d.without_header("authorization"); }, 401,
           "credentials"},
          {"wrong secret", authorization("Basic MTIzNDphYmNl"), 401, "credentials"},
          {"wrong key", authorization("Basic MTIzNTphYmNk"), 401, "credentials"},
          {"no secret", authorization("Basic MTIzNA=="), 401, "credentials"},
          {"not base64", authorization("Basic 1234:abcd"), 401, "credentials"},
          {"no padding kept", authorization("Basic MTIzNDphYmN"), 401, "credentials"},
          {"bearer", authorization("Bearer MTIzNDphYmNk"), 401, "credentials"},
          {"lower-case scheme without a space", authorization("BasicMTIzNDphYmNk"), 401,
           "credentials"},
          {"another cloud", path("/v1_1/dema/usage"), 401, "cloud_name"},
          {"no API path", path("/usage"), 404, "<html>"},
          {"no such thing", path("/v1_1/demo/usages"), 404, "not found"},
          {"not a date", path("/v1_1/demo/usage/yesterday"), 400, "date"},
          {"day first", path("/v1_1/demo/usage/23-11-2026"), 400, "date"},
          {"no day 45", path("/v1_1/demo/usage/2026-11-45"), 400, "date"},
          {"dashes only", path("/v1_1/demo/usage/----------"), 400, "date"},
          {"empty date", path("/v1_1/demo/usage/"), 400, "date"},
          {"of tomorrow", path("/v1_1/demo/usage/2999-01-01"), 400, "date"},
          {"POST", [](Draft& d) { d.method = "POST"; }, 404, "not found"},
      },
      good_usage);
}

}  // namespace
