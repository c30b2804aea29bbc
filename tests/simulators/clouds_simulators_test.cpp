// SPDX-License-Identifier: Apache-2.0
// The simulators of Bedrock and Vertex take right requests and refuse mutated ones as the providers do.
#include <ctime>
#include <fstream>
#include <iterator>

#include "tests/simulators/bedrock.hpp"
#include "tests/simulators/mutations.hpp"
#include "tests/simulators/vertex.hpp"

namespace simulator {
namespace {

using Json = nlohmann::json;

// What the official signer made: the simulator comes to the same signatures.
TEST(AwsSignature, AsTheOfficialSigner) {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/aws_sigv4.json"};
  const Json vectors = Json::parse(std::string{std::istreambuf_iterator<char>{file}, {}});
  ASSERT_EQ(vectors.at("cases").size(), 4u);
  for (const Json& one : vectors.at("cases")) {
    SCOPED_TRACE(one.at("name"));
    const Json& given = one.at("request");
    Request request = make_request(given.at("method"), given.at("path"), given.value("body", ""));
    const Json pairs = given.value("query", Json::object());
    for (const auto& [name, value] : pairs.items()) {
      request.query += (request.query.empty() ? "" : "&") + name + "=" + value.get<std::string>();
    }
    const Json headers = given.at("headers");
    for (const auto& [name, value] : headers.items()) request.headers.emplace_back(name, value);
    set_header(request, "x-amz-date", "20261123T120000Z");
    const std::string authorization = one.at("authorization");
    const AwsAccount account{one.at("credentials").at("accessKeyId"), one.at("credentials").at("secretAccessKey"), one.at("region")};
    set_header(request, "authorization", authorization);
    const std::int64_t then = 1795435200;  // 2026-11-23 12:00 UTC
    const auto wrong = check_aws_signature(request, account, one.at("service"), then);
    EXPECT_FALSE(wrong.has_value()) << wrong->code << ": " << wrong->message;
    request.method = request.method == "GET" ? "POST" : "GET";
    EXPECT_TRUE(check_aws_signature(request, account, one.at("service"), then).has_value());
  }
}

class BedrockSimulator : public testing::Test {
 protected:
  BedrockOptions options;
  Bedrock provider{options};

  // Signed by the account that is given, as of `seconds` from now.
  static Request sign(Request request, const AwsAccount& account, const std::string& service, int seconds = 0) {
    for (const char* name : {"authorization", "x-amz-date", "x-amz-content-sha256"}) set_header(request, name, "");
    set_header(request, "x-amz-date", aws_time(std::time(nullptr) + seconds));
    std::vector<std::string> names;
    if (service == "s3") {
      set_header(request, "x-amz-content-sha256", sha256_hex(request.body));
      set_header(request, "content-length", std::to_string(request.body.size()));
      names = {"host", "x-amz-content-sha256", "x-amz-date"};
    } else {
      names = {"content-type", "host", "x-amz-date"};
    }
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "" : ";") + name;
    const std::string date{request.header("x-amz-date")};
    const std::string scope = account.key_id + "/" + date.substr(0, 8) + "/" + account.region + "/" + service + "/aws4_request";
    set_header(request, "authorization", "AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=" + all + ", Signature=" +
                                             aws_signature(request, account, service, names));
    return request;
  }
  static Request make(const std::string& name, const std::string& at, const std::string& text = {}) {
    Request request = make_request(name, at, text);
    request.headers = {{"host", "127.0.0.1:1"}, {"content-type", "application/json"}};
    return request;
  }
  // Right requests whose signature is spoilt.
  std::vector<Mutation> signatures(const std::string& service, int malformed, int elsewhere) const {
    const auto by = [service](AwsAccount account, int seconds = 0, std::string its_service = {}) {
      return [account, service = its_service.empty() ? service : its_service, seconds](Request& request, Json& body) {
        if (!body.is_null()) request.body = body.dump();
        request = sign(request, account, service, seconds);
      };
    };
    const AwsAccount& account = options.account;
    AwsAccount other_key = account, other_secret = account, other_region = account;
    other_key.key_id = "AKIDOTHER";
    other_secret.secret += "x";
    other_region.region = "us-east-1";
    const auto authorization = [](const std::string& from, const std::string& to) {
      return [from, to](Request& request, Json&) {
        std::string text{request.header("authorization")};
        text.replace(text.find(from), from.size(), to);
        set_header(request, "authorization", text);
      };
    };
    return {{"not signed", header("authorization", ""), 403}, {"basic", header("authorization", "Basic eDp5"), malformed},
            {"unknown key", by(other_key), 403}, {"other secret", by(other_secret), 403}, {"other region", by(other_region), elsewhere},
            {"other service", by(account, 0, service == "s3" ? "bedrock" : "s3"), elsewhere}, {"16 minutes late", by(account, -960), 403},
            {"16 minutes early", by(account, 960), 403}, {"no date", header("x-amz-date", ""), malformed},
            {"date of an hour later", header("x-amz-date", "20010101T000000Z"), elsewhere}, {"other host", header("host", "127.0.0.1:2"), 403},
            {"host not signed", authorization("host;", ""), 403}, {"one more header of Amazon's", header("x-amz-tagging", "a=b"), 403},
            {"a session's token", header("x-amz-security-token", "x"), 403}, {"one query more", query("a=b"), 403},
            {"other method", method(service == "s3" ? "PATCH" : "PUT"), 403}, {"a signature cut", authorization("Signature=", "Signature=0"), malformed}};
  }
  Response ask(const Request& request, const std::string& service) { return provider.handle(sign(request, options.account, service)); }
  // Signs each mutated request again: what is refused is what it asks for.
  void check_signed(const Request& right, const Json& body, const std::vector<Mutation>& mutations, const std::string& service) {
    const bool is_s3 = service == "s3";
    check_strict([&](const Request& request) { return ask(request, service); }, right, body, mutations, is_s3 ? is_s3_refusal : is_refusal);
  }
  // Does not sign them again.
  void check_signatures(const Request& right, const std::string& service) {
    const bool is_s3 = service == "s3";
    const auto handle = [this](const Request& request) { return provider.handle(request); };
    check_strict(handle, sign(right, options.account, service), nullptr, signatures(service, 400, is_s3 ? 400 : 403),
                 is_s3 ? is_s3_refusal : is_refusal);
  }
  static bool is_refusal(const Response& response) {
    const Json json = Json::parse(response.body, nullptr, false);
    const bool has_type = std::any_of(response.headers.begin(), response.headers.end(),
                                      [](const auto& field) { return field.first == "x-amzn-ErrorType" && !field.second.empty(); });
    return has_type && json.is_object() && json.contains("message");
  }
  static bool is_s3_refusal(const Response& response) {
    return response.body.starts_with("<?xml") && response.body.find("<Error><Code>") != std::string::npos;
  }
  static Json job(const std::string& name = "job-1") {
    return {{"jobName", name}, {"customModelName", "mine"}, {"roleArn", "arn:aws:iam::123456789012:role/train"}, {"clientRequestToken", name},
            {"baseModelIdentifier", "anthropic.claude-3-haiku-20240307-v1:0:200k"}, {"customizationType", "FINE_TUNING"},
            {"trainingDataConfig", {{"s3Uri", "s3://bucket/a.jsonl"}}}, {"outputDataConfig", {{"s3Uri", "s3://bucket/out/"}}},
            {"hyperParameters", {{"epochCount", "2"}}}};
  }
  void put_dataset() { ASSERT_EQ(ask(make("PUT", "/bucket/a.jsonl", "{\"messages\":[]}\n"), "s3").status, 200); }
  std::string make_job() {
    put_dataset();
    const Response response = ask(make("POST", "/model-customization-jobs", job().dump()), "bedrock");
    return Json::parse(response.body).value("jobArn", response.body);
  }
};

TEST_F(BedrockSimulator, Objects) {
  const Request put = make("PUT", "/bucket/a/b%20c.jsonl", "{}");
  check_signatures(put, "s3");
  const std::string long_name(1100, 'x');
  const std::vector<Mutation> places{
      {"other bucket", path("/other/a"), 404}, {"no key", path("/bucket"), 405}, {"empty key", path("/bucket/"), 405}, {"nothing", path("/"), 405},
      {"upper case", path("/Bucket/a"), 404}, {"long", path("/bucket/" + long_name)}, {"doubled", path("//bucket/a"), 404},
      {"malformed", path("/bucket/%zz"), 405}, {"POST", method("POST"), 405}, {"PATCH", method("PATCH"), 405}};
  check_signed(put, nullptr, places, "s3");
  for (const char* name : {"GET", "DELETE"}) check_signed(make(name, put.path), nullptr, places, "s3");
  EXPECT_EQ(ask(make("GET", put.path), "s3").status, 404) << "it is gone";
  Request changed = sign(put, options.account, "s3");
  changed.body = "[]";
  EXPECT_NE(provider.handle(changed).body.find("XAmzContentSHA256Mismatch"), std::string::npos);
}

TEST_F(BedrockSimulator, UploadsInParts) {
  options.part_bytes_min = 3;
  Bedrock s3{options};
  const auto send = [&](Request request, const std::string& its_query) {
    request.query = its_query;
    return s3.handle(sign(request, options.account, "s3"));
  };
  const auto check = [&](Request right, const std::string& its_query, const std::vector<Mutation>& mutations) {
    right.query = its_query;
    check_strict([&](const Request& request) { return s3.handle(sign(request, options.account, "s3")); }, right, nullptr, mutations, is_s3_refusal);
    const auto handle = [&](const Request& request) { return s3.handle(request); };
    check_strict(handle, sign(right, options.account, "s3"), nullptr, signatures("s3", 400, 400), is_s3_refusal);
  };
  const std::string key = "/bucket/a/b%20c.jsonl";
  const std::vector<Mutation> places{
      {"other bucket", path("/other/a"), 404}, {"no key", path("/bucket"), 405}, {"nothing", path("/"), 405}, {"upper case", path("/Bucket/a"), 404},
      {"long", path("/bucket/" + std::string(1100, 'x'))}, {"doubled", path("//bucket/a"), 404}, {"malformed", path("/bucket/%zz"), 405},
      {"PATCH", method("PATCH"), 405}, {"malformed query", query("uploads&x=%zz")}};
  const auto is_begun = [](const Response& response) {
    const auto from = response.body.find("<UploadId>") + 10;
    return response.body.substr(from, response.body.find('<', from) - from);
  };
  const std::string id = is_begun(send(make("POST", key), "uploads="));
  check(make("POST", key), "uploads=", places + std::vector<Mutation>{{"PUT", method("PUT"), 405}});
  const std::vector<Mutation> uploads = places + std::vector<Mutation>{
      {"no id", query("partNumber=1&uploadId="), 404}, {"unknown id", query("partNumber=1&uploadId=x"), 404}, {"of another object", path("/bucket/other"), 404}};
  const std::string part_query = "partNumber=1&uploadId=" + id;
  const auto numbered = [&](const std::string& number) { return query("partNumber=" + number + "&uploadId=" + id); };
  check(make("PUT", key, "abcd"), part_query, uploads + std::vector<Mutation>{
      {"part 0", numbered("0")}, {"part 10001", numbered("10001")}, {"no number", query("uploadId=" + id)}, {"a word", numbered("x")}, {"negative", numbered("-1")}});
  EXPECT_EQ(send(make("PUT", key, "e"), "partNumber=2&uploadId=" + id).status, 200);
  EXPECT_NE(send(make("GET", "/bucket"), "prefix=a%2F&uploads=").body.find("<UploadId>" + id + "</UploadId>"), std::string::npos);
  EXPECT_EQ(send(make("GET", "/bucket"), "prefix=b&uploads=").body.find("<UploadId>"), std::string::npos);
  const auto list = [](const std::string& parts) { return "<CompleteMultipartUpload>" + parts + "</CompleteMultipartUpload>"; };
  const auto part = [](int number, const std::string& content) {
    return "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" + s3_etag(content) + "</ETag></Part>";
  };
  const std::string both = part(1, "abcd") + part(2, "e");
  const Request end = make("POST", key, list(both));
  check_strict([&](Request request) { return send(std::move(request), "uploadId=" + id); }, end, nullptr,
               {{"no parts", content(list(""))}, {"no XML", content("{}")}, {"empty", content("")}, {"cut", content(list(both).substr(0, 90))},
                {"more behind it", content(list(both) + "x")}, {"an odd element", content(list(both + "<x></x>"))}, {"part 0", content(list(part(0, "abcd")))},
                {"other order", content(list(part(2, "e") + part(1, "abcd")))}, {"twice", content(list(part(1, "abcd") + part(1, "abcd")))},
                {"a part that is not there", content(list(both + part(3, "f")))}, {"another ETag", content(list(part(1, "abce") + part(2, "e")))},
                {"no ETag", content(list("<Part><PartNumber>1</PartNumber></Part>"))}, {"of another object", path("/bucket/other"), 404}}, is_s3_refusal);
  EXPECT_EQ(send(make("GET", key), "").body, "abcde");
  EXPECT_EQ(send(end, "uploadId=" + id).status, 404) << "it is over";
  // All parts but the last have their least size.
  const std::string small = is_begun(send(make("POST", key), "uploads"));
  for (const char* number : {"1", "2"}) send(make("PUT", key, "e"), std::string{"partNumber="} + number + "&uploadId=" + small);
  EXPECT_NE(send(make("POST", key, list(part(1, "e") + part(2, "e"))), "uploadId=" + small).body.find("EntityTooSmall"), std::string::npos);
  const std::size_t open = s3.open_uploads();
  EXPECT_EQ(send(make("DELETE", key), "uploadId=" + small).status, 204);
  EXPECT_EQ(send(make("DELETE", key), "uploadId=" + small).status, 404);
  EXPECT_EQ(s3.open_uploads(), open - 1);
}

TEST_F(BedrockSimulator, JobsAreCreated) {
  put_dataset();
  const std::string all = "/model-customization-jobs";
  check_signed(make("POST", all), job(),
        {{"no name", drop("jobName")}, {"name with a space", set("jobName", "a b")}, {"long name", set("jobName", std::string(64, 'a'))},
         {"name as a number", set("jobName", 7)}, {"no model's name", drop("customModelName")}, {"model's name with a dot", set("customModelName", "a.b")},
         {"no role", drop("roleArn")}, {"role of no account", set("roleArn", "arn:aws:iam::1:role/x")}, {"no ARN", set("roleArn", "train")},
         {"token with a blank", set("clientRequestToken", "a b")}, {"other model", set("baseModelIdentifier", "amazon.nova-lite-v1:0")},
         {"other type", set("customizationType", "LORA")}, {"no data", drop("trainingDataConfig")}, {"data elsewhere", put("/trainingDataConfig/s3Uri", "https://x/y")},
         {"data that is not there", put("/trainingDataConfig/s3Uri", "s3://bucket/none")}, {"no output", drop("outputDataConfig")},
         {"output to another bucket", put("/outputDataConfig/s3Uri", "s3://other/x")}, {"epochs as a number", put("/hyperParameters/epochCount", 2)},
         {"11 epochs", put("/hyperParameters/epochCount", "11")}, {"half an epoch", put("/hyperParameters/epochCount", "0.5")},
         {"unknown hyperparameter", put("/hyperParameters/rank", "4")}, {"no validators", set("validationDataConfig", {{"validators", Json::array()}})},
         {"no JSON", content("{")}, {"other type of content", header("content-type", "text/plain"), 415}, {"PUT", method("PUT"), 405}}, "bedrock");
  // The same token again is the same job; the same name is not.
  const Response again = ask(make("POST", all, job().dump()), "bedrock");
  EXPECT_EQ(again.status, 201);
  Json other = job();
  other["clientRequestToken"] = "other";
  EXPECT_NE(ask(make("POST", all, other.dump()), "bedrock").body.find("in use"), std::string::npos);
  check_signatures(make("GET", all), "bedrock");
}

TEST_F(BedrockSimulator, JobsAreThere) {
  const std::string all = "/model-customization-jobs";
  std::string arn = make_job();
  const std::vector<Mutation> odd{
      {"unknown", path(all + "/none"), 404}, {"empty", path(all + "/"), 400}, {"a blank", path(all + "/a%20b")}, {"malformed", path(all + "/%zz")},
      {"a line end", path(all + "/a%0A")}, {"no slash", path(all + "s"), 404}, {"unknown action", path(all + "/job-1/start"), 404},
      {"below", path(all + "/job-1/stop/x"), 404}, {"PUT", method("PUT"), 405}, {"DELETE", method("DELETE"), 405}};
  for (std::size_t at = 0; (at = arn.find('/', at)) != std::string::npos;) arn.replace(at, 1, "%2F");
  check_signed(make("GET", all + "/" + arn), nullptr, odd, "bedrock");
  check_signatures(make("GET", all + "/" + arn), "bedrock");
  const auto asked = [](const std::string& text) { return query(text); };
  check_signed(make("GET", all), nullptr,
               {{"no row", asked("maxResults=0")}, {"too many", asked("maxResults=1001")}, {"a word", asked("maxResults=x")},
                {"half", asked("maxResults=0.5")}, {"negative", asked("maxResults=-1")}, {"unknown state", asked("statusEquals=Running")},
                {"state in lower case", asked("statusEquals=failed")}, {"unknown token", asked("nextToken=x")}, {"malformed", asked("nextToken=%zz")},
                {"PUT", method("PUT"), 405}, {"PATCH", method("PATCH"), 405}}, "bedrock");
  std::vector<Mutation> stop = odd;
  for (Mutation& mutation : stop) {
    if (mutation.what == "unknown") mutation.change = path(all + "/none/stop");
    if (mutation.what == "a blank") mutation.change = path(all + "/a%20b/stop");
    if (mutation.what == "malformed") mutation.change = path(all + "/%zz/stop");
    if (mutation.what == "a line end") mutation.change = path(all + "/a%0A/stop");
    if (mutation.what == "empty") mutation.change = path(all + "//stop");
  }
  check_signed(make("POST", all + "/job-1/stop"), nullptr, stop, "bedrock");
  EXPECT_EQ(ask(make("POST", all + "/job-1/stop"), "bedrock").status, 400) << "it is over";
}

class VertexSimulator : public testing::Test {
 protected:
  Vertex provider{VertexOptions{}};
  const std::string jobs = "/v1/projects/p1/locations/us-central1/tuningJobs";

  static bool is_refusal(const Response& response) {
    const Json json = Json::parse(response.body, nullptr, false);
    if (!json.is_object() || !json.contains("error") || !json.at("error").is_object()) return false;
    const Json& error = json.at("error");
    return error.value("code", 0) == response.status && error.value("status", "") != "" && error.value("message", "") != "";
  }
  static std::string form(const std::string& assertion) {
    return "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + assertion;
  }
  Request token_request(const std::string& body) const {
    Request request = make_request("POST", "/token", body);
    request.headers = {{"host", "127.0.0.1:1"}, {"content-type", "application/x-www-form-urlencoded"}};
    return request;
  }
  std::string assertion(const std::function<void(Json&, Json&)>& change = nullptr) const {
    Json header = provider.account().header();
    Json claims = provider.account().claims("http://127.0.0.1:1/token", std::time(nullptr));
    if (change) change(header, claims);
    return provider.account().sign(header, claims);
  }
  Request with_token(const std::string& name, const std::string& at) {
    const Response answer = provider.handle(token_request(form(assertion())));
    Request request = make_request(name, at);
    request.headers = {{"authorization", "Bearer " + Json::parse(answer.body).value("access_token", "")}};
    if (name == "POST") request.headers.emplace_back("content-type", "application/json");
    return request;
  }
  void check(const Request& right, const Json& body, const std::vector<Mutation>& mutations) {
    check_strict([this](const Request& request) { return provider.handle(request); }, right, body, mutations, is_refusal);
  }
  static std::vector<Mutation> tokens() {
    return {{"no token", header("authorization", ""), 401}, {"other token", header("authorization", "Bearer ya29.x"), 401},
            {"a key", header("authorization", "AIzaSyA"), 401}, {"basic", header("authorization", "Basic eDp5"), 401}};
  }
  void put_dataset() {
    Request request = with_token("POST", "/upload/storage/v1/b/bucket/o");
    request.query = "uploadType=media&name=train%2Fa.jsonl";
    request.body = "{\"contents\":[]}\n";
    ASSERT_EQ(provider.handle(request).status, 200);
  }
  static Json job() {
    return {{"baseModel", "gemini-2.5-flash"}, {"tunedModelDisplayName", "mine"},
            {"supervisedTuningSpec", {{"trainingDatasetUri", "gs://bucket/train/a.jsonl"}, {"hyperParameters", {{"epochCount", 2}, {"adapterSize", "ADAPTER_SIZE_FOUR"}}}}}};
  }
};

TEST_F(VertexSimulator, Tokens) {
  const auto claim = [this](const std::string& name, const Json& value) {
    return content(form(assertion([&](Json&, Json& claims) { value.is_null() ? static_cast<void>(claims.erase(name)) : static_cast<void>(claims[name] = value); })));
  };
  const auto head = [this](const std::string& name, const Json& value) {
    return content(form(assertion([&](Json& header, Json&) { header[name] = value; })));
  };
  const std::int64_t now = std::time(nullptr);
  std::string flipped = assertion();
  flipped[flipped.size() - 20] = flipped[flipped.size() - 20] == 'A' ? 'B' : 'A';
  const std::string foreign = GoogleAccount{}.sign(provider.account().header(), provider.account().claims("http://127.0.0.1:1/token", now));
  check_strict([this](const Request& request) { return provider.handle(request); }, token_request(form(assertion())), nullptr,
               {{"no algorithm", head("alg", "none")}, {"a shared secret's", head("alg", "HS256")}, {"unknown key", head("kid", "x")},
                {"signature flipped", content(form(flipped))}, {"another's key", content(form(foreign))}, {"no signature", content(form("a.b"))},
                {"other issuer", claim("iss", "x@y.iam.gserviceaccount.com")}, {"no issuer", claim("iss", nullptr)},
                {"other audience", claim("aud", "https://example.com/token")}, {"expired", claim("exp", now - 1)}, {"two hours", claim("exp", now + 7200)},
                {"issued tomorrow", claim("iat", now + 86400)}, {"no time", claim("iat", nullptr)}, {"other scope", claim("scope", "email")},
                {"no scope", claim("scope", nullptr)}, {"other grant", content("grant_type=refresh_token&refresh_token=x")},
                {"no grant", content("assertion=" + assertion())}, {"no assertion", content(form("").substr(0, 74))},
                {"JSON", header("content-type", "application/json")}, {"GET", method("GET"), 405}},
               [](const Response& response) {
                 const Json json = Json::parse(response.body, nullptr, false);
                 return json.is_object() && json.value("error", "") != "" && json.value("error_description", "") != "";
               });
}

TEST_F(VertexSimulator, Objects) {
  Request upload = with_token("POST", "/upload/storage/v1/b/bucket/o");
  upload.query = "uploadType=media&name=train%2Fb.jsonl";
  upload.body = "{}";
  check(upload, nullptr, tokens() + std::vector<Mutation>{
      {"no name", query("uploadType=media")}, {"empty name", query("uploadType=media&name=")}, {"no type", query("name=a")},
      {"unknown type", query("uploadType=direct&name=a")}, {"no parts", query("uploadType=multipart&name=a")}, {"malformed", query("name=%zz")},
      {"other bucket", path("/upload/storage/v1/b/other/o"), 404}, {"no bucket", path("/upload/storage/v1/b/"), 404},
      {"below", path("/upload/storage/v1/b/bucket/o/x"), 404}, {"PUT", method("PUT"), 405}});
  const std::string at = "/storage/v1/b/bucket/o/";
  for (const char* name : {"GET", "DELETE"}) {
    check(with_token(name, at + "train%2Fb.jsonl"), nullptr, tokens() + std::vector<Mutation>{
        {"unknown", path(at + "none"), 404}, {"slash not encoded", path(at + "train/b.jsonl"), 404}, {"no name", path(at), 404},
        {"upper case", path(at + "TRAIN%2Fb.jsonl"), 404}, {"malformed", path(at + "%zz"), 404}, {"other bucket", path("/storage/v1/b/other/o/x"), 404},
        {"other version", path("/storage/v2/b/bucket/o/x"), 404}, {"PATCH", method("PATCH"), 405}});
  }
}

TEST_F(VertexSimulator, JobsAreCreated) {
  put_dataset();
  const auto spec = [](const std::string& name, const Json& value) { return put("/supervisedTuningSpec/" + name, value); };
  const auto hyper = [](const std::string& name, const Json& value) { return put("/supervisedTuningSpec/hyperParameters/" + name, value); };
  check(with_token("POST", jobs), job(), tokens() + std::vector<Mutation>{
      {"no model", drop("baseModel")}, {"other model", set("baseModel", "gemini-1.0")}, {"no spec", drop("supervisedTuningSpec")},
      {"data elsewhere", spec("trainingDatasetUri", "s3://bucket/a")}, {"no such data", spec("trainingDatasetUri", "gs://bucket/none")},
      {"no such validation", spec("validationDatasetUri", "gs://bucket/none")}, {"unknown in the spec", spec("dataset", "x")},
      {"no epoch", hyper("epochCount", 0)}, {"half an epoch", hyper("epochCount", 0.5)}, {"other size", hyper("adapterSize", "FOUR")},
      {"rate as text", hyper("learningRateMultiplier", "fast")}, {"unknown hyperparameter", hyper("n_epochs", 2)},
      {"long name", set("tunedModelDisplayName", std::string(129, 'x'))}, {"unknown field", set("model", "x")}, {"no JSON", content("{")},
      {"other type", header("content-type", "text/plain")}, {"PUT", method("PUT"), 405},
      {"other project", path("/v1/projects/p2/locations/us-central1/tuningJobs"), 403}, {"other version", path("/v9" + jobs.substr(3)), 404}});
}

TEST_F(VertexSimulator, JobsAreThere) {
  put_dataset();
  Request creation = with_token("POST", jobs);
  creation.body = job().dump();
  const std::string at = "/v1/" + Json::parse(provider.handle(creation).body).at("name").get<std::string>();
  const auto odd = [&](const std::string& end) {
    return tokens() + std::vector<Mutation>{
        {"unknown", path(jobs + "/99" + end), 404}, {"a word", path(jobs + "/x" + end), 404}, {"no id", path(jobs + "/" + end), 404},
        {"malformed", path(jobs + "/%zz" + end), 404}, {"below", path(at + "/x" + end), 404}, {"no slash", path(jobs + "7" + end), 404},
        {"other project", path("/v1/projects/p2/locations/us-central1/tuningJobs/1" + end), 403}, {"PUT", method("PUT"), 405}};
  };
  check(with_token("GET", at), nullptr, odd(""));
  check(with_token("GET", jobs), nullptr, tokens() + std::vector<Mutation>{
      {"size as a word", query("pageSize=x")}, {"negative", query("pageSize=-1")}, {"unknown token", query("pageToken=x")}, {"malformed", query("pageToken=%zz")},
      {"PATCH", method("PATCH"), 405}, {"DELETE", method("DELETE"), 405}});
  check(with_token("POST", at + ":cancel"), Json::object(), odd(":cancel") + std::vector<Mutation>{{"no JSON", content("{")}});
  Request again = with_token("POST", at + ":cancel");
  EXPECT_EQ(provider.handle(again).status, 400) << "it is over";
}

}  // namespace
}  // namespace simulator
