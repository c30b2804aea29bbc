// SPDX-License-Identifier: Apache-2.0
// The fine-tuning plugin and the providers that want signatures: Bedrock and Vertex.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <fstream>
#include <iterator>

#include "plugins/fine_tuning/crypto.hpp"
#include "plugins/fine_tuning/sigv4.hpp"
#include "tests/plugins/fine_tuning_fixture.hpp"

namespace {

using cofounder::testkit::HttpAnswer;
using cofounder::testkit::HttpSent;
using Json = nlohmann::json;
namespace ft = fine_tuning;

// What the official signer made of the same requests.
TEST(SigV4, AsTheOfficialSigner) {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/aws_sigv4.json"};
  const Json vectors = Json::parse(std::string{std::istreambuf_iterator<char>{file}, {}});
  ASSERT_EQ(vectors.at("cases").size(), 4u);
  for (const Json& one : vectors.at("cases")) {
    SCOPED_TRACE(one.at("name"));
    const Json& given = one.at("request");
    ft::AwsRequest request;
    request.method = given.at("method").get<std::string>();
    request.path = given.at("path").get<std::string>();
    request.service = one.at("service").get<std::string>();
    request.region = one.at("region").get<std::string>();
    request.date = "20261123T120000Z";
    request.query = given.value("query", std::map<std::string, std::string>{});
    request.headers = given.at("headers").get<std::map<std::string, std::string>>();
    request.payload_sha256 = ft::hexadecimal(ft::sha256(given.value("body", "")));
    const Json& keys = one.at("credentials");
    ft::sign_aws({keys.at("accessKeyId").get<std::string>(), keys.at("secretAccessKey").get<std::string>(), ""}, request);
    EXPECT_EQ(request.headers.at("authorization"), one.at("authorization").get<std::string>());
  }
}

// The example in Amazon's description of S3's signatures: GET of an object with a range.
TEST(SigV4, S3AsInItsDocumentation) {
  ft::AwsRequest request;
  request.method = "GET";
  request.service = "s3";
  request.region = "us-east-1";
  request.path = "/test.txt";
  request.date = "20130524T000000Z";
  request.headers = {{"host", "examplebucket.s3.amazonaws.com"}, {"range", "bytes=0-9"}};
  request.payload_sha256 = ft::hexadecimal(ft::sha256(""));
  ft::sign_aws({"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""}, request);
  EXPECT_NE(request.headers.at("authorization").find("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            std::string::npos) << request.headers.at("authorization");
}

std::string header(const HttpSent& sent, const std::string& name) {
  const auto at = sent.headers.find(name + ": ");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 2;
  return sent.headers.substr(from, sent.headers.find('\n', from) - from);
}

HttpAnswer json_answer(int status, const Json& json) {
  HttpAnswer answer = HttpAnswer::text(status, json.dump());
  answer.headers = "content-type: application/json\n";
  return answer;
}

class BedrockTest : public FineTuningTest {
 protected:
  std::map<std::string, std::string> objects;
  Json job;  // null: none
  int created = 0;
  int looks = 0;

  void SetUp() override {
    FineTuningTest::SetUp();
    host.secrets["bedrock_secret_access_key"] = "secret";
    std::string lines;
    for (int i = 0; i < 3; ++i) {
      lines += R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]})" "\n";
    }
    host.files["/data/claude.jsonl"] = lines;
    instead = [this](const HttpSent& sent) { return std::optional{serve(sent)}; };
  }
  static Json keys() {
    return {{"bedrock_access_key_id", "AKIDEXAMPLE"}, {"bedrock_role_arn", "arn:aws:iam::1:role/b"},
            {"bedrock_s3_uri", "s3://bucket/train"}, {"bedrock_secret_access_key", {{"secret", "x"}}}};
  }
  static Json args() {
    return {{"provider", "bedrock"}, {"dataset", "/data/claude.jsonl"},
            {"base_model", "anthropic.claude-3-haiku-20240307-v1:0:200k"}, {"hyperparameters", {{"epochCount", 2}}}};
  }
  // Signs it again, as the provider does.
  static bool is_signed(const HttpSent& sent, const std::string& service) {
    ft::AwsRequest request;
    request.method = sent.method;
    request.service = service;
    request.region = "us-west-2";
    const auto slash = sent.url.find('/', 8);
    request.path = sent.url.substr(slash);
    request.headers["host"] = sent.url.substr(8, slash - 8);
    request.date = header(sent, "x-amz-date");
    if (!header(sent, "content-type").empty()) request.headers["content-type"] = header(sent, "content-type");
    request.payload_sha256 = ft::hexadecimal(ft::sha256(sent.body));
    ft::sign_aws({"AKIDEXAMPLE", "secret", ""}, request);
    return header(sent, "authorization") == request.headers.at("authorization");
  }
  HttpAnswer serve(const HttpSent& sent) {
    if (sent.url.starts_with("https://s3.us-west-2.amazonaws.com/")) {
      if (!is_signed(sent, "s3")) return HttpAnswer::text(403, "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>");
      if (sent.method == "PUT") objects[sent.url] = sent.body;
      if (sent.method == "DELETE") objects.erase(sent.url);
      HttpAnswer answer = HttpAnswer::text(sent.method == "PUT" ? 200 : 204, "");
      if (sent.method == "PUT") answer.headers = "etag: \"0\"\n";
      return answer;
    }
    if (!is_signed(sent, "bedrock")) return json_answer(403, {{"message", "The request signature does not match"}});
    if (sent.method == "POST" && sent.url.ends_with("/model-customization-jobs")) {
      ++created;
      job = Json::parse(sent.body);
      job["status"] = "InProgress";
      return json_answer(201, {{"jobArn", "arn:aws:bedrock:us-west-2:1:model-customization-job/x/1"}});
    }
    if (job.is_null() || sent.url.find("/" + job.at("jobName").get<std::string>()) == std::string::npos) {
      return json_answer(404, {{"message", "The provided job does not exist"}});
    }
    if (sent.url.ends_with("/stop")) {
      job["status"] = "Stopped";
      return HttpAnswer::text(200, "");
    }
    if (++looks > 2 && job.at("status") == "InProgress") job["status"] = "Completed";
    return json_answer(200, {{"jobArn", "arn:aws:bedrock:us-west-2:1:model-customization-job/x/1"}, {"status", job.at("status")},
                             {"outputModelArn", "arn:aws:bedrock:us-west-2:1:custom-model/y"}, {"trainingMetrics", {{"trainingLoss", 0.5}}}});
  }
};

TEST_F(BedrockTest, TrainsOnceWhateverAnswerIsLost) {
  start(keys());
  int times = 0;
  instead = [&](const HttpSent& sent) {
    HttpAnswer answer = serve(sent);
    const bool is_creation = sent.method == "POST" && sent.url.ends_with("/model-customization-jobs");
    return std::optional{is_creation && ++times == 1 ? HttpAnswer::broken(COF_ETIMEDOUT) : answer};
  };
  auto* call = train(args());
  ASSERT_TRUE(call->ended->ok()) << call->ended->error_message;
  const Json made = Json::parse(call->ended->result);
  EXPECT_EQ(made.at("model"), "arn:aws:bedrock:us-west-2:1:custom-model/y");
  EXPECT_EQ(made.at("metrics").at("trainingLoss"), 0.5);
  EXPECT_EQ(created, 1);
  EXPECT_EQ(job.at("hyperParameters").at("epochCount"), "2") << "a text";
  EXPECT_EQ(job.at("trainingDataConfig").at("s3Uri"), "s3://bucket/train/cofounderd-task-1-dataset.jsonl");
  EXPECT_EQ(job.at("clientRequestToken"), "cofounderd-task-1");
  EXPECT_TRUE(objects.empty()) << "the dataset is deleted";
  EXPECT_EQ(sent("PUT", "https://s3.us-west-2.amazonaws.com/bucket/train/cofounderd-task-1-dataset.jsonl"), 1);
}

TEST_F(BedrockTest, RefusalsAndACancel) {
  start(keys());
  host.secrets["bedrock_secret_access_key"] = "wrong";
  const auto& denied = run("train", args());
  EXPECT_EQ(denied.ended->error_code, "forbidden");
  EXPECT_NE(denied.ended->error_message.find("S3 answered 403: the account may not do that (SignatureDoesNotMatch: no)"), std::string::npos)
      << denied.ended->error_message;
  host.secrets["bedrock_secret_access_key"] = "secret";
  Options how;
  how.task_id = "task-2";
  EXPECT_TRUE(run("train", args(), how).deferred_to_ms);
  host.task_states["task-2"] = R"({"id":"task-2","state":"cancelled"})";
  host.event("task.cancelled", R"({"task":"task-2","op":"fine-tuning.train","state":"cancelled"})");
  host.run();
  EXPECT_EQ(job.at("status"), "Stopped");
  EXPECT_TRUE(objects.empty());
  Json bad = args();
  bad["dataset"] = "/data/train.jsonl";
  bad["hyperparameters"] = {{"epochCount", Json::array()}};
  EXPECT_EQ(code("train", bad), "invalid_hyperparameters");
}

class VertexTest : public FineTuningTest {
 protected:
  std::string public_key;
  std::map<std::string, std::string> objects;
  Json jobs = Json::array();
  int looks = 0;

  void SetUp() override {
    FineTuningTest::SetUp();
    EVP_PKEY* key = EVP_RSA_gen(2048);
    const auto pem = [](auto write) {
      BIO* out = BIO_new(BIO_s_mem());
      write(out);
      char* data = nullptr;
      const long size = BIO_get_mem_data(out, &data);
      std::string text{data, static_cast<std::size_t>(size)};
      BIO_free(out);
      return text;
    };
    const std::string private_pem = pem([&](BIO* out) { PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
    public_key = pem([&](BIO* out) { PEM_write_bio_PUBKEY(out, key); });
    EVP_PKEY_free(key);
    host.secrets["vertex_key"] = Json{{"client_email", "a@b.iam"}, {"private_key", private_pem}, {"private_key_id", "k1"}}.dump();
    host.files["/data/gemini.jsonl"] = R"({"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"a"}]}]})" "\n";
    instead = [this](const HttpSent& sent) { return std::optional{serve(sent)}; };
  }
  static std::string decode(const std::string& text) {
    static const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    unsigned bits = 0;
    int count = 0;
    for (const char c : text) {
      bits = bits << 6 | static_cast<unsigned>(alphabet.find(c));
      if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 255);
    }
    return out;
  }
  bool is_assertion(const std::string& jwt) const {
    const auto first = jwt.find('.');
    const auto second = jwt.rfind('.');
    const std::string signature = decode(jwt.substr(second + 1));
    const std::string text = jwt.substr(0, second);
    const Json claims = Json::parse(decode(jwt.substr(first + 1, second - first - 1)));
    EXPECT_EQ(claims.at("iss"), "a@b.iam");
    EXPECT_EQ(claims.at("aud"), "https://oauth2.googleapis.com/token");
    EXPECT_EQ(claims.at("exp").get<int>() - claims.at("iat").get<int>(), 3600);
    BIO* in = BIO_new_mem_buf(public_key.data(), static_cast<int>(public_key.size()));
    EVP_PKEY* key = PEM_read_bio_PUBKEY(in, nullptr, nullptr, nullptr);
    EVP_MD_CTX* digest = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(digest, nullptr, EVP_sha256(), nullptr, key);
    const auto bytes = [](const std::string& from) { return reinterpret_cast<const unsigned char*>(from.data()); };
    const bool good = EVP_DigestVerify(digest, bytes(signature), signature.size(), bytes(text), text.size()) == 1;
    EVP_MD_CTX_free(digest);
    EVP_PKEY_free(key);
    BIO_free(in);
    return good;
  }
  HttpAnswer serve(const HttpSent& sent) {
    if (sent.url == "https://oauth2.googleapis.com/token") {
      const std::string start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
      const bool good = sent.body.starts_with(start) && is_assertion(sent.body.substr(start.size()));
      return good ? json_answer(200, {{"access_token", "ya29.x"}, {"expires_in", 3599}}) : json_answer(400, {{"error", "invalid_grant"}});
    }
    if (header(sent, "Authorization") != "Bearer ya29.x") return json_answer(401, {{"error", {{"message", "no"}}}});
    if (sent.url.find("/upload/storage/v1/b/bucket/o?uploadType=media&name=") != std::string::npos) {
      objects[sent.url.substr(sent.url.find("name=") + 5)] = sent.body;
      return json_answer(200, {{"name", "x"}});
    }
    if (sent.method == "DELETE") {
      objects.erase(sent.url.substr(sent.url.rfind('/') + 1));
      return HttpAnswer::text(204, "");
    }
    const bool is_list = sent.url.find("/v1/projects/p1/locations/us-central1/tuningJobs") != std::string::npos;
    if (!is_list) return json_answer(404, {{"error", {{"message", "no such thing"}}}});
    if (sent.method == "POST" && sent.url.ends_with("tuningJobs")) {
      Json job = Json::parse(sent.body);
      job.update({{"name", "projects/p1/locations/us-central1/tuningJobs/7"}, {"state", "JOB_STATE_PENDING"}});
      jobs.push_back(job);
      return json_answer(200, job);
    }
    if (sent.url.find("?pageSize=") != std::string::npos) return json_answer(200, {{"tuningJobs", jobs}});
    if (sent.url.ends_with(":cancel")) jobs[0]["state"] = "JOB_STATE_CANCELLED";
    if (++looks > 2) {
      jobs[0]["state"] = "JOB_STATE_SUCCEEDED";
      jobs[0]["tunedModel"] = {{"model", "projects/p1/models/9@1"}, {"endpoint", "projects/p1/endpoints/8"}};
    }
    return json_answer(200, jobs[0]);
  }
};

TEST_F(VertexTest, TrainsOnceWhateverAnswerIsLost) {
  start({{"vertex_project", "p1"}, {"vertex_gcs_uri", "gs://bucket/train"}, {"vertex_key", {{"secret", "x"}}}});
  int times = 0;
  instead = [&](const HttpSent& sent) {
    HttpAnswer answer = serve(sent);
    const bool is_creation = sent.method == "POST" && sent.url.ends_with("tuningJobs");
    return std::optional{is_creation && ++times == 1 ? HttpAnswer::broken(COF_ETIMEDOUT) : answer};
  };
  const Json args{{"provider", "gemini"}, {"dataset", "/data/gemini.jsonl"}, {"base_model", "gemini-2.5-flash"}};
  auto* call = train(args);
  ASSERT_TRUE(call->ended->ok()) << call->ended->error_message;
  EXPECT_EQ(Json::parse(call->ended->result).at("model"), "projects/p1/endpoints/8");
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0].at("supervisedTuningSpec").at("trainingDatasetUri"), "gs://bucket/train/cofounderd-task-1-dataset.jsonl");
  EXPECT_TRUE(objects.empty()) << "the dataset is deleted";
  host.secrets["vertex_key"] = "{}";
  EXPECT_EQ(code("train", args), "not_configured");
  host.secrets["vertex_key"] = R"({"client_email":"a","private_key":"no key"})";
  EXPECT_EQ(code("train", args), "not_configured");
}

}  // namespace
