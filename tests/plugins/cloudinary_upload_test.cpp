// SPDX-License-Identifier: Apache-2.0
// The cloudinary plugin's uploads, in the loop-back host against the simulator.
#include "tests/plugins/cloudinary_fixture.hpp"

namespace {

using cofounder::testkit::HttpAnswer;
using Json = nlohmann::json;

std::string header_of(const cofounder::testkit::HttpSent& sent, const std::string& name) {
  const auto at = sent.headers.find(name + ": ");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 2;
  return sent.headers.substr(from, sent.headers.find('\n', from) - from);
}

TEST_F(CloudinaryPluginTest, UploadsAFileInOneRequest) {
  host.start(account().dump());
  const Json asset =
      result("upload", {{"file", "/data/small.png"},
                        {"public_id", "blog/hero"},
                        {"tags", {"a", "b"}},
                        {"context", {{"alt", "1=2|3"}}},
                        {"transformation", {{"width", 9}}},
                        {"eager", {{{"width", 300}, {"format", "webp"}}, "c_fill,w_9"}},
                        {"overwrite", true}});
  EXPECT_EQ(asset.at("public_id"), "blog/hero");
  EXPECT_EQ(asset.at("bytes"), 1000);
  EXPECT_EQ(asset.at("width"), 300);
  EXPECT_EQ(asset.at("height"), 200);
  EXPECT_EQ(asset.at("format"), "png");
  EXPECT_EQ(asset.at("tags"), (Json{"a", "b"}));
  EXPECT_EQ(asset.at("eager").size(), 2u);
  EXPECT_EQ(asset.at("eager")[0].at("format"), "webp");
  EXPECT_TRUE(asset.at("secure_url").get<std::string>().starts_with("https://"));
  EXPECT_FALSE(asset.contains("signature"));
  EXPECT_FALSE(asset.contains("api_key"));
  ASSERT_EQ(host.requests.size(), 1u);
  const auto& sent = host.requests[0];
  EXPECT_EQ(sent.url, "https://api.cloudinary.com/v1_1/demo/auto/upload");
  EXPECT_EQ(sent.idle_timeout_ms, 30'000);
  EXPECT_EQ(sent.retry_statuses, "420,423");
  EXPECT_NE(sent.flags, 0u) << "the public id is explicit, so it may be sent again";
  EXPECT_NE(sent.body.find("filename=\"small.png\""), std::string::npos);
  EXPECT_EQ(header_of(sent, "X-Unique-Upload-Id"), "");
  EXPECT_EQ(sent.body.find("abcd"), std::string::npos) << "the secret is never sent";
}

TEST_F(CloudinaryPluginTest, UploadsWithoutAnIdUnderTheTasks) {
  host.start(account().dump());
  EXPECT_EQ(result("upload", {{"file", "/data/small.png"}}).at("public_id"), "task-1");
  host.files["/data/report.pdf"] = "%PDF-1.7";
  const Json raw = result(
      "upload", {{"file", "/data/report.pdf"}, {"resource_type", "raw"}, {"folder", "docs"}});
  EXPECT_EQ(raw.at("public_id"), "docs/task-1.pdf");
  EXPECT_EQ(raw.at("eager"), Json::array());
}

TEST_F(CloudinaryPluginTest, UploadsUrlsAndDataUris) {
  host.start(account().dump());
  EXPECT_EQ(
      result("upload", {{"file", "https://example.com/a.jpg"}, {"public_id", "u"}}).at("public_id"),
      "u");
  EXPECT_EQ(
      result("upload", {{"file", "data:image/gif;base64,R0lGODlhAQABAA=="}, {"public_id", "d"}})
          .at("format"),
      "gif");
  ASSERT_EQ(host.requests.size(), 2u);
  EXPECT_NE(host.requests[0].body.find("https://example.com/a.jpg"), std::string::npos);
  EXPECT_EQ(code("upload", {{"file", "data:image/gif;base64,%%%"}}), "bad_request");
}

// The providers' facts, row 6: "unsigned Cloudinary upload".
TEST_F(CloudinaryPluginTest, SignsInEveryWayThatTheAccountMayWant) {
  for (const char* algorithm : {"sha1", "sha256"}) {
    for (const int version : {1, 2}) {
      SCOPED_TRACE(algorithm + std::to_string(version));
      options.signs_with_sha256 = algorithm == std::string{"sha256"};
      use_provider();
      Json config = account();
      config["signature_algorithm"] = algorithm;
      config["signature_version"] = version;
      cofounder::testkit::Host fresh{*cof_plugin_entry_v1()};
      fresh.secrets = host.secrets;
      fresh.files = host.files;
      fresh.wall_ms = host.wall_ms;
      fresh.on_request = [this](const auto& sent) { return ask(sent); };
      fresh.start(config.dump());
      auto& call =
          fresh.operation("upload", R"({"file": "/data/small.png", "context": {"a": "x & y"}})");
      fresh.run();
      ASSERT_TRUE(call.ended);
      EXPECT_TRUE(call.ended->ok()) << call.ended->error_message;
    }
  }
  options.signs_with_sha256 = false;
  use_provider();
  host.start(account().dump());
  result("upload", {{"file", "/data/small.png"}, {"signature_algorithm", "sha256"}});
}

TEST_F(CloudinaryPluginTest, RefusesBadArgumentsBeforeAnythingIsSent) {
  host.start(account().dump());
  const auto refused = [&](Json args, const std::string& wanted) {
    if (!args.contains("file")) args["file"] = "/data/small.png";
    EXPECT_EQ(code("upload", args), wanted) << args.dump();
  };
  refused({{"public_id", "../etc/passwd"}}, "invalid_public_id");
  refused({{"tags", {"a,b"}}}, "invalid_tag");
  refused({{"transformation", {{"widht", 1}}}}, "invalid_transformation");
  refused({{"eager", {{{"widht", 1}}}}}, "invalid_transformation");
  refused({{"folder", ".."}}, "invalid_folder");
  refused({{"context", {{"", "a"}}}}, "invalid_context");
  host.files["/data/empty"] = "";
  refused({{"file", "/data/empty"}}, "empty_file");
  EXPECT_EQ(run("upload", {{"file", "/data/none"}}).ended->status, COF_ENOTFOUND);
  EXPECT_TRUE(host.requests.empty());
}

TEST_F(CloudinaryPluginTest, AnAnswerThatIsNotTheProvidersIsRefused) {
  host.start(account().dump());
  Json good{{"public_id", "sample"},
            {"version", 1312461204},
            {"secure_url", "https://x"},
            {"signature", "7332b60d1da7033c332c59cb66dac31f72acc44c"}};
  const auto answer = [&](Json json) -> const cofounder::testkit::Ended& {
    answer_once(HttpAnswer::text(200, json.dump()));
    return *run("upload", {{"file", "/data/small.png"}}).ended;
  };
  EXPECT_TRUE(answer(good).ok());
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, Json>>{{"public_id", "other"},
                                                 {"version", 1312461205},
                                                 {"signature", ""},
                                                 {"signature", std::string(40, '0')}}) {
    Json forged = good;
    forged[key] = value;
    const auto& ended = answer(forged);
    EXPECT_EQ(ended.error_code, "bad_response_signature");
    EXPECT_NE(ended.retryable, 1);
    EXPECT_EQ(ended.status, COF_EFAILED);
  }
  for (const char* key : {"public_id", "version", "signature", "secure_url"}) {
    for (const Json& value : {Json{}, Json(1.5), Json::array(), Json(true)}) {
      Json wrong = good;
      wrong[key] = value;
      EXPECT_EQ(answer(wrong).error_code, "bad_answer") << wrong;
    }
    Json lacking = good;
    lacking.erase(key);
    EXPECT_EQ(answer(lacking).error_code, "bad_answer") << lacking;
  }
  for (const Json& status : {Json(7), Json::object(), Json("done")}) {
    Json odd = good;
    odd["status"] = status;
    EXPECT_TRUE(answer(odd).ok());
  }
}

// ---- Chunks

TEST_F(CloudinaryPluginTest, UploadsALargeFileInChunks) {
  host.start(account().dump());
  const auto& call = run("upload", {{"file", "/data/large.png"}, {"public_id", "large"}});
  ASSERT_TRUE(call.ended->ok()) << call.ended->error_message;
  EXPECT_EQ(Json::parse(call.ended->result).at("bytes"), 2 * chunk_bytes + 1000);
  EXPECT_EQ(Json::parse(call.ended->result).at("etag"), md5_of("/data/large.png"));
  ASSERT_EQ(host.requests.size(), 3u);
  EXPECT_EQ(header_of(host.requests[0], "Content-Range"), "bytes 0-4999999/10001000");
  EXPECT_EQ(header_of(host.requests[1], "Content-Range"), "bytes 5000000-9999999/10001000");
  EXPECT_EQ(header_of(host.requests[2], "Content-Range"), "bytes 10000000-10000999/10001000");
  for (const auto& sent : host.requests) {
    EXPECT_EQ(header_of(sent, "X-Unique-Upload-Id"),
              header_of(host.requests[0], "X-Unique-Upload-Id"));
    EXPECT_NE(header_of(sent, "X-Unique-Upload-Id"), "");
  }
  ASSERT_FALSE(call.progress.empty());
  EXPECT_DOUBLE_EQ(call.progress.back().first, 1.0);
}

TEST_F(CloudinaryPluginTest, OfExactlyOneChunkIsOneRequest) {
  host.files["/data/one.png"] = picture(chunk_bytes);
  host.files["/data/two.png"] = picture(2 * chunk_bytes);
  host.start(account().dump());
  result("upload", {{"file", "/data/one.png"}});
  EXPECT_EQ(header_of(host.requests[0], "Content-Range"), "");
  result("upload", {{"file", "/data/two.png"}});
  ASSERT_EQ(host.requests.size(), 3u);
  EXPECT_EQ(header_of(host.requests[2], "Content-Range"), "bytes 5000000-9999999/10000000");
}

// The providers' facts, row 10: "big files".
TEST_F(CloudinaryPluginTest, ALaterAttemptGoesOnAfterTheLastGoodChunk) {
  host.start(account().dump());
  const Json args{{"file", "/data/large.png"}, {"public_id", "large"}};
  int asked = 0;
  host.on_request = [&](const auto& sent) {
    return ++asked == 2 ? HttpAnswer::broken(COF_EUNAVAILABLE) : ask(sent);
  };
  const auto& first = run("upload", args);
  EXPECT_EQ(first.ended->status, COF_EUNAVAILABLE);
  ASSERT_NE(first.checkpoint, "");
  const auto& second = run("upload", args, Options{.attempt = 2, .checkpoint = first.checkpoint});
  ASSERT_TRUE(second.ended->ok()) << second.ended->error_message;
  EXPECT_EQ(Json::parse(second.ended->result).at("bytes"), 2 * chunk_bytes + 1000);
  EXPECT_EQ(Json::parse(second.ended->result).at("etag"), md5_of("/data/large.png"));
  ASSERT_EQ(host.requests.size(), 4u);  // 1, 2 (broken) | 2, 3
  EXPECT_EQ(header_of(host.requests[2], "Content-Range"), "bytes 5000000-9999999/10001000");
  EXPECT_EQ(header_of(host.requests[2], "X-Unique-Upload-Id"),
            header_of(host.requests[0], "X-Unique-Upload-Id"));
}

TEST_F(CloudinaryPluginTest, ACheckpointOfAnotherFileIsNotUsed) {
  host.start(account().dump());
  const Json args{{"file", "/data/large.png"}, {"public_id", "large"}};
  for (const char* saved :
       {"5000000/10001001", "4999999/10001000", "10001000/10001000", "x", "5000000", "/10001000",
        "-5000000/10001000", "99999999999999999999/10001000"}) {
    SCOPED_TRACE(saved);
    const std::size_t before = host.requests.size();
    const auto& call = run("upload", args, Options{.attempt = 2, .checkpoint = saved});
    EXPECT_TRUE(call.ended->ok()) << call.ended->error_message;
    ASSERT_EQ(host.requests.size(), before + 3);
    EXPECT_EQ(header_of(host.requests[before], "Content-Range"), "bytes 0-4999999/10001000");
  }
}

// The provider forgot the chunks, or stored the asset and its answer was lost.
TEST_F(CloudinaryPluginTest, StartsAgainWhenTheProviderKnowsNoEarlierChunks) {
  host.start(account().dump());
  const Json args{{"file", "/data/large.png"}, {"public_id", "large"}};
  const auto& call = run("upload", args, Options{.attempt = 2, .checkpoint = "10000000/10001000"});
  ASSERT_TRUE(call.ended->ok()) << call.ended->error_message;
  EXPECT_EQ(Json::parse(call.ended->result).at("bytes"), 2 * chunk_bytes + 1000);
  EXPECT_EQ(Json::parse(call.ended->result).at("etag"), md5_of("/data/large.png"));
  ASSERT_EQ(host.requests.size(), 4u);
  EXPECT_NE(header_of(host.requests[1], "X-Unique-Upload-Id"),
            header_of(host.requests[0], "X-Unique-Upload-Id"));
  // Only once: a provider that refuses every second chunk is not asked for ever.
  host.requests.clear();
  host.on_request = [&](const auto& sent) {
    return header_of(sent, "Content-Range").starts_with("bytes 0-") ? ask(sent)
                                                                    : HttpAnswer::text(400, "{}");
  };
  EXPECT_EQ(code("upload", args), "bad_request");
  EXPECT_LE(host.requests.size(), 4u);
}

TEST_F(CloudinaryPluginTest, CancelledInTheMiddleItEnds) {
  host.start(account().dump());
  int asked = 0;
  host.on_request = [&](const auto& sent) {
    return ++asked == 2 ? HttpAnswer::silence() : ask(sent);
  };
  auto& call = host.operation("upload", R"({"file": "/data/large.png"})");
  host.run();
  ASSERT_FALSE(call.ended);
  host.cancel(call);
  host.run();
  ASSERT_TRUE(call.ended);
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
}

}  // namespace
