// SPDX-License-Identifier: Apache-2.0
// The huggingface plugin in the loop-back host, against the simulator.
#include "tests/plugins/huggingface_fixture.hpp"

#include <set>

namespace {

using cofounder::testkit::HttpAnswer;
using Json = nlohmann::json;

std::string header_of(const cofounder::testkit::HttpSent& sent, const std::string& name) {
  const auto at = sent.headers.find(name + ": ");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 2;
  return sent.headers.substr(from, sent.headers.find('\n', from) - from);
}

TEST_F(HuggingFacePluginTest, ChatsAndWritesDownWhatItCost) {
  host.start(config().dump());
  const Json got = result("chat", hello({{"max_tokens", 5}, {"temperature", 0}}));
  EXPECT_EQ(got.at("message"), (Json{{"role", "assistant"}, {"content", "w0 w1 w2 w3 w4"}}));
  EXPECT_EQ(got.at("finish_reason"), "length");
  EXPECT_EQ(got.at("provider"), "groq");
  // 2 x 0.15 + 5 x 0.75 = 4.05 micro-dollars.
  EXPECT_EQ(got.at("usage").dump(), R"({"completion_tokens":5,"cost_usd":4e-06,"prompt_tokens":2})");
  ASSERT_EQ(host.usages.size(), 1u);
  const auto& usage = host.usages[0];
  EXPECT_EQ(usage.provider, "huggingface");
  EXPECT_EQ(usage.model, "openai/gpt-oss-120b");
  EXPECT_EQ(usage.operation, "chat");
  EXPECT_EQ(usage.known, std::uint32_t{COF_USAGE_INPUT_TOKENS | COF_USAGE_OUTPUT_TOKENS | COF_USAGE_COST | COF_USAGE_DURATION});
  EXPECT_EQ(usage.input_tokens, 2);
  EXPECT_EQ(usage.output_tokens, 5);
  EXPECT_EQ(usage.cost_micros, 4);
  EXPECT_FALSE(usage.failed);
  const auto& sent = host.requests.at(0);
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.url, "https://router.huggingface.co/v1/chat/completions");
  EXPECT_EQ(header_of(sent, "Authorization"), "Bearer hf_test");
  EXPECT_EQ(header_of(sent, "X-HF-Bill-To"), "");
  EXPECT_EQ(host.requests.at(1).url, "https://router.huggingface.co/v1/models/openai/gpt-oss-120b");
}

// The providers' facts, row 11: "HF dead host, no streaming": the base URL is a setting; the first token is delivered
// before the last is sent (end to end in tests/daemon/huggingface_test.cpp).
TEST_F(HuggingFacePluginTest, StreamsTokensAsTheyCome) {
  Json other = config();
  other["router_url"] = "http://127.0.0.1:9/";
  other["bill_to"] = "acme";
  host.start(other.dump());
  const auto& call = run("chat", hello({{"stream", true}, {"model", "openai/gpt-oss-120b:fastest"}}));
  ASSERT_TRUE(call.ended->ok()) << call.ended->error_message;
  const Json got = Json::parse(call.ended->result);
  EXPECT_EQ(got.at("message").at("content"), "w0 w1 w2 w3 w4 w5 w6 w7");
  EXPECT_EQ(got.at("finish_reason"), "stop");
  EXPECT_EQ(got.at("provider"), "cerebras");
  EXPECT_EQ(got.at("usage").at("completion_tokens"), 8);
  EXPECT_EQ(host.usages.at(0).cost_micros, 6);  // 2 x 0.25 + 8 x 0.69 = 6.02
  std::string emitted;
  for (const auto& piece : call.emitted) emitted += Json::parse(piece).at("text").get<std::string>();
  EXPECT_EQ(call.emitted.size(), 8u);
  EXPECT_EQ(emitted, "w0 w1 w2 w3 w4 w5 w6 w7");
  ASSERT_GE(call.progress.size(), 2u);
  EXPECT_EQ(call.progress.front(), (std::pair<double, std::string>{-1, "w0"}));
  EXPECT_EQ(call.progress.back().second, emitted);
  EXPECT_EQ(host.requests.at(0).url, "http://127.0.0.1:9/v1/chat/completions");
  EXPECT_EQ(header_of(host.requests.at(0), "X-HF-Bill-To"), "acme");
  EXPECT_EQ(host.requests.at(0).framing, COF_HTTP_SSE);
}

TEST_F(HuggingFacePluginTest, TokensThatComeTogetherAreToldTogether) {
  host.start(config().dump());
  const std::string token = R"(data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]})" "\n\n";
  const std::string end = R"(data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})" "\n\n";
  const auto told = [&](const std::string& body, std::int32_t transport = COF_OK) {
    HttpAnswer answer = as_events(body);
    answer.together = true;
    answer.transport = transport;
    scripted = {std::move(answer)};
    return run("chat", hello({{"stream", true}})).emitted;
  };
  using Told = std::vector<std::string>;
  EXPECT_EQ(told(token + token + token + end + "data: [DONE]\n\n"), Told{R"({"text":"aaa"})"});
  EXPECT_EQ(told(token + token + end), Told{R"({"text":"aa"})"});
  // What came before something went wrong is told, too.
  EXPECT_EQ(told(token + token + "data: {not json}\n\n" + token), Told{R"({"text":"aa"})"});
  EXPECT_EQ(told(token + token, COF_EUNAVAILABLE), Told{R"({"text":"aa"})"});
}

TEST_F(HuggingFacePluginTest, NobodyWhoWatchesLosesPieces) {
  host.start(config().dump());
  host.room = false;
  const auto& call = run("chat", hello({{"stream", true}}));
  EXPECT_TRUE(call.ended->ok());
  EXPECT_TRUE(call.emitted.empty());
  EXPECT_EQ(Json::parse(call.ended->result).at("message").at("content"), "w0 w1 w2 w3 w4 w5 w6 w7");
}

TEST_F(HuggingFacePluginTest, ChoosesProvidersAndKnowsTheirPrice) {
  host.start(config().dump());
  const auto cost = [&](const char* model) {
    const Json got = result("chat", hello({{"model", model}}));
    return got.at("usage").at("cost_usd");
  };
  EXPECT_EQ(cost("openai/gpt-oss-120b:cheapest"), 6e-06);  // cerebras
  EXPECT_EQ(cost("openai/gpt-oss-120b:groq"), 6e-06);      // 0.3 + 6.0
  EXPECT_EQ(cost("openai/gpt-oss-120b:preferred"), 6e-06);
  EXPECT_EQ(cost("org/free"), 0.0);
  EXPECT_TRUE(cost("org/unpriced").is_null());
  EXPECT_EQ(host.usages.back().known & COF_USAGE_COST, 0u) << "unknown is absent, not 0";
  // The prices of a model are asked for once.
  std::multiset<std::string> asked;
  for (const auto& sent : host.requests) {
    if (sent.method == "GET") asked.insert(sent.url);
  }
  EXPECT_EQ(asked.count("https://router.huggingface.co/v1/models/openai/gpt-oss-120b"), 1u);
  EXPECT_EQ(code("chat", hello({{"model", "openai/gpt-oss-120b:fireworks-ai"}})), "bad_request");
  EXPECT_EQ(code("chat", hello({{"model", "org/none"}})), "not_found");
}

TEST_F(HuggingFacePluginTest, ManyCallsAskForAPriceOnce) {
  host.start(config().dump());
  std::vector<cofounder::testkit::Call*> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(&host.operation("chat", hello({{"stream", true}}).dump()));
  host.run();
  for (const auto* call : calls) {
    ASSERT_TRUE(call->ended.has_value());
    EXPECT_FALSE(Json::parse(call->ended->result).at("usage").at("cost_usd").is_null());
  }
  EXPECT_EQ(host.requests.size(), 21u);
}

TEST_F(HuggingFacePluginTest, WithoutPricesTheAnswerIsStillTheAnswer) {
  host.start(config().dump());
  host.on_request = [&](const auto& sent) {
    return sent.method == "GET" ? HttpAnswer::text(500, "") : ask(sent);
  };
  EXPECT_TRUE(result("chat", hello()).at("usage").at("cost_usd").is_null());
  EXPECT_TRUE(host.logged("no price"));
}

TEST_F(HuggingFacePluginTest, PassesToolsThrough) {
  host.start(config().dump());
  const Json tools{{{"type", "function"}, {"function", {{"name", "weather"}, {"parameters", Json::object()}}}}};
  for (const bool stream : {false, true}) {
    const Json got = result("chat", hello({{"tools", tools}, {"tool_choice", "auto"}, {"stream", stream}}));
    EXPECT_EQ(got.at("finish_reason"), "tool_calls");
    const Json& calls = got.at("message").at("tool_calls");
    ASSERT_EQ(calls.size(), 1u);
    EXPECT_EQ(calls[0].at("id"), "call_1");
    EXPECT_EQ(calls[0].at("function").at("name"), "weather");
    EXPECT_EQ(calls[0].at("function").at("arguments"), R"({"city": "Paris"})");
    // What the tool says goes back.
    Json messages{{{"role", "user"}, {"content", "weather?"}}, got.at("message"),
                  {{"role", "tool"}, {"tool_call_id", "call_1"}, {"content", "sunny"}}};
    EXPECT_EQ(result("chat", hello({{"messages", messages}})).at("finish_reason"), "stop");
  }
}

TEST_F(HuggingFacePluginTest, Generates) {
  host.start(config().dump());
  for (const bool stream : {false, true}) {
    const auto& call = run("generate", {{"model", "org/lm"}, {"prompt", "once upon a"}, {"max_tokens", 3},
                                        {"top_p", 0.9}, {"stream", stream}});
    ASSERT_TRUE(call.ended->ok()) << call.ended->error_message;
    const Json got = Json::parse(call.ended->result);
    EXPECT_EQ(got.at("text"), "w0 w1 w2");
    EXPECT_EQ(got.at("finish_reason"), "length");
    EXPECT_EQ(got.at("usage").at("prompt_tokens"), 3);
    EXPECT_EQ(call.emitted.size(), stream ? 3u : 0u);
  }
  EXPECT_EQ(host.requests.at(0).url, "https://router.huggingface.co/hf-inference/models/org/lm/v1/completions");
  EXPECT_EQ(code("generate", {{"model", "org/lm:groq"}, {"prompt", "x"}}), "unsupported_provider");
  EXPECT_EQ(code("generate", {{"model", "org/model"}, {"prompt", "x"}}), "bad_request");
}

TEST_F(HuggingFacePluginTest, Embeds) {
  host.start(config().dump());
  const Json got = result("embed", {{"model", "org/model"}, {"inputs", {"a", "bb", "a"}}, {"normalize", true}});
  const Json& vectors = got.at("embeddings");
  ASSERT_EQ(vectors.size(), 3u);
  EXPECT_EQ(vectors[0], vectors[2]);
  EXPECT_NE(vectors[0], vectors[1]);
  EXPECT_EQ(host.usages.at(0).known, std::uint32_t{COF_USAGE_DURATION});
  const auto answered = [&](const char* body, Json inputs = {"a"}) {
    scripted.push_back(json_answer(200, Json::parse(body)));
    return run("embed", {{"model", "org/model"}, {"inputs", inputs}}).ended.value();
  };
  EXPECT_EQ(answered("[0.5, 1]").result, R"({"embeddings":[[0.5,1]]})");
  EXPECT_EQ(answered("[[[0.5], [1]]]").error_code, "token_embeddings");
  for (const char* bad : {"{}", "7", "[]", "[[]]", "[[\"x\"]]", "[[1],[2]]", "[null]", "[{}]"}) {
    EXPECT_EQ(answered(bad).error_code, "bad_answer") << bad;
    EXPECT_TRUE(host.usages.back().failed);
  }
  EXPECT_EQ(answered("[[1],[1,2]]", {"a", "b"}).error_code, "bad_answer");
  for (const Json& bad : {Json::array(), Json{7}, Json{""}, Json("text"), Json(std::vector<std::string>(257, "a"))}) {
    EXPECT_EQ(code("embed", {{"model", "org/model"}, {"inputs", bad}}), "invalid_inputs") << bad;
  }
}

TEST_F(HuggingFacePluginTest, WritesPicturesToFiles) {
  host.start(config().dump());
  const Json got = result("image", {{"model", "org/t2i"}, {"prompt", "a cat"}, {"width", 512}, {"height", 256},
                                    {"seed", 1}, {"output", "/data/cat.png"}});
  EXPECT_EQ(got, (Json{{"path", "/data/cat.png"}, {"content_type", "image/png"}, {"bytes", 5000}}));
  EXPECT_EQ(host.files.at("/data/cat.png"), simulator::make_png(512, 256));
  const Json scratch = result("image", {{"model", "org/t2i"}, {"prompt", "a cat"}, {"output", "cat.png"}});
  EXPECT_TRUE(scratch.at("path").get<std::string>().ends_with("/cat.png"));
  const auto answered = [&](const std::string& body, const std::string& type) {
    HttpAnswer answer = HttpAnswer::text(200, body);
    answer.headers = "content-type: " + type + "\n";
    scripted.push_back(std::move(answer));
    return run("image", {{"model", "org/t2i"}, {"prompt", "x"}, {"output", "/data/x.png"}}).ended.value();
  };
  EXPECT_TRUE(answered(R"({"data":[{"b64_json":"R0lGODlhAQABAIAAAAAAAP"}]})", "application/json").ok());
  EXPECT_TRUE(host.files.contains("/data/x.png"));
  host.files.erase("/data/x.png");
  EXPECT_EQ(answered("<html>", "text/html").error_code, "bad_answer");
  EXPECT_EQ(answered("<html>this is no picture", "image/png").error_code, "bad_answer");
  EXPECT_EQ(answered("", "image/png").error_code, "bad_answer");
  EXPECT_EQ(answered("{}", "application/json").error_code, "bad_answer");
  EXPECT_EQ(answered(R"({"output":["https://x.example/a.png"]})", "application/json").error_code, "image_elsewhere");
  EXPECT_FALSE(host.files.contains("/data/x.png")) << "what is no picture leaves no file";
  const auto sent = host.requests.size();
  EXPECT_EQ(code("image", {{"model", "org/t2i"}, {"prompt", "x"}, {"output", "../x.png"}}), "invalid_output");
  EXPECT_EQ(host.requests.size(), sent);
}

TEST_F(HuggingFacePluginTest, APictureWithoutEndIsStopped) {
  Json small = config();
  small["image_bytes_max"] = 10'000;
  host.start(small.dump());
  HttpAnswer huge;
  huge.headers = "content-type: image/png\n";
  huge.items.push_back({simulator::make_png(8, 8)});
  for (int i = 0; i < 100; ++i) huge.items.push_back({std::string(4000, 'x')});
  scripted.push_back(std::move(huge));
  EXPECT_EQ(code("image", {{"model", "org/t2i"}, {"prompt", "x"}, {"output", "/data/x.png"}}), "image_too_big");
  EXPECT_FALSE(host.files.contains("/data/x.png"));
}

TEST_F(HuggingFacePluginTest, ListsModelsWithLivePrices) {
  host.start(config().dump());
  const Json all = result("models", Json::object()).at("models");
  EXPECT_EQ(all.size(), simulator::chat_models().size());
  const Json one = result("models", {{"id", "openai/gpt-oss-120b"}}).at("models");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].at("providers")[0].at("pricing"), (Json{{"input", 0.15}, {"output", 0.75}}));
  EXPECT_EQ(one[0].at("providers")[2].at("status"), "error");
  EXPECT_EQ(code("models", {{"id", "org/none"}}), "not_found");
  for (const char* id : {"a/b:groq", "a/../b", "a/b\n", ""}) EXPECT_EQ(code("models", {{"id", id}}), "invalid_model");
  const auto answered = [&](const char* body) {
    scripted.push_back(json_answer(200, Json::parse(body)));
    return run("models", Json::object()).ended.value();
  };
  EXPECT_TRUE(answered(R"({"data":{"id":"a"}})").ok());
  EXPECT_TRUE(answered(R"({"id":"a","providers":[]})").ok());
  for (const auto& [body, field] : std::map<std::string, std::string>{
           {"7", "the body"}, {R"({"data":7})", "data"}, {R"({"data":[7]})", "data[0]"}, {R"({"data":[{}]})", "data[0].id"},
           {R"({"data":[{"id":"a","providers":7}]})", "data[0].providers"},
           {R"({"data":[{"id":"a","providers":[{}]}]})", "data[0].providers[0].provider"},
           {R"({"data":[{"id":"a","providers":[{"provider":"p","status":7}]}]})", "status"},
           {R"({"data":[{"id":"a","providers":[{"provider":"p","pricing":{"input":-1}}]}]})", "pricing.input"}}) {
    const auto ended = answered(body.c_str());
    EXPECT_EQ(ended.error_code, "bad_answer") << body;
    EXPECT_NE(ended.error_message.find(field), std::string::npos) << ended.error_message;
  }
}

TEST_F(HuggingFacePluginTest, SaysWhoseTheTokenIs) {
  host.start(config().dump());
  const Json who = result("whoami", Json::object());
  EXPECT_EQ(who.at("name"), "simone");
  EXPECT_EQ(who.at("role"), "fineGrained");
  EXPECT_EQ(who.at("orgs")[0].at("name"), "acme");
  EXPECT_FALSE(who.contains("auth"));
  EXPECT_EQ(host.requests.at(0).url, "https://huggingface.co/api/whoami-v2");
  host.secrets["token"] = "hf_wrong";
  EXPECT_EQ(code("whoami", Json::object()), "unauthorized");
  host.secrets["token"] = "hf_test";
  scripted.push_back(json_answer(200, {{"name", 7}}));
  EXPECT_EQ(code("whoami", Json::object()), "bad_answer");
}

TEST_F(HuggingFacePluginTest, AsksAsTheOfficialClientDoes) {
  host.start(config().dump());
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/huggingface_wire.json"};
  const Json recorded = Json::parse(std::string{std::istreambuf_iterator<char>{file}, {}});
  const Json& cases = recorded.at("cases");
  ASSERT_EQ(cases.size(), 5u);
  for (const Json& one : cases) {
    SCOPED_TRACE(one.at("op"));
    Json wanted = one.at("json");
    const std::string path = one.at("path");
    Json args = wanted;
    std::string op = "chat";
    if (path.ends_with("/v1/completions")) {
      op = "generate";
      args.erase("return_full_text");
    } else if (path.ends_with("/feature-extraction")) {
      op = "embed";
      args["model"] = "org/model";
    } else if (path.ends_with("/org/t2i")) {
      op = "image";
      args = wanted.at("parameters");
      args.update({{"model", "org/t2i"}, {"prompt", wanted.at("inputs")}, {"output", "cat.png"}});
    }
    wanted.erase("return_full_text");  // of generate's own kind, and false by itself
    const auto before = host.requests.size();
    result(op, args);
    const auto& sent = host.requests.at(before);
    EXPECT_EQ(sent.method, one.at("method").get<std::string>());
    EXPECT_EQ(sent.url, "https://router.huggingface.co" + path);
    Json body = Json::parse(sent.body);
    body.erase("stream_options");  // so that the stream says what it cost
    EXPECT_EQ(body, wanted);
  }
}

TEST_F(HuggingFacePluginTest, SaysWhatIsNotConfigured) {
  host.secrets.clear();
  host.start("{}");
  auto operations = asking();
  operations["models"] = operations["whoami"] = Json::object();
  for (const auto& [op, args] : operations) {
    const auto ended = failure(op, args);
    EXPECT_EQ(ended.error_code, "not_configured") << op;
    EXPECT_NE(ended.error_message.find("token"), std::string::npos);
  }
  host.secrets["token"] = "hf_test\nX-Evil: 1";
  EXPECT_EQ(code("whoami", Json::object()), "not_configured");
  EXPECT_TRUE(host.requests.empty());
}

TEST_F(HuggingFacePluginTest, RefusesBadArgumentsBeforeAnythingIsSent) {
  host.start(config().dump());
  for (auto [op, args] : asking()) {
    args["model"] = "org/name\nX-Evil: 1";
    const auto ended = failure(op, args);
    EXPECT_EQ(ended.error_code, "invalid_model") << op;
    EXPECT_EQ(ended.status, COF_EINVALID);
    EXPECT_NE(ended.error_message.find("args.model"), std::string::npos);
  }
  const auto refused = [&](const Json& messages, const std::string& field) {
    const auto ended = failure("chat", hello({{"messages", messages}}));
    EXPECT_EQ(ended.error_code, "invalid_messages") << messages;
    EXPECT_NE(ended.error_message.find(field), std::string::npos) << ended.error_message;
  };
  const Json good{{"role", "user"}, {"content", "x"}};
  refused(Json::array(), "args.messages");
  refused({good, 7}, "args.messages[1]");
  refused({{{"role", "robot"}, {"content", "x"}}}, "args.messages[0].role");
  refused({{{"role", 7}, {"content", "x"}}}, "args.messages[0].role");
  refused({{{"role", "user"}}}, "args.messages[0].content");
  refused({good, {{"role", "user"}, {"content", Json::array()}}}, "args.messages[1].content");
  refused({{{"role", "user"}, {"content", "x"}, {"tool_calls", Json::array()}}}, "args.messages[0].tool_calls");
  refused({{{"role", "tool"}, {"content", "x"}}}, "args.messages[0].tool_call_id");
  EXPECT_TRUE(host.requests.empty());
}

TEST_F(HuggingFacePluginTest, ABadConfigurationIsRefused) {
  host.start(config().dump());
  for (const Json& bad : {Json{{"bill_to", "a\nb"}}, Json{{"requests_per_provider_max", 0}}}) {
    const auto& call = host.configure(COF_CONFIGURE_CHECK, bad.dump());
    host.run();
    EXPECT_EQ(call.ended->error_code, "invalid_config");
  }
}

}  // namespace
