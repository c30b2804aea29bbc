// SPDX-License-Identifier: Apache-2.0
// The parts of the cloudinary plugin, against results of the official SDK (tests/vectors).
#include <gtest/gtest.h>

#include <cofounder/plugin.hpp>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugins/cloudinary/account.hpp"
#include "plugins/cloudinary/answer.hpp"
#include "plugins/cloudinary/delivery_url.hpp"
#include "plugins/cloudinary/signature.hpp"
#include "plugins/cloudinary/transformation.hpp"
#include "plugins/cloudinary/upload_params.hpp"

namespace {

namespace sdk = cofounder::sdk;
namespace cl = cloudinary;
using Json = nlohmann::json;

Json vectors(const std::string& name) {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/" + name};
  return Json::parse(file);
}

// A parameter as it is sent; as the SDK: null and empty lists are not, lists are joined by commas.
std::string wire_text(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& item : value) text += (text.empty() ? "" : ",") + wire_text(item);
  return text;
}

// ---- Signatures

// The providers' facts, row 6: "unsigned Cloudinary upload".
TEST(CloudinarySignature, IsAsTheOfficialSdkComputesIt) {
  const Json cases = vectors("cloudinary_signatures.json").at("cases");
  ASSERT_EQ(cases.size(), 20u);
  for (const Json& item : cases) {
    SCOPED_TRACE(item.at("name").get<std::string>());
    cl::Params params;
    for (const auto& [name, value] : item.at("params").items()) params[name] = wire_text(value);
    const std::string secret = item.at("secret");
    EXPECT_EQ(cl::string_to_sign(params, 2), item.at("string_to_sign_v2").get<std::string>());
    for (const int version : {1, 2}) {
      const std::string suffix = "_v" + std::to_string(version);
      EXPECT_EQ(cl::sign(params, secret, cl::Algorithm::sha1, version),
                item.at("sha1" + suffix).get<std::string>());
      EXPECT_EQ(cl::sign(params, secret, cl::Algorithm::sha256, version),
                item.at("sha256" + suffix).get<std::string>());
    }
  }
}

TEST(CloudinarySignature, OfNotificationsAndAnswers) {
  const Json all = vectors("cloudinary_notifications.json");
  ASSERT_EQ(all.at("notifications").size(), 5u);
  for (const Json& item : all.at("notifications")) {
    SCOPED_TRACE(item.at("name").get<std::string>());
    ASSERT_EQ(item.at("algo"), "sha1");
    EXPECT_EQ(
        cl::notification_signature(item.at("body").get<std::string>(), item.at("timestamp").dump(),
                                   item.at("api_secret").get<std::string>(), cl::Algorithm::sha1),
        item.at("signature").get<std::string>());
  }
  ASSERT_EQ(all.at("response_signatures").size(), 2u);
  for (const Json& item : all.at("response_signatures")) {
    const cl::Params params{{"public_id", item.at("public_id")},
                            {"version", item.at("version").dump()}};
    EXPECT_EQ(cl::sign(params, item.at("api_secret").get<std::string>(), cl::Algorithm::sha1, 1),
              item.at("signature_v1_sha1").get<std::string>());
  }
}

TEST(CloudinarySignature, IsComparedAsAWhole) {
  EXPECT_TRUE(cl::equal_in_constant_time("abc", "abc"));
  EXPECT_TRUE(cl::equal_in_constant_time("", ""));
  EXPECT_FALSE(cl::equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(cl::equal_in_constant_time("abc", "ab"));
  EXPECT_FALSE(cl::equal_in_constant_time("", "a"));
}

TEST(CloudinarySignature, Base64) {
  EXPECT_EQ(cl::base64(""), "");
  EXPECT_EQ(cl::base64("a"), "YQ==");
  EXPECT_EQ(cl::base64("1234:abcd"), "MTIzNDphYmNk");
  EXPECT_EQ(cl::base64(std::string_view{"\xff\x00\xfe", 3}), "/wD+");
}

// ---- Delivery URLs

// What the operation `url` does not offer.
const std::map<std::string, const char*> skipped_urls{
    {"secure false", "delivery_url is set once, in the configuration"},
    {"suffix bad", "no url_suffix"},
    {"cname", "no cname: delivery_url is set once, in the configuration"},
    {"root path", "no use_root_path"},
    {"auth token url", "no auth tokens"}};

// The providers' facts, row 8: "variants under /image/fetch".
TEST(CloudinaryUrl, IsAsTheOfficialSdkBuildsIt) {
  const Json cases = vectors("cloudinary_urls.json").at("cases");
  ASSERT_EQ(cases.size(), 22u);
  std::size_t skipped = 0;
  for (const Json& item : cases) {
    const std::string name = item.at("name");
    SCOPED_TRACE(name);
    if (skipped_urls.contains(name)) {
      ++skipped;
      continue;
    }
    cl::Delivery delivery;
    delivery.cloud_name = item.at("config").at("cloud_name");
    delivery.secret = item.at("config").at("api_secret");
    delivery.public_id = item.at("public_id");
    Json step = Json::object();
    Json transformation;
    for (const auto& [key, value] : item.at("options").items()) {
      if (key == "resource_type") {
        delivery.resource_type = value;
      } else if (key == "type") {
        delivery.type = value;
      } else if (key == "format") {
        delivery.format = value;
      } else if (key == "version") {
        delivery.version = value.get<std::int64_t>();
      } else if (key == "sign_url") {
        delivery.sign = value;
      } else if (key == "signature_algorithm") {
        delivery.algorithm = value == "sha256" ? cl::Algorithm::sha256 : cl::Algorithm::sha1;
      } else if (key == "transformation") {
        transformation = value;
      } else {
        step[key] = value;
      }
    }
    if (name == "dpr + named") {
      // One step of the SDK's options; in the operation the name stands in the step, as text.
      transformation = "dpr_2,t_blip.jpg_small";
    } else if (!step.empty()) {
      ASSERT_TRUE(transformation.is_null());
      transformation = step;
    }
    if (!transformation.is_null()) {
      const auto text = cl::transformation_text(transformation);
      ASSERT_TRUE(text) << text.failure().message;
      delivery.transformation = *text;
    }
    EXPECT_EQ(cl::delivery_url(delivery), item.at("url").get<std::string>());
  }
  EXPECT_EQ(skipped, skipped_urls.size());
}

TEST(CloudinaryUrl, KeepsWhatTheSdkKeeps) {  // results of cloudinary 2.11's url()
  cl::Delivery delivery;
  delivery.cloud_name = "demo";
  delivery.secret = "abcd";
  delivery.public_id = "it's (a) test!*~";
  EXPECT_EQ(cl::delivery_url(delivery),
            "https://res.cloudinary.com/demo/image/upload/it's%20(a)%20test!*~");
  delivery.sign = true;
  EXPECT_EQ(cl::delivery_url(delivery),
            "https://res.cloudinary.com/demo/image/upload/s--JM0o4dG1--/it's%20(a)%20test!*~");
  delivery.type = "fetch";
  delivery.public_id = "https://example.com/a (1)!.jpg?x=1&y=2";
  EXPECT_EQ(cl::delivery_url(delivery),
            "https://res.cloudinary.com/demo/image/fetch/s--wkuiQQmu--/"
            "https://example.com/a%20%281%29%21.jpg%3Fx%3D1%26y%3D2");
}

TEST(CloudinaryTransformation, NamedOnes) {
  EXPECT_EQ(*cl::transformation_text({"blip", "jpg"}), "t_blip.jpg");
  EXPECT_EQ(*cl::transformation_text("c_fill,w_3/e_sepia"), "c_fill,w_3/e_sepia");
  EXPECT_EQ(*cl::transformation_text(Json::array()), "");
}

TEST(CloudinaryTransformation, RefusesWhatIsNone) {
  const std::vector<Json> wrong{
      Json{{"widht", 3}},
      Json{{"width", nullptr}},
      Json{{"width", Json::array({1})}},
      Json{{"width", Json::object()}},
      Json{{"crop", ""}},
      Json{{"crop", "fill,w_3"}},
      Json{{"crop", "fill/w_3"}},
      Json{{"effect", "a b"}},
      Json{{"effect", "a?b"}},
      Json{{"effect", "a#b"}},
      Json{{"effect", "a%2Cb"}},
      Json{{"format", "webp"}},  // of eager steps only
      Json{""},
      Json{"w_1 h_2"},
      Json{"w_1\n"},
      Json(7),
      Json(true),
      Json(nullptr),
      Json::array({1}),
      Json::array({Json::array({"a"})}),
  };
  for (const Json& value : wrong) {
    SCOPED_TRACE(value.dump());
    const auto text = cl::transformation_text(value);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.failure().code, "invalid_transformation");
    EXPECT_EQ(text.failure().status, COF_EINVALID);
    EXPECT_FALSE(text.failure().is_retryable());
  }
}

// ---- Upload parameters

// Options of the SDK that the operation `upload` does not offer.
const std::vector<std::string> options_not_offered{
    "upload_preset", "eager_async",  "allowed_formats", "unique_filename",
    "use_filename",  "asset_folder", "display_name",    "use_asset_folder_as_public_id_prefix"};

TEST(CloudinaryUploadParams, AreAsTheOfficialSdkBuildsThem) {
  const Json all = vectors("cloudinary_upload_params.json");
  ASSERT_EQ(all.at("cases").size(), 4u);
  for (const Json& item : all.at("cases")) {
    SCOPED_TRACE(item.at("name").get<std::string>());
    Json args = item.at("options");
    const std::int64_t now_s = args.at("timestamp");
    args.erase("timestamp");
    Json extra = Json::object();
    for (const std::string& name : options_not_offered) {
      if (args.contains(name)) extra[name] = item.at("wire_params").at(name);
      args.erase(name);
    }
    auto params = cl::upload_params(args);
    ASSERT_TRUE(params) << params.failure().message;
    // What is not offered is added as the SDK sends it, so that the signature can be compared.
    for (const auto& [name, value] : extra.items()) (*params)[name] = wire_text(value);
    cl::authenticate(*params, now_s, all.at("api_key"), all.at("api_secret"), cl::Algorithm::sha1,
                     2);
    cl::Params wanted;
    for (const auto& [name, value] : item.at("wire_params").items())
      wanted[name] = wire_text(value);
    EXPECT_EQ(*params, wanted);
  }
}

TEST(CloudinaryUploadParams, EscapesContext) {
  const auto params = cl::upload_params(
      {{"context", {{"a", "1=2|3"}, {"b=c", "x"}, {"n", 7}, {"yes", true}, {"none", nullptr}}}});
  ASSERT_TRUE(params);
  EXPECT_EQ(params->at("context"), "a=1\\=2\\|3|b\\=c=x|n=7|yes=true");
}

TEST(CloudinaryUploadParams, Booleans) {
  EXPECT_EQ(cl::upload_params({{"overwrite", true}})->at("overwrite"), "1");
  EXPECT_EQ(cl::upload_params({{"overwrite", false}})->at("overwrite"), "0");
  EXPECT_TRUE(cl::upload_params(Json::object())->empty());
}

TEST(CloudinaryUploadParams, RefusesWhatTheProviderWould) {
  struct Case {
    Json args;
    const char* code;
  };
  std::vector<Case> cases{
      {{{"folder", "../up"}}, "invalid_folder"},
      {{{"folder", "/a"}}, "invalid_folder"},
      {{{"tags", {"a", "b,c"}}}, "invalid_tag"},
      {{{"tags", {"a|b"}}}, "invalid_tag"},
      {{{"tags", {""}}}, "invalid_tag"},
      {{{"context", {{"", "x"}}}}, "invalid_context"},
      {{{"transformation", {{"widht", 1}}}}, "invalid_transformation"},
      {{{"eager", {{{"widht", 1}}}}}, "invalid_transformation"},
      {{{"eager", {{{"format", "a b"}}}}}, "invalid_transformation"},
  };
  for (const std::string id : {"", "../x", "a/../b", "a/..", "a//b", "/a", "a/", " a", "a ", "a?b",
                               "a&b", "a#b", "a\\b", "a%b", "a<b", "a>b", "a+b", "a\nb", "a\x01"}) {
    cases.push_back({{{"public_id", id}}, "invalid_public_id"});
  }
  cases.push_back({{{"public_id", std::string(256, 'a')}}, "invalid_public_id"});
  for (const Case& item : cases) {
    SCOPED_TRACE(item.args.dump());
    const auto params = cl::upload_params(item.args);
    ASSERT_FALSE(params);
    EXPECT_EQ(params.failure().code, item.code);
    EXPECT_EQ(params.failure().status, COF_EINVALID);
    EXPECT_FALSE(params.failure().is_retryable());
  }
  EXPECT_TRUE(cl::upload_params({{"public_id", std::string(255, 'a')}}));
  EXPECT_TRUE(cl::upload_params({{"public_id", "Ordner/Größe 1.v2"}}));
}

// ---- The account

TEST(CloudinaryAccount, Defaults) {
  const cl::Account account = cl::read_account(Json::object());
  EXPECT_EQ(account.upload_timeout, std::chrono::seconds{30});
  EXPECT_EQ(account.delete_timeout, std::chrono::seconds{10});
  EXPECT_EQ(account.usage_timeout, std::chrono::seconds{10});
  EXPECT_EQ(account.algorithm, cl::Algorithm::sha1);
  EXPECT_EQ(account.signature_version, 2);
  EXPECT_EQ(account.chunk_bytes, 20'000'000u);
  EXPECT_EQ(
      cl::read_account({{"cloud_name", "demo"}, {"base_url", "http://127.0.0.1:1//"}}).api("usage"),
      "http://127.0.0.1:1/v1_1/demo/usage");
}

TEST(CloudinaryAccount, RefusesWhatTheSchemaCannot) {
  for (const Json& config : {Json{{"chunk_bytes", 4'999'999}}, Json{{"cloud_name", "a/b"}},
                             Json{{"cloud_name", "a b"}}, Json{{"cloud_name", "a?b"}}}) {
    SCOPED_TRACE(config.dump());
    EXPECT_THROW(cl::read_account(config), sdk::Failed);
  }
}

}  // namespace
