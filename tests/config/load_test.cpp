// SPDX-License-Identifier: Apache-2.0
#include "tests/config/config_fixture.hpp"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace cofounder {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ConfigTest, AnEmptyFileGivesTheDefaults) {
  const auto config = load("");
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  EXPECT_EQ(print_config(*config), print_config(Config{}));
}

TEST_F(ConfigTest, ReadsEveryKindOfValue) {
  const auto config = load(R"(
allow_plain_secrets = true
stop_timeout = "1min30s"
[paths]
state = "/tmp/state"
[files]
read = ["/srv/a", "/srv/b"]
file_bytes_max = 1000
upload_bytes_max = "64MiB"
[scheduler]
running_max = 7
[scheduler.queues]
slow = 1
"with space" = 0
[scheduler.cluster_queues]
slow = 4
[control.access]
read = ["alice", "@staff"]
[http]
listen = ["127.0.0.1:8470", "[::1]:0", "localhost:80"]
)");
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  EXPECT_TRUE(config->allow_plain_secrets);
  EXPECT_EQ(config->stop_timeout, 90s);
  EXPECT_EQ(config->paths.state, "/tmp/state");
  EXPECT_THAT(config->files.read, ElementsAre("/srv/a", "/srv/b"));
  EXPECT_EQ(config->files.file_bytes_max, 1000u);
  EXPECT_EQ(config->files.upload_bytes_max, 64u << 20);
  EXPECT_EQ(config->scheduler.running_max, 7);
  EXPECT_EQ(config->scheduler.cluster_queues, (std::map<std::string, int>{{"slow", 4}}));
  EXPECT_EQ(config->scheduler.queues, (std::map<std::string, int>{{"slow", 1}, {"with space", 0}}));
  EXPECT_THAT(config->control.access.at(Access::read), ElementsAre("alice", "@staff"));
  EXPECT_THAT(config->control.access.at(Access::admin), ElementsAre("root")) << "keeps its default";
  EXPECT_EQ(config->http.listen.size(), 3u);
}

TEST_F(ConfigTest, DropInsOverrideInNameOrderKeyByKey) {
  write(folder / "conf.d/20-b.toml", "[scheduler]\nrunning_max = 30\n[plugin.x]\nname = 'b'\n");
  write(folder / "conf.d/10-a.toml",
        "[scheduler]\nrunning_max = 20\nattempts_max = 2\n[plugin.x.limits]\nthreads = 9\n");
  write(folder / "conf.d/30-ignored.toml.bak", "this is no toml");
  write(folder / "conf.d/.hidden.toml", "nor is this");
  const auto config = load(
      "[scheduler]\nrunning_max = 10\nattempts_max = 1\nretention = '1d'\n"
      "[plugin.x]\nname = 'a'\nkeep = 1\n[plugin.x.limits]\ncalls_max = 8\n");
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  EXPECT_EQ(config->scheduler.running_max, 30);
  EXPECT_EQ(config->scheduler.attempts_max, 2);
  EXPECT_EQ(config->scheduler.retention, 24h);
  EXPECT_EQ(config->plugin.at("x").settings, R"({"keep":1,"name":"b"})");
  EXPECT_EQ(config->plugin.at("x").limits.threads, 9);
  EXPECT_EQ(config->plugin.at("x").limits.calls_max, 8);
}

TEST_F(ConfigTest, ASecretOfADropInReplacesTheFirstOne) {
  write(folder / "conf.d/a.toml", "[plugin.x]\nkey = { env = 'KEY' }\n");
  const auto config = load("[plugin.x]\nkey = { credential = 'key' }\n");
  ASSERT_TRUE(config) << testing::PrintToString(errors.lines);
  const SecretSource& source = config->plugin.at("x").secrets.at("key");
  EXPECT_EQ(source.kind, SecretSource::Kind::environment);
  EXPECT_EQ(source.name, "KEY");
}

TEST_F(ConfigTest, NamesUnknownKeysWithLineAndSuggestion) {
  EXPECT_EQ(problem("[scheduler]\n\nruning_max = 1\n"),
            "cofounderd.toml:3: unknown key scheduler.runing_max; "
            "did you mean scheduler.running_max?");
  EXPECT_EQ(problem("[shceduler]\nrunning_max = 1\n"),
            "cofounderd.toml:1: unknown key shceduler; did you mean scheduler?");
  EXPECT_EQ(problem("running_max = 1\n"),
            "cofounderd.toml:1: unknown key running_max; did you mean scheduler.running_max?");
  EXPECT_EQ(problem("[paths]\nxyzzy = 1\n"), "cofounderd.toml:2: unknown key paths.xyzzy");
  EXPECT_EQ(problem("[control.acess]\nread = []\n"),
            "cofounderd.toml:1: unknown key control.acess; did you mean control.access?");
  EXPECT_EQ(problem("[control.access]\nroot = []\n"),
            "cofounderd.toml:2: unknown key control.access.root; "
            "the classes are read, submit, operate and admin");
  EXPECT_EQ(problem("[plugins.hello]\n"), "cofounderd.toml:1: unknown key plugins.hello");
  EXPECT_EQ(problem("[plugin.x.limits]\ncall_max = 1\n"),
            "cofounderd.toml:2: unknown key plugin.x.limits.call_max; did you mean calls_max?");
}

TEST_F(ConfigTest, NamesWrongTypes) {
  EXPECT_EQ(problem("[scheduler]\nrunning_max = 'many'\n"),
            "cofounderd.toml:2: scheduler.running_max must be a whole number from 1 to 1000000, "
            "not a string");
  EXPECT_EQ(problem("scheduler = 3\n"),
            "cofounderd.toml:1: scheduler must be a table, not a whole number");
  EXPECT_EQ(problem("[paths]\nstate = true\n"),
            "cofounderd.toml:2: paths.state must be an absolute path, not true or false");
  EXPECT_EQ(problem("[files]\nread = '/srv'\n"),
            "cofounderd.toml:2: files.read must be a list of strings, not a string");
  EXPECT_EQ(problem("[files]\nread = ['/srv', 5]\n"),
            "cofounderd.toml:2: files.read[1] must be an absolute path, not a whole number");
  EXPECT_EQ(problem("[plugins]\nload_unconfigured = 'yes'\n"),
            "cofounderd.toml:2: plugins.load_unconfigured must be true or false, not a string");
  EXPECT_EQ(problem("plugin = []\n"), "cofounderd.toml:1: plugin must be a table, not a list");
  EXPECT_EQ(problem("[plugin]\nx = 1979-05-27\n"),
            "cofounderd.toml:2: plugin.x must be a table, not a date or time");
  EXPECT_EQ(problem("[scheduler]\nqueues = 1.5\n"),
            "cofounderd.toml:2: scheduler.queues must be a table, not a number with a fraction");
  EXPECT_EQ(problem("[plugin.x]\nlimits = 1\n"),
            "cofounderd.toml:2: plugin.x.limits must be a table, not a whole number");
}

TEST_F(ConfigTest, NamesBadValues) {
  const std::string duration =
      " must be a duration such as \"250ms\", \"30s\", \"15min\" or \"24h\"";
  EXPECT_EQ(problem("stop_timeout = '30'\n"), "cofounderd.toml:1: stop_timeout" + duration);
  EXPECT_EQ(problem("stop_timeout = 30\n"),
            "cofounderd.toml:1: stop_timeout" + duration + ", not a whole number");
  EXPECT_EQ(problem("stop_timeout = '0s'\n"),
            "cofounderd.toml:1: stop_timeout must be from 100ms to 1d");
  const std::string size = " must be a number of bytes or a size such as \"64MiB\"";
  for (const char* bad : {"'64MB'", "'MiB'", "''", "'-1B'", "'99999999999TiB'", "-1", "'1.5GiB'"}) {
    EXPECT_EQ(problem("[files]\nfile_bytes_max = " + std::string{bad}),
              "cofounderd.toml:2: files.file_bytes_max" + size)
        << bad;
  }
  EXPECT_EQ(problem("[control]\nbody_bytes_max = 10"),
            "cofounderd.toml:2: control.body_bytes_max must be at least 1KiB");
  EXPECT_EQ(problem("[scheduler]\nrunning_max = 0"),
            "cofounderd.toml:2: scheduler.running_max must be a whole number from 1 to 1000000, "
            "not 0");
  EXPECT_EQ(problem("[store]\nkind = 'mysql'"),
            "cofounderd.toml:2: store.kind must be \"sqlite\" or \"postgres\"");
  for (const char* bad : {"'0990'", "'rw'", "'06660'", "''", "'1660'"}) {
    EXPECT_THAT(problem("[control]\nmode = " + std::string{bad}), HasSubstr("an octal mode"))
        << bad;
  }
  for (const char* bad : {"'8470'", "':80'", "'::1:80'", "'a:'", "'a:70000'", "'[]:1'"}) {
    EXPECT_THAT(problem("[http]\nlisten = [" + std::string{bad} + "]"),
                HasSubstr("http.listen[0] must be an address and port"))
        << bad;
  }
  EXPECT_THAT(problem("[http]\npublic_url = 'example.org'"), HasSubstr("https://"));
  EXPECT_THAT(problem("[paths]\nstate = 'var'"), HasSubstr("absolute path"));
  EXPECT_THAT(problem("[paths]\nstate = \"/a\\u0000b\""), HasSubstr("absolute path"));
  EXPECT_THAT(problem("[control]\nsocket = '/" + std::string(107, 's') + "'"),
              HasSubstr("at most 107 bytes"));
  EXPECT_THAT(problem("[scheduler]\nretry_first = '1h'"), HasSubstr("longer than"));
  EXPECT_THAT(problem("[plugin.Hello]\n"), HasSubstr("\"Hello\" is no plugin id"));
  EXPECT_THAT(problem("[plugin.x]\non_start_error = 'panic'"),
              HasSubstr("\"fail\", \"retry\" or \"ignore\""));
  EXPECT_THAT(problem("[scheduler.queues]\n'' = 1"), HasSubstr("1 to 64 bytes"));
  EXPECT_THAT(problem("[control.access]\nread = ['@']"), HasSubstr("the name of a user"));
}

TEST_F(ConfigTest, RefusesAPasswordInTheConnectionStringWithoutShowingIt) {
  for (const char* dsn : {"host=a password=hunter2", "host=a password = hunter2",
                          "postgresql://me:hunter2@host/db", "postgresql://me:hunter2@host"}) {
    const std::string text =
        problem("[store]\nkind = 'postgres'\ndsn = '" + std::string{dsn} + "'");
    EXPECT_THAT(text, HasSubstr("store.dsn must be a connection string without a password"));
    EXPECT_THAT(text, testing::Not(HasSubstr("hunter2")));
  }
  EXPECT_TRUE(load("[store]\nkind = 'postgres'\ndsn = 'postgresql://me@host:5432/db'"));
  EXPECT_TRUE(load("[store]\nkind = 'postgres'\ndsn = 'host=/run/postgresql passfile=/x'"));
  EXPECT_THAT(problem("[store]\nkind = 'postgres'"), HasSubstr("needs store.dsn"));
}

TEST_F(ConfigTest, ReportsAllErrorsOfAllFiles) {
  write(folder / "conf.d/a.toml", "[log]\nlevel = 'loud'\nlevell = 1\n");
  write(folder / "conf.d/b.toml", "[broken\n");
  EXPECT_FALSE(load("[scheduler]\nrunning_max = 'x'\nattempts_max = 0\n"));
  ASSERT_EQ(errors.lines.size(), 5u) << testing::PrintToString(errors.lines);
  EXPECT_THAT(errors.lines, Contains(HasSubstr("conf.d/b.toml:1: ")));
  EXPECT_THAT(errors.lines, Contains(HasSubstr("conf.d/a.toml:2: log.level must be")));
  EXPECT_THAT(errors.lines, Contains(HasSubstr("conf.d/a.toml:3: unknown key log.levell")));
  EXPECT_THAT(errors.lines, Contains(HasSubstr("cofounderd.toml:2: scheduler.running_max")));
  EXPECT_THAT(errors.lines, Contains(HasSubstr("cofounderd.toml:3: scheduler.attempts_max")));
}

TEST_F(ConfigTest, SaysWhyAFileCannotBeRead) {
  EXPECT_FALSE(reload());
  EXPECT_THAT(errors.lines, ElementsAre(HasSubstr("cofounderd.toml: no such file")));

  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_FALSE(reload()) << "a FIFO must not be waited for";
  EXPECT_THAT(errors.lines, ElementsAre(HasSubstr("not a regular file")));
  std::filesystem::remove(file);

  EXPECT_THAT(problem("#" + std::string(1u << 20, 'x')), HasSubstr("larger than 1048576 bytes"));
  EXPECT_THAT(problem("a = 1\na = 2\n"), HasSubstr("cofounderd.toml:2: "));
  EXPECT_THAT(problem("a = '\xff'\n"), HasSubstr("cofounderd.toml:1: "));
}

TEST_F(ConfigTest, DeepNestingIsAnError) {
  std::string deep = "[plugin.x]\na = ";
  for (int i = 0; i < 40; ++i) deep += "{ a = ";
  deep += "1";
  for (int i = 0; i < 40; ++i) deep += " }";
  EXPECT_THAT(problem(deep), HasSubstr("is nested too deeply"));
  EXPECT_THAT(problem("a = " + std::string(100'000, '[')), HasSubstr("cofounderd.toml:1: "));
}

TEST_F(ConfigTest, MissingGroupsAndUsersAreWarnings) {
  EXPECT_TRUE(
      load("[control]\ngroup = 'no-such-group'\n[control.access]\noperate = "
           "['@no-such-group']\nread = ['no-such-user']\n"));
  EXPECT_THAT(errors.warnings,
              ElementsAre(HasSubstr("control.group: there is no group \"no-such-group\""),
                          HasSubstr("control.access.read: there is no user \"no-such-user\""),
                          HasSubstr("control.access.operate: there is no group")));
  EXPECT_TRUE(load("[control]\ngroup = 'root'\n[control.access]\noperate = ['@root', 'root']\n"));
  EXPECT_THAT(errors.warnings, IsEmpty());
}

// Options stand commented as "#key = value", explanations begin with "# ".
TEST_F(ConfigTest, TheShippedFileListsEveryOptionWithItsDefault) {
  std::ifstream shipped{std::string{COFOUNDER_SOURCE_DIR} + "/etc/cofounderd.toml"};
  ASSERT_TRUE(shipped);
  std::string as_it_is;
  std::string uncommented;
  for (std::string line; std::getline(shipped, line);) {
    as_it_is += line + "\n";
    const bool is_option = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    uncommented += (is_option ? line.substr(1) : line) + "\n";
    EXPECT_LE(line.size(), 100u) << line;
  }
  const auto plain = load(as_it_is);
  ASSERT_TRUE(plain) << testing::PrintToString(errors.lines);
  EXPECT_EQ(print_config(*plain), print_config(Config{}));

  const auto full = load(uncommented);
  ASSERT_TRUE(full) << testing::PrintToString(errors.lines);
  Config expected;
  expected.plugin["hello"];
  EXPECT_EQ(print_config(*full), print_config(expected)) << "a default differs";

  // Every line that print_config writes has its key in the file.
  std::istringstream printed{print_config(expected)};
  std::string section;
  for (std::string line; std::getline(printed, line);) {
    if (line.empty()) continue;
    const std::string wanted = line[0] == '[' ? line : line.substr(0, line.find(" =") + 2);
    EXPECT_THAT(uncommented, HasSubstr("\n" + wanted)) << "is not in the shipped file";
  }
}

// "key = value" of print_config as the manual page has it: ".It Cm key No = Qq value", or Qo value
// Qc when more follows; as a regular expression.
std::string manual_entry(const std::string& line) {
  const std::string key = line.substr(0, line.find(" = "));
  const std::string value = line.substr(line.find(" = ") + 3);
  if (value.starts_with("[\"")) return "Cm " + key + " No = Bq Q";
  if (value == "[]") return "Cm " + key + " No = \\[\\]";
  if (value == "\"\"") return "Cm " + key + " No = Qq \\\\&";
  if (value.starts_with('"')) {
    return "Cm " + key + " No = Q[oq] " + value.substr(1, value.size() - 2);
  }
  return "Cm " + key + " No = " + value;
}

TEST_F(ConfigTest, TheManualPageNamesEveryOptionWithItsDefault) {
  std::ifstream manual{std::string{COFOUNDER_SOURCE_DIR} + "/docs/man/cofounderd.toml.5"};
  std::ostringstream page;
  page << manual.rdbuf();
  Config config;
  config.plugin["ID"];
  std::istringstream printed{print_config(config)};
  std::string section = page.str();
  int options = 0;
  for (std::string line; std::getline(printed, line);) {
    if (line.empty()) continue;
    if (line[0] != '[') {
      ++options;
      EXPECT_THAT(section, testing::ContainsRegex(manual_entry(line)));
    } else if (!line.starts_with("[scheduler.")) {  // an entry of [scheduler] in the page
      const auto start = page.str().find("\n.Ss " + line + "\n");
      ASSERT_NE(start, std::string::npos) << line;
      section = page.str().substr(start, page.str().find("\n.Ss ", start + 1) - start);
    }
  }
  EXPECT_GT(options, 50);
}

}  // namespace
}  // namespace cofounder
