// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"
#include "tests/config/config_fixture.hpp"

namespace cofounder {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view with_secrets = R"(
[plugin.cloud]
enabled = false
on_start_error = "ignore"
restart_failures_max = 3
restart_window = "2min"
cloud_name = "demo"
ratio = 1.5
since = 1979-05-27T07:32:00Z
tags = ["a", { env = "TAG" }]
api_secret = { credential = "cloud_secret" }
[plugin.cloud.deep.er]
token = { file = "/etc/token" }
[plugin.cloud.deadlines]
start = "7s"
)";

TEST_F(ConfigTest, WhatTheCoreDoesNotKnowBecomesSettings) {
  const auto config = load(with_secrets);
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  const PluginConfig& plugin = config->plugin.at("cloud");
  EXPECT_FALSE(plugin.enabled);
  EXPECT_EQ(plugin.on_start_error, "ignore");
  EXPECT_EQ(plugin.restart_failures_max, 3);
  EXPECT_EQ(plugin.restart_window, Milliseconds{120'000});
  EXPECT_EQ(plugin.deadlines.start, Milliseconds{7000});
  EXPECT_EQ(plugin.where, file.native() + ":2");

  const auto settings = json::parse(plugin.settings);
  ASSERT_TRUE(settings) << plugin.settings;
  const json::View root = settings->root();
  EXPECT_EQ(root.size(), 6u) << plugin.settings;
  EXPECT_EQ(root.find("cloud_name").as_string(), "demo");
  EXPECT_EQ(root.find("ratio").as_number(), 1.5);
  EXPECT_EQ(root.find("since").as_string(), "1979-05-27T07:32:00Z");
  EXPECT_EQ(root.find("api_secret").text(), R"({"secret":"api_secret"})");
  EXPECT_EQ(root.find("tags").text(), R"(["a",{"secret":"tags.1"}])");
  EXPECT_EQ(root.at_pointer("/deep/er/token").text(), R"({"secret":"deep.er.token"})");
}

TEST_F(ConfigTest, ProgramsAreNamesOrAbsolutePaths) {
  const auto config = load("[plugin.x]\nprograms = ['ollama', '/opt/venv/bin/python3']\n"
                           "[plugin.x.limits]\nprocesses_max = 2\n");
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  const PluginConfig& plugin = config->plugin.at("x");
  EXPECT_EQ(plugin.programs, (std::vector<std::string>{"ollama", "/opt/venv/bin/python3"}));
  EXPECT_EQ(plugin.limits.processes_max, 2);
  EXPECT_EQ(plugin.settings, "{}") << "no setting of the plugin's";
  EXPECT_THAT(print_config(*config), HasSubstr("programs = [\"ollama\", \"/opt/venv/bin/python3\"]"));
  EXPECT_THAT(problem("[plugin.x]\nprograms = ['bin/python3']"),
              HasSubstr("a name without \"/\", or an absolute path"));
  EXPECT_THAT(problem("[plugin.x]\nprograms = ['']"), HasSubstr("or an absolute path"));
}

TEST_F(ConfigTest, ProcessesOfPluginsHaveLimits) {
  const auto config = load("[plugin.x.limits]\nmemory_bytes_max = '64MiB'\nthreads_max = 3\n"
                           "cpu_percent_max = 150\ncpu_seconds_max = 60\n");
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  const PluginConfig::Limits& limits = config->plugin.at("x").limits;
  EXPECT_EQ(limits.memory_bytes_max, 64u << 20);
  EXPECT_EQ(limits.threads_max, 3);
  EXPECT_EQ(limits.cpu_percent_max, 150);
  EXPECT_EQ(limits.cpu_seconds_max, 60);
  EXPECT_EQ(PluginConfig{}.limits.cpu_percent_max, 0);
  for (const char* line : {"threads_max = -1", "cpu_percent_max = -1", "cpu_percent_max = 100001",
                           "cpu_seconds_max = -1", "cpu_seconds_max = '1min'"}) {
    const std::string name{std::string_view{line}.substr(0, std::string_view{line}.find(' '))};
    EXPECT_THAT(problem("[plugin.x.limits]\n" + std::string{line} + "\n"),
                HasSubstr("plugin.x.limits." + name))
        << line;
  }
}

TEST_F(ConfigTest, SecretsAreCollectedByPath) {
  const auto config = load(with_secrets);
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  const auto& secrets = config->plugin.at("cloud").secrets;
  ASSERT_EQ(secrets.size(), 3u);
  EXPECT_EQ(secrets.at("api_secret").kind, SecretSource::Kind::credential);
  EXPECT_EQ(secrets.at("api_secret").name, "cloud_secret");
  EXPECT_EQ(secrets.at("tags.1").kind, SecretSource::Kind::environment);
  EXPECT_EQ(secrets.at("deep.er.token").kind, SecretSource::Kind::file);
}

TEST_F(ConfigTest, BadSecretsAreErrors) {
  EXPECT_THAT(problem("[plugin.x]\nk = { credential = 'a', file = '/b' }"),
              HasSubstr("cofounderd.toml:2: plugin.x.k has more than one source"));
  EXPECT_THAT(problem("[plugin.x]\nk = { env = 5 }"),
              HasSubstr("plugin.x.k.env must be a string that is not empty"));
  EXPECT_THAT(problem("[plugin.x]\nk = { env = '' }"), HasSubstr("not empty"));
  EXPECT_THAT(problem("[plugin.x]\nk = { credential = '../etc/shadow' }"), HasSubstr("without"));
  EXPECT_THAT(problem("[plugin.x]\nk = { file = 'relative' }"), HasSubstr("absolute path"));
}

TEST_F(ConfigTest, SettingsKnowTheirLines) {
  const auto config = load("[plugin.x]\na = 1\n[plugin.x.b]\nc = [1,\n2]\n");
  ASSERT_TRUE(config);
  const PluginConfig& plugin = config->plugin.at("x");
  EXPECT_EQ(where_of(plugin, "a"), file.native() + ":2");
  EXPECT_EQ(where_of(plugin, "b.c"), file.native() + ":4");
  EXPECT_EQ(where_of(plugin, "b.c.1"), file.native() + ":5");
  EXPECT_EQ(where_of(plugin, "b.missing"), file.native() + ":3") << "the table around it";
  EXPECT_EQ(where_of(plugin, "missing"), file.native() + ":1");
}

TEST_F(ConfigTest, PlainSecretsAreFoundByTheManifestsList) {
  const auto config = load(
      "[plugin.x]\napi_secret = 'hunter2'\nname = 'n'\nempty = ''\n"
      "[plugin.x.github]\nclient_secret = 'hunter3'\n");
  ASSERT_TRUE(config);
  PluginConfig plugin = config->plugin.at("x");
  EXPECT_EQ(plain_secret_problem(plugin, {}), std::nullopt);
  EXPECT_EQ(plain_secret_problem(plugin, {"other", "github", "empty", "*.name"}), std::nullopt);

  const auto problem = plain_secret_problem(plugin, {"api_secret"});
  ASSERT_TRUE(problem);
  EXPECT_THAT(*problem, HasSubstr(file.native() + ":2: api_secret is a secret"));
  EXPECT_THAT(*problem, HasSubstr("{ credential = \"NAME\" }"));
  EXPECT_THAT(*problem, Not(HasSubstr("hunter")));
  const auto nested = plain_secret_problem(plugin, {"*.client_secret"});
  ASSERT_TRUE(nested);
  EXPECT_THAT(*nested, HasSubstr(":6: github.client_secret is a secret"));

  take_plain_secrets(plugin, {"api_secret", "*.client_secret"});
  EXPECT_THAT(plugin.settings, Not(HasSubstr("hunter")));
  EXPECT_EQ(read_secret(plugin.secrets.at("api_secret")).value(), "hunter2");
  EXPECT_EQ(read_secret(plugin.secrets.at("github.client_secret")).value(), "hunter3");
  EXPECT_EQ(plain_secret_problem(plugin, {"api_secret", "*.client_secret"}), std::nullopt);
}

TEST_F(ConfigTest, PrintedTomlReadsBackTheSame) {
  const auto config = load(std::string{with_secrets} +
                           "[plugin.\"other\"]\n\"odd name\" = \"\\u007f\\\"\\n\"\n"
                           "list = [{ a = 1, b = [true] }]\nwhole = 3.0\nbig = 1e300\n"
                           "[scheduler.queues]\n\"a b\" = 3\n[control.access]\nsubmit = ['x']\n");
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  const std::string printed = print_config(*config);

  const auto again = load(printed);

  ASSERT_TRUE(again) << testing::PrintToString(errors.lines) << printed;
  EXPECT_EQ(print_config(*again), printed);
  EXPECT_EQ(config_json(*again), config_json(*config));
  EXPECT_EQ(again->plugin.at("other").settings, config->plugin.at("other").settings);
  EXPECT_EQ(again->plugin.at("cloud").secrets.at("deep.er.token").name, "/etc/token");
}

TEST_F(ConfigTest, PrintingShowsNoSecret) {
  auto config = load(
      "[plugin.x]\napi_key = 'hunter1'\nAuthToken = 'hunter2'\nurl = 'https://a'\n"
      "list_of_tokens = ['hunter3']\ndeclared = 'hunter4'\n[plugin.x.n]\npassword = 'hunter5'\n");
  ASSERT_TRUE(config);
  take_plain_secrets(config->plugin.at("x"), {"declared"});
  for (const std::string& text : {print_config(*config), config_json(*config)}) {
    EXPECT_THAT(text, Not(HasSubstr("hunter")));
    EXPECT_THAT(text, HasSubstr("***"));
    EXPECT_THAT(text, HasSubstr("https://a"));
  }
}

TEST_F(ConfigTest, JsonHasTheSectionsOfTheFile) {
  const auto config = load(with_secrets);
  ASSERT_TRUE(config);
  const auto document = json::parse(config_json(*config));
  ASSERT_TRUE(document) << config_json(*config);
  const json::View root = document->root();
  EXPECT_EQ(root.at_pointer("/scheduler/running_max").as_integer(), 256);
  EXPECT_EQ(root.at_pointer("/scheduler/task_timeout").as_string(), "15min");
  EXPECT_TRUE(root.at_pointer("/scheduler/queues").is_object());
  EXPECT_EQ(root.at_pointer("/control/access/admin/0").as_string(), "root");
  EXPECT_EQ(root.at_pointer("/plugin/cloud/deadlines/start").as_string(), "7s");
  EXPECT_EQ(root.at_pointer("/plugin/cloud/api_secret/credential").as_string(), "cloud_secret");
  EXPECT_EQ(root.at_pointer("/plugin/cloud/tags/1/env").as_string(), "TAG");
}

}  // namespace
}  // namespace cofounder
