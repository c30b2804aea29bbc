// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/inspect.hpp"

#include "core/ctl/table.hpp"
#include "core/host/manifest.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>
#include <system_error>

namespace cofounder::ctl {
namespace {

std::string note_of(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    fail(errno == ENOENT ? exit_code::not_found : exit_code::failed, "unreadable",
         file + " cannot be read: " + std::generic_category().message(errno));
  }
  Result<std::string> note = read_manifest_note(descriptor);
  ::close(descriptor);
  if (!note) throw Failure{exit_code::failed, note.error(), {}};
  return std::move(*note);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text.empty() ? "-" : printable(text);
}

void print_manifest(std::ostream& out, const Manifest& manifest) {
  out << "id           " << printable(manifest.id) << '\n'
      << "version      " << printable(manifest.version) << '\n'
      << "summary      " << printable(manifest.summary) << '\n'
      << "abi          " << manifest.abi_major << "." << manifest.abi_minor << '\n'
      << "threads      " << (manifest.parallel ? "parallel" : "serial") << '\n'
      << "interfaces   " << joined(manifest.required) << '\n'
      << "  optional   " << joined(manifest.optional) << '\n'
      << "requires     " << joined(manifest.requires_plugins) << '\n'
      << "hosts        " << joined(manifest.permissions.http) << '\n'
      << "secrets      " << joined(manifest.permissions.secrets) << '\n'
      << "programs     " << joined(manifest.permissions.programs) << '\n'
      << "foreign ops  " << joined(manifest.permissions.tasks) << '\n';
  if (!manifest.operations.empty()) {
    out << "\noperations:\n";
    Table table{{"OP", "SUMMARY"}};
    for (const auto& operation : manifest.operations) {
      table.add({printable(manifest.id + "." + operation.name), printable(operation.summary)});
    }
    table.print(out);
  }
  if (!manifest.routes.empty()) {
    out << "\nroutes:\n";
    Table table{{"METHOD", "PATH", "ACCESS", "SUMMARY"}};
    for (const auto& route : manifest.routes) {
      table.add({printable(route.method), printable(route.path), printable(route.access),
                 printable(route.summary)});
    }
    table.print(out);
  }
  const auto config = json::parse(manifest.config_json);
  const json::View settings = config ? config->root().find("properties") : json::View{};
  if (settings.size() > 0) {
    out << "\nsettings:\n";
    Table table{{"NAME", "TYPE", "DEFAULT", "DESCRIPTION"}};
    for (std::size_t i = 0; i < settings.size(); ++i) {
      const json::View schema = settings.at(i);
      const json::View standard = schema.find("default");
      table.add({printable(settings.key_at(i)), printable(schema.string_or("type", "-")),
                 standard ? printable(standard.text()) : "-",
                 printable(schema.string_or("description", ""))});
    }
    table.print(out);
  }
}

}  // namespace

int inspect_plugin(Session& session, const Given& given) {
  const std::string note = note_of(given.one("FILE"));
  const Result<Manifest> manifest = parse_manifest(note);
  if (!manifest) throw Failure{exit_code::failed, manifest.error(), {}};
  if (session.json) {
    session.out << note;
  } else {
    print_manifest(session.out, *manifest);
  }
  return exit_code::ok;
}

}  // namespace cofounder::ctl
