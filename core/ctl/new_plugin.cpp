// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/new_plugin.hpp"

#include "core/base/text.hpp"
#include "core/ctl/table.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>

namespace cofounder::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t files_max = 100;

// The SDK's template: beside the program's prefix when it is installed, else in the source tree.
fs::path template_folder(const Given& given) {
  if (given.has("template")) return given.one("template");
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed = program.parent_path().parent_path() / "share/cofounder-sdk/template";
  if (fs::is_directory(installed, error)) return installed;
  return COFOUNDER_TEMPLATE_FOLDER;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

void copy_file(const fs::path& from, const fs::path& to, const std::string& id) {
  std::ifstream in{from, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  std::ofstream out{to, std::ios::binary};
  replace_all(text, "@NAME@", id);
  out << text;
  out.close();
  if (!in || !out) fail(exit_code::failed, "io_error", to.native() + " cannot be written");
  fs::permissions(to, fs::status(from, error).permissions(), error);
}

}  // namespace

int new_plugin(Session& session, const Given& given) {
  const std::string id = given.one("NAME");
  if (!is_plugin_id(id)) {
    fail(exit_code::usage, "usage", "\"" + id + "\" is no plugin id",
         "a small letter, then up to 31 small letters, digits and dashes");
  }
  const fs::path from = template_folder(given);
  const fs::path to = given.one("directory", id);
  std::error_code error;
  if (!fs::is_directory(from, error)) {
    fail(exit_code::not_found, "not_found", "there is no template at " + from.native(),
         "install the SDK, or name one with --template");
  }
  if (fs::exists(to, error)) {
    fail(exit_code::failed, "exists", to.native() + " exists already", "name another --directory");
  }
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator it{from, error}, end; !error && it != end;
       it.increment(error)) {
    if (it->is_regular_file(error)) files.push_back(it->path());
    if (files.size() > files_max) fail(exit_code::failed, "too_large", "the template is too large");
  }
  if (error || files.empty())
    fail(exit_code::failed, "io_error", from.native() + " is no template");
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::string name = file.lexically_relative(from).native();
    replace_all(name, "NAME", id);
    const fs::path target = to / name;
    copy_file(file, target, id);
    session.out << printable(target.native()) << '\n';
  }
  return exit_code::ok;
}

}  // namespace cofounder::ctl
