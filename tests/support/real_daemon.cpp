// SPDX-License-Identifier: Apache-2.0
#include "tests/support/real_daemon.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace cofounder::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

bool wait_until(const std::function<bool()>& is_true, std::chrono::milliseconds most) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (!is_true()) {
    if (std::chrono::steady_clock::now() >= end) return is_true();
    ::poll(nullptr, 0, 2);
  }
  return true;
}

std::string read_file(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& file, std::string_view text) {
  std::ofstream out{file, std::ios::binary | std::ios::trunc};
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!out.flush()) throw std::runtime_error{"cannot write " + file.string()};
}

// ---- TempFolder ---------------------------------------------------------------------------

TempFolder::TempFolder() {
  std::string name = (fs::temp_directory_path() / "cofounder.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
  path_ = name;
  fs::permissions(path_, fs::perms{0755});
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

// ---- Child --------------------------------------------------------------------------------

Child::Child(const Options& options) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);
  std::vector<char*> words, variables;
  for (const std::string& word : options.words) words.push_back(const_cast<char*>(word.c_str()));
  for (std::string& entry : environment) variables.push_back(entry.data());
  words.push_back(nullptr);
  variables.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error{"cannot fork"};
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  const int nothing = ::open("/dev/null", O_RDWR);
  const int output = options.output < 0 ? nothing : options.output;
  ::dup2(nothing, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  ::execve(words[0], words.data(), variables.data());
  ::_exit(127);
}

Child::~Child() {
  if (code_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Child::signal(int number) const {
  if (!code_) ::kill(pid_, number);
}

bool Child::runs() {
  if (code_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

std::optional<int> Child::wait(std::chrono::milliseconds most) {
  if (wait_until([this] { return !runs(); }, most)) return code_;
  ::kill(pid_, SIGKILL);
  wait_until([this] { return !runs(); });
  return std::nullopt;
}

// ---- RealDaemon ---------------------------------------------------------------------------

RealDaemon::RealDaemon(const std::vector<std::string>& plugins)
    : programs_{COFOUNDER_BINARY_DIR "/bin"} {
  for (const char* name : {"state", "scratch", "plugins", "shipped", "files", "conf.d"}) {
    fs::create_directory(folder() / name);
  }
  for (const std::string& file : plugins) add_plugin(file);
  const std::string at = folder().string();
  // The default is for plugins outside the first folder.
  const char* const asked = std::getenv("COFOUNDER_TEST_ISOLATION");
  const std::string isolation = asked == nullptr || *asked == '\0' ? "in-process" : asked;
  write_file(config(), "[paths]\nstate = \"" + at + "/state\"\nscratch = \"" + at +
                           "/scratch\"\n[control]\nsocket = \"" + socket().string() +
                           "\"\ngroup = \"\"\n[control.access]\nadmin = [\"" +
                           (::getuid() == 0 ? "root" : std::getenv("USER")) +
                           "\"]\noperate = []\n[files]\nread = [\"" + at +
                           "/files\"]\n[plugins]\ndirectories = [\"" + at +
                           "/shipped\", \"" + at + "/plugins\"]\nisolation = \"" + isolation +
                           "\"\n[log]\ntarget = \"stderr\"\n");
}

void RealDaemon::add_plugin(const std::string& file) {
  const fs::path from = fs::path{COFOUNDER_BINARY_DIR} / file;
  fs::copy_file(from, plugins() / from.filename(), fs::copy_options::overwrite_existing);
}

void RealDaemon::configure(std::string_view toml) const {
  write_file(folder() / "conf.d/test.toml", toml);
}

void RealDaemon::set_environment(std::string name, std::string value) {
  environment_.emplace_back(std::move(name), std::move(value));
}

bool RealDaemon::isolates() {
  const char* const asked = std::getenv("COFOUNDER_TEST_ISOLATION");
  return asked != nullptr && std::string_view{asked} == "process";
}

void RealDaemon::drop_root() {
  if (::geteuid() != 0) return;
  constexpr uid_t nobody = 65'534;
  const fs::path own = folder() / "bin";
  fs::create_directory(own);
  for (const char* name : {"cofounderd", "cofounderd-plugin-host", "cofounderd-reaper"}) {
    std::error_code error;  // on another disk, where it has to be copied
    fs::create_hard_link(programs_ / name, own / name, error);
    if (error) fs::copy_file(programs_ / name, own / name);
  }
  programs_ = own;
  for (const fs::path& part : {folder(), folder() / "state", folder() / "scratch"}) {
    if (::chown(part.c_str(), nobody, nobody) != 0) throw std::runtime_error{"cannot chown"};
  }
  const std::string id = std::to_string(nobody);
  wrapper_ = {"/usr/bin/setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups",
              "--pdeathsig=KILL", "--"};
}

void RealDaemon::spawn(std::vector<std::string> more_words) {
  Child::Options options;
  options.words = wrapper_;
  for (const std::string& word :
       {(programs_ / "cofounderd").string(), std::string{"--config"}, config().string()}) {
    options.words.push_back(word);
  }
  options.words.insert(options.words.end(), more_words.begin(), more_words.end());
  options.environment = environment_;
  const int log =
      ::open((folder() / "daemon.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  options.output = output_ >= 0 ? output_ : log;
  child_.emplace(options);
  ::close(log);
}

bool RealDaemon::wait_ready(std::chrono::milliseconds most) {
  bool healthy = false;
  wait_until(
      [&] {
        healthy = get("/v1/health").status == 200;
        return healthy || !child_->runs();
      },
      most);
  return healthy;
}

bool RealDaemon::start(std::vector<std::string> more_words) {
  log_before_ = log().size();
  spawn(std::move(more_words));
  return wait_ready();
}

// The log is written by a thread of its own: it may come after the daemon answers.
int RealDaemon::http_port() const {
  static constexpr std::string_view words{"(port "};
  std::size_t at = std::string::npos;
  wait_until([&] {
    at = log().find(words, log_before_);
    return at != std::string::npos;
  });
  return at == std::string::npos ? 0 : std::atoi(log().c_str() + at + words.size());
}

RealDaemon::Ended RealDaemon::run(std::vector<std::string> more_words) {
  const std::size_t before = log().size();
  spawn(std::move(more_words));
  Ended ended;
  ended.code = child_->wait(30s);
  ended.output = log().substr(before);
  return ended;
}

void RealDaemon::kill() {
  child_->signal(SIGKILL);
  child_->wait();
}

std::optional<int> RealDaemon::stop() {
  child_->signal(SIGTERM);
  return child_->wait();
}

ctl::Answer RealDaemon::call(const std::string& method, const std::string& target,
                             const std::string& body) const {
  ctl::Request request;
  request.method = method;
  request.target = target;
  request.body = body;
  auto answer = http().call(request);
  if (answer) return std::move(*answer);
  ctl::Answer none;
  none.body = answer.error().message;
  return none;
}

std::string RealDaemon::submit(const std::string& task) const {
  const ctl::Answer answer = call("POST", "/v1/tasks", task);
  if (!answer.is_success()) return {};
  return parse(answer.body).root().string_or("id", "");
}

std::vector<std::string> RealDaemon::submit_many(const std::string& task, int count) const {
  std::vector<std::string> ids;
  while (count > 0) {
    const int now = std::min(count, 1000);
    std::string body = "[";
    for (int i = 0; i < now; ++i) body += (i == 0 ? "" : ",") + task;
    const json::Document tasks = parse(call("POST", "/v1/tasks", body + "]").body);
    for (std::size_t i = 0; i < tasks.root().size(); ++i) {
      ids.push_back(tasks.root().at(i).string_or("id", ""));
    }
    count -= now;
  }
  return ids;
}

json::Document RealDaemon::show(const std::string& id) const {
  return parse(get("/v1/tasks/" + id).body);
}

std::string RealDaemon::state_of(const std::string& id) const {
  return show(id).root().string_or("state", "");
}

bool RealDaemon::wait_for_state(const std::string& id, std::string_view state,
                                std::chrono::milliseconds most) const {
  return wait_until([&] { return state_of(id) == state; }, most);
}

std::int64_t RealDaemon::count(const std::vector<std::string>& states) const {
  const json::Document status = parse(get("/v1/status").body);
  const json::View tasks = status.root().find("tasks");
  if (!tasks.is_object()) return -1;
  std::int64_t sum = 0;
  for (const std::string& state : states) sum += tasks.integer_or(state, 0);
  return sum;
}

std::vector<RealDaemon::Row> RealDaemon::list(const std::string& query) const {
  std::vector<Row> rows;
  std::string after;
  for (;;) {
    const std::string target = "/v1/tasks?limit=1000" + (query.empty() ? "" : "&" + query) +
                               (after.empty() ? "" : "&after=" + ctl::encode(after));
    const json::Document page = parse(get(target).body);
    const json::View tasks = page.root().find("tasks");
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const json::View task = tasks.at(i);
      rows.push_back({task.string_or("id", ""), task.string_or("state", ""),
                      task.string_or("op", ""), task.integer_or("attempt", 0)});
    }
    after = page.root().string_or("next", "");
    if (after.empty()) return rows;
  }
}

std::int64_t RealDaemon::rss_kib() const {
  std::ifstream status{"/proc/" + std::to_string(child_->pid()) + "/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtoll(line.c_str() + 6, nullptr, 10);
  }
  return -1;
}

int RealDaemon::descriptors() const {
  DIR* folder = ::opendir(("/proc/" + std::to_string(child_->pid()) + "/fd").c_str());
  if (folder == nullptr) return -1;
  int count = 0;
  while (const dirent* entry = ::readdir(folder)) count += entry->d_name[0] != '.';
  ::closedir(folder);
  return count;
}

json::Document parse(const std::string& text) {
  auto document = json::parse(text);
  return document ? std::move(*document) : json::Document{};
}

std::string error_code(const ctl::Answer& answer) {
  return parse(answer.body).root().find("error").string_or("code", "");
}

}  // namespace cofounder::test
