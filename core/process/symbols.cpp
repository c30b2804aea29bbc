// SPDX-License-Identifier: Apache-2.0
#include "core/process/symbols.hpp"

#include "core/base/descriptor.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace cofounder {
namespace {

using Header = ElfW(Ehdr);
using Section = ElfW(Shdr);
using Entry = ElfW(Sym);

constexpr std::size_t sections_max = 4'096;
constexpr std::size_t table_bytes_max = 64U << 20;
constexpr std::size_t name_bytes_max = 256;
constexpr int names_max = 1'024;  // looked at: a file may have any number of bad ones

bool read_at(int file, std::uint64_t offset, void* to, std::size_t bytes) noexcept {
  return offset <= INT64_MAX &&
         ::pread(file, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

std::vector<Section> read_sections(int file) {
  Header header{};
  if (!read_at(file, 0, &header, sizeof header)) return {};
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
  if (header.e_shentsize != sizeof(Section) || header.e_shnum > sections_max) return {};
  std::vector<Section> sections(header.e_shnum);
  if (!read_at(file, header.e_shoff, sections.data(), sections.size() * sizeof(Section))) return {};
  return sections;
}

// The full table when the file has it, else that of exported names.
std::optional<Section> find_table(const std::vector<Section>& sections) {
  for (const auto type : {SHT_SYMTAB, SHT_DYNSYM}) {
    for (const Section& section : sections) {
      if (section.sh_type == static_cast<unsigned>(type) && section.sh_link < sections.size() &&
          section.sh_size <= table_bytes_max && section.sh_entsize == sizeof(Entry)) {
        return section;
      }
    }
  }
  return std::nullopt;
}

// Empty when it is not there or not fit to be shown.
std::string read_name(int file, const Section& names, std::uint64_t at) {
  if (at >= names.sh_size) return {};
  char text[name_bytes_max];
  const std::size_t bytes = std::min<std::uint64_t>(sizeof text, names.sh_size - at);
  if (names.sh_offset > INT64_MAX || !read_at(file, names.sh_offset + at, text, bytes)) return {};
  const std::string name{text, std::find(text, text + bytes, '\0')};
  const bool is_printable = std::all_of(name.begin(), name.end(),
                                        [](char c) { return c > 0x20 && c < 0x7f; });
  return is_printable ? name : std::string{};
}

}  // namespace

std::map<std::uint64_t, Symbol> find_symbols(const std::string& path,
                                             const std::vector<std::uint64_t>& offsets) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const auto sections = read_sections(file.get());
  const auto table = find_table(sections);
  if (!table) return {};
  const Section& names = sections[table->sh_link];

  std::map<std::uint64_t, Symbol> found;
  std::vector<Entry> entries(4'096);
  std::uint64_t left = table->sh_size / sizeof(Entry);
  std::uint64_t at = table->sh_offset;
  int names_left = names_max;
  while (left > 0) {
    const std::size_t count = std::min<std::uint64_t>(left, entries.size());
    if (!read_at(file.get(), at, entries.data(), count * sizeof(Entry))) break;
    for (std::size_t i = 0; i < count; ++i) {
      const Entry& entry = entries[i];
      if (ELF64_ST_TYPE(entry.st_info) != STT_FUNC || entry.st_shndx == SHN_UNDEF) continue;
      for (const std::uint64_t offset : offsets) {
        if (offset < entry.st_value || offset - entry.st_value >= entry.st_size) continue;
        if (found.contains(offset) || names_left-- <= 0) continue;
        auto name = read_name(file.get(), names, entry.st_name);
        if (!name.empty()) found[offset] = {std::move(name), offset - entry.st_value};
      }
    }
    left -= count;
    at += count * sizeof(Entry);
  }
  return found;
}

}  // namespace cofounder
