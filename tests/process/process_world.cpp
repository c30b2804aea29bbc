// SPDX-License-Identifier: Apache-2.0
#include "tests/process/process_world.hpp"

#include "core/process/crash_report.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <fstream>
#include <set>
#include <stdexcept>

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t nobody = 65'534;

// Where the programs' libraries lie that are not in the usual folders (another toolchain's).
std::set<std::string> library_folders() {
  std::set<std::string> folders;
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    const auto slash = line.find('/');
    if (slash != std::string::npos && line.find(".so") != std::string::npos) {
      folders.insert(fs::path{line.substr(slash)}.parent_path());
    }
  }
  return folders;
}

}  // namespace

ProcessWorld::ProcessWorld(bool with_launcher) {
  std::string name = (fs::temp_directory_path() / "cofounder-process-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
  folder_ = name;
  fs::permissions(folder_, fs::perms{0755});
  fs::copy_file(COFOUNDER_BINARY_DIR "/bin/sandbox_probe", folder_ / "sandbox_probe");
  fs::permissions(folder_ / "sandbox_probe", fs::perms{0755});
  fs::create_directory(scratch());
  std::ofstream{folder_ / "secret"} << "secret";
  fs::permissions(folder_ / "secret", fs::perms{0666});  // only the sandbox is in the way
  if (::geteuid() == 0 && ::chown(scratch().c_str(), nobody, nobody) != 0) {
    throw std::runtime_error{"chown"};
  }
  if (with_launcher) launcher.emplace(loop, loop.clock());
}

ProcessWorld::~ProcessWorld() {
  launcher.reset();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

bool ProcessWorld::run_until(const std::function<bool()>& done) {
  bool late = false;
  const TimerId deadline =
      loop.clock().call_after(std::chrono::seconds{30}, [&] { late = true; });
  while (!done() && !late) loop.context().run_one();
  loop.clock().cancel(deadline);
  return done();
}

SandboxRules ProcessWorld::rules(const std::string& library) const {
  SandboxNeeds needs;
  needs.interfaces = {"cof.scratch/1"};
  needs.library = library;
  needs.scratch = {scratch()};
  SandboxRules rules = make_sandbox_rules(needs);
  for (const auto& extra : library_folders()) rules.read_execute.push_back(extra);
  return rules;
}

ChildSpec ProcessWorld::probe(const std::string& act, const std::string& argument) const {
  ChildSpec spec;
  spec.program = program();
  spec.arguments = {"sandbox_probe", act};
  const SandboxRules allowed = rules(argument);
  if (act != "read_argument") {
    for (const auto& path : allowed.read_execute) spec.arguments.push_back("r:" + path);
  }
  for (const auto& path : allowed.read_write) spec.arguments.push_back("w:" + path);
  spec.arguments.push_back("x:" + argument);
  if (::geteuid() == 0) spec.user = ChildSpec::User{nobody, nobody};
  return spec;
}

void ProcessWorld::add_answer(ChildSpec& spec, Descriptor& answer) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  answer.reset(ends[0]);
  spec.descriptors.push_back({Descriptor{ends[1]}, 3});
}

Result<Child> ProcessWorld::start(ChildSpec spec) {
  std::optional<Result<Child>> started;
  launcher->start(std::move(spec), [&](Result<Child> child) { started = std::move(child); });
  if (!run_until([&] { return started.has_value(); })) return make_error("late", "not started");
  return std::move(*started);
}

ChildExit ProcessWorld::wait(Child& child) {
  std::optional<ChildExit> ended;
  child.on_exit([&](const ChildExit& exit) { ended = exit; });
  EXPECT_TRUE(run_until([&] { return ended.has_value(); })) << "it did not end";
  return ended.value_or(ChildExit{});
}

ProbeResult ProcessWorld::run(ChildSpec spec, bool with_crash_report) {
  ProbeResult result;
  Descriptor answer;
  add_answer(spec, answer);
  Descriptor report;
  if (with_crash_report) {
    report.reset(::memfd_create("crash", MFD_CLOEXEC));
    spec.descriptors.push_back({Descriptor{::dup(report.get())}, 5});
  }
  auto child = start(std::move(spec));
  if (child.has_error()) {
    ADD_FAILURE() << child.error().message;
    return result;
  }
  result.exit = wait(*child);
  result.answer = read_all(answer.get());
  if (with_crash_report) {
    const auto read = read_crash_report(report.get());
    if (read) result.crash = to_text(*read);
  }
  return result;
}

std::string read_all(int descriptor) {
  std::string text;
  char block[4096];
  for (;;) {
    const ssize_t got = ::read(descriptor, block, sizeof block);
    if (got <= 0) return text;
    text.append(block, static_cast<std::size_t>(got));
  }
}

bool has_address_sanitizer() noexcept {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return true;
#else
  return false;
#endif
#else
  return false;
#endif
}

bool has_any_sanitizer() noexcept {
#if defined(__SANITIZE_THREAD__)
  return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return true;
#else
  return has_address_sanitizer();
#endif
#else
  return has_address_sanitizer();
#endif
}

}  // namespace cofounder::test
