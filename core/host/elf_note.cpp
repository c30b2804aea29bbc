// SPDX-License-Identifier: Apache-2.0
#include "core/host/manifest.hpp"

#include <cofounder/abi.h>

#include <cerrno>
#include <cstring>
#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

// Finds the manifest note in an ELF file.  Everything in the file is hostile: each offset and size
// is checked against the file's size before use, and the work is bounded.
namespace cofounder {

namespace {

constexpr std::size_t headers_max = 256;             // program headers that are looked at
constexpr std::uint64_t note_bytes_max = 1u << 20;   // of all note segments
constexpr std::string_view owner = COF_NOTE_OWNER;

#if defined(__x86_64__)
constexpr Elf64_Half machine = EM_X86_64;
constexpr const char* machine_name = "x86-64";
#elif defined(__aarch64__)
constexpr Elf64_Half machine = EM_AARCH64;
constexpr const char* machine_name = "AArch64";
#else
#error "cofounderd runs on x86-64 and AArch64"
#endif

// Where bytes of the file come from.
class Source {
 public:
  explicit Source(std::span<const std::byte> image) : image_{image}, size_{image.size()} {}
  Source(int descriptor, std::uint64_t size) : descriptor_{descriptor}, size_{size} {}

  bool has(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    return offset <= size_ && bytes <= size_ - offset;
  }
  // has() was true before; false: the file shrank or cannot be read.
  bool read(std::uint64_t offset, void* to, std::size_t bytes) const noexcept {
    if (descriptor_ < 0) {
      std::memcpy(to, image_.data() + offset, bytes);
      return true;
    }
    auto* out = static_cast<char*>(to);
    while (bytes > 0) {
      const ssize_t got = ::pread(descriptor_, out, bytes, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      out += got;
      offset += static_cast<std::uint64_t>(got);
      bytes -= static_cast<std::size_t>(got);
    }
    return true;
  }

 private:
  std::span<const std::byte> image_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

Error truncated(const char* what) {
  Error error = make_error("truncated", std::string{"the file ends within "} + what);
  error.hint = "build or copy the library again";
  return error;
}

std::optional<Error> check_header(const Elf64_Ehdr& header) {
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != machine) {
    Error error = make_error("wrong_machine", std::string{"the library is for another machine (ELF "
                                                          "machine "} +
                                                  std::to_string(header.e_machine) +
                                                  "); this is " + machine_name);
    error.hint = std::string{"build it for "} + machine_name;
    return error;
  }
  if (header.e_type != ET_DYN) {
    Error error = make_error("not_elf", "the file is ELF, but no shared library");
    error.hint = "link it with -shared";
    return error;
  }
  return std::nullopt;
}

// The manifest's text when `notes` (the bytes of one segment) has it; appends to `found`.
std::optional<Error> search_notes(std::string_view notes, std::uint64_t alignment,
                                  std::vector<std::string>& found) {
  const std::size_t align = alignment == 8 ? 8 : 4;
  const auto rounded = [&](std::size_t n) { return (n + align - 1) / align * align; };
  std::size_t at = 0;
  while (notes.size() - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data() + at, sizeof note);
    at += sizeof note;
    // 32-bit sizes cannot overflow 64-bit sums.
    const std::size_t text_at = rounded(at + note.n_namesz);
    if (text_at > notes.size() || note.n_descsz > notes.size() - text_at) {
      return truncated("a note");
    }
    const std::string_view name = notes.substr(at, note.n_namesz);
    if (note.n_type == COF_NOTE_MANIFEST && name.size() == owner.size() + 1 &&
        name.substr(0, owner.size()) == owner && name.back() == '\0') {
      if (note.n_descsz > COF_MANIFEST_BYTES_MAX) {
        return make_error("invalid_manifest",
                          "the manifest is larger than " +
                              std::to_string(COF_MANIFEST_BYTES_MAX) + " bytes");
      }
      found.emplace_back(notes.substr(text_at, note.n_descsz));
    }
    at = std::min(rounded(text_at + note.n_descsz), notes.size());
  }
  return std::nullopt;
}

Result<std::string> only_one(std::vector<std::string> found) {
  if (found.empty()) {
    Error error = make_error("no_manifest", "the library has no manifest note (" COF_NOTE_SECTION
                                            "), so it is no plugin or lost its notes");
    error.hint = "put COF_MANIFEST(...) into it, and do not strip notes";
    return error;
  }
  if (found.size() > 1) {
    return make_error("invalid_manifest", "the library has more than one manifest note");
  }
  std::string& text = found.front();
  for (int padding = 0; padding < 4 && !text.empty() && text.back() == '\0'; ++padding) {
    text.pop_back();
  }
  return text;
}

Result<std::string> read_note(const Source& source) {
  Elf64_Ehdr header;
  std::memset(&header, 0, sizeof header);
  if (!source.has(0, SELFMAG)) return make_error("not_elf", "the file is no ELF file");
  if (!source.read(0, &header, SELFMAG)) return make_error("unreadable", "cannot read the file");
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return make_error("not_elf", "the file is no ELF file");
  }
  if (!source.has(0, sizeof header)) return truncated("the ELF header");
  if (!source.read(0, &header, sizeof header)) {
    return make_error("unreadable", "cannot read the file");
  }
  if (auto error = check_header(header)) return *error;
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > headers_max) {
    return make_error("not_elf", "the ELF header makes no sense");
  }
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  const std::size_t table_bytes = segments.size() * sizeof(Elf64_Phdr);
  if (!source.has(header.e_phoff, table_bytes)) return truncated("the program headers");
  if (!segments.empty() && !source.read(header.e_phoff, segments.data(), table_bytes)) {
    return make_error("unreadable", "cannot read the file");
  }

  std::vector<std::string> found;
  std::uint64_t note_bytes = 0;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type == PT_LOAD && !source.has(segment.p_offset, segment.p_filesz)) {
      return truncated("a segment");
    }
    if (segment.p_type != PT_NOTE) continue;
    if (!source.has(segment.p_offset, segment.p_filesz)) return truncated("a note segment");
    note_bytes += segment.p_filesz;
    if (note_bytes > note_bytes_max) {
      return make_error("invalid_manifest", "the library's notes are larger than " +
                                                std::to_string(note_bytes_max) + " bytes");
    }
    std::string notes(static_cast<std::size_t>(segment.p_filesz), '\0');
    if (!source.read(segment.p_offset, notes.data(), notes.size())) {
      return make_error("unreadable", "cannot read the file");
    }
    if (auto error = search_notes(notes, segment.p_align, found)) return *error;
  }
  return only_one(std::move(found));
}

}  // namespace

Result<std::string> read_manifest_note(std::span<const std::byte> image) {
  return read_note(Source{image});
}

Result<std::string> read_manifest_note(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    return make_error("unreadable", std::string{"cannot read the file: "} + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) return make_error("unreadable", "it is not a regular file");
  return read_note(Source{descriptor, static_cast<std::uint64_t>(status.st_size)});
}

}  // namespace cofounder
