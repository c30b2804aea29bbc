// SPDX-License-Identifier: Apache-2.0
#include "core/host/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>

namespace cofounder {
namespace {

using testing::HasSubstr;

std::string code_of(const Result<Manifest>& result) {
  return result.has_error() ? result.error().code : "none";
}
std::span<const std::byte> bytes_of(const std::string& image) {
  return std::as_bytes(std::span<const char>{image.data(), image.size()});
}

std::string read_code(const std::string& image) {
  const auto result = read_manifest_note(bytes_of(image));
  return result.has_error() ? result.error().code : "none";
}

std::string fixture() {
  std::ifstream file{COFOUNDER_BINARY_DIR "/fixtures/echo.so", std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void put32(std::string& out, std::size_t number) {
  const auto value = static_cast<std::uint32_t>(number);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string note(const std::string& text, const std::string& owner = std::string{"cofounder\0\0\0", 12},
                 std::size_t owner_size = 10) {
  std::string out;
  put32(out, owner_size);
  put32(out, text.size());
  put32(out, 1);
  out += owner + text;
  return out;
}

// The smallest library that has these notes.
std::string library(const std::string& notes) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  Elf64_Ehdr ours;
  std::memcpy(&ours, fixture().data(), sizeof ours);
  header.e_machine = ours.e_machine;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = notes.size();
  segment.p_align = 4;
  return std::string{reinterpret_cast<const char*>(&header), sizeof header} +
         std::string{reinterpret_cast<const char*>(&segment), sizeof segment} + notes;
}

template <class Change>
std::string with_header(std::string image, Change change) {
  Elf64_Ehdr header;
  std::memcpy(&header, image.data(), sizeof header);
  change(header);
  std::memcpy(image.data(), &header, sizeof header);
  return image;
}

TEST(ElfNote, IsReadFromARealLibrary) {
  const auto manifest = load_manifest(COFOUNDER_BINARY_DIR "/fixtures/echo.so");
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_EQ(manifest->id, "echo");
  EXPECT_NE(manifest->find_operation("say"), nullptr);
  EXPECT_EQ(manifest->routes.at(0).path, "/echo");
  EXPECT_THAT(manifest->permissions.events, testing::ElementsAre("task.*"));
}

TEST(ElfNote, PaddingIsNoPartOfIt) {
  const auto text = read_manifest_note(bytes_of(library(note({"{}\0\0", 4}))));
  EXPECT_EQ(text.value(), "{}");
}

TEST(ElfNote, OtherFilesAreRefused) {
  const std::string good = library(note("{}  "));
  EXPECT_EQ(read_code(good), "none");
  EXPECT_EQ(read_code(""), "not_elf");
  EXPECT_EQ(read_code("#!/bin/sh\n"), "not_elf");
  EXPECT_EQ(read_code(std::string(100'000, '\0')), "not_elf");
  EXPECT_EQ(read_code(with_header(good, [](auto& h) { h.e_machine = EM_SPARC; })), "wrong_machine");
  EXPECT_EQ(read_code(with_header(good, [](auto& h) { h.e_ident[EI_CLASS] = ELFCLASS32; })),
            "wrong_machine");
  EXPECT_EQ(read_code(with_header(good, [](auto& h) { h.e_type = ET_EXEC; })), "not_elf");
  EXPECT_EQ(read_code(with_header(good, [](auto& h) { h.e_phnum = 65'000; })), "not_elf");
  EXPECT_EQ(read_code(with_header(good, [](auto& h) { h.e_phentsize = 1; })), "not_elf");
  EXPECT_EQ(read_code(with_header(good, [](auto& h) { h.e_phoff = ~0ULL; })), "truncated");
  EXPECT_EQ(read_code(with_header(good, [](auto& h) { h.e_phnum = 0; })), "no_manifest");
}

TEST(ElfNote, OtherNotesAreSkippedAndTwoOfOursRefused) {
  const std::string other = note("abcd", std::string{"GNU\0", 4}, 4);
  EXPECT_EQ(read_code(library(other)), "no_manifest");
  EXPECT_EQ(read_code(library(other + note("{}  ") + other)), "none");
  EXPECT_EQ(read_code(library(note("{}  ") + note("{}  "))), "invalid_manifest");
  EXPECT_EQ(read_code(library(note(std::string(262'148, ' ')))), "invalid_manifest");
  EXPECT_EQ(read_code(library(std::string(2'000'000, '\0'))), "invalid_manifest");
  std::string liar;
  put32(liar, 10);
  put32(liar, 0xffffffff);
  put32(liar, 1);
  EXPECT_EQ(read_code(library(liar + std::string{"cofounder\0\0\0", 12})), "truncated");
  std::string name_liar;
  put32(name_liar, 0xffffffff);
  put32(name_liar, 0xffffffff);
  put32(name_liar, 1);
  EXPECT_EQ(read_code(library(name_liar + "abcd")), "truncated");
}

TEST(ElfNote, TruncatedAtEveryLength) {
  const std::string whole = fixture();
  ASSERT_GT(whole.size(), 1'000U);
  std::size_t end = 0;  // of what is needed: sections behind it may be missing
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, whole.data() + header.e_phoff + sizeof segment * static_cast<std::size_t>(i),
                sizeof segment);
    if (segment.p_type == PT_LOAD) end = std::max<std::size_t>(end, segment.p_offset + segment.p_filesz);
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string code = read_code(whole.substr(0, size));
    if (size < 4) {
      EXPECT_EQ(code, "not_elf") << size;
    } else if (size < end) {
      EXPECT_EQ(code, "truncated") << size;
    } else {
      EXPECT_EQ(code, "none") << size;
    }
  }
}

// Whatever a byte says, the answer is a text or an error, and the sanitizers stay silent.
TEST(ElfNote, AnyByteMayBeWrong) {
  const std::string good = library(note("{\"id\": \"x\"}  "));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int value : {0, 1, 4, 127, 128, 255}) {
      std::string bad = good;
      bad[at] = static_cast<char>(value);
      EXPECT_FALSE(read_code(bad).empty());
    }
  }
}

TEST(ParseManifest, TheLeast) {
  const auto manifest = parse_manifest(R"({"id": "hello", "version": "1.0.0", "abi": "1.0"})");
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_FALSE(manifest->parallel);
  EXPECT_TRUE(manifest->operations.empty());
}

TEST(ParseManifest, Everything) {
  const auto manifest = parse_manifest(R"({
    "id": "all", "version": "2.1", "abi": "1.0", "threads": "parallel", "requires": ["oauth"],
    "interfaces": {"required": ["cof.http/1.0"], "optional": ["cof.kv/1.2"]},
    "permissions": {"http": ["*.example.org"], "secrets": ["api_key"], "tasks": ["a.b"],
                    "programs": ["ollama", "/bin/sh", "*"], "metrics": true, "stats": true, "files": true},
    "config": {"type": "object"},
    "operations": [{"name": "do", "summary": "Does", "args": {"type": "object",
      "required": ["x"]}, "result": {"type": "string"}, "timeout": "30s", "attempts_max": 2,
      "retry_on_timeout": true}],
    "routes": [{"id": "in", "method": "GET", "path": "/oauth/{provider}/login", "access": "public",
                "request_bytes_max": 10}],
    "a_later_field": [1, 2]})");
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_TRUE(manifest->parallel);
  EXPECT_EQ(manifest->permissions.programs, (std::vector<std::string>{"ollama", "/bin/sh", "*"}));
  EXPECT_TRUE(manifest->permissions.metrics && manifest->permissions.stats);
  const Manifest::Operation& operation = *manifest->find_operation("do");
  EXPECT_TRUE(operation.args && operation.retry_on_timeout);
  EXPECT_EQ(operation.timeout, std::chrono::seconds{30});
  EXPECT_EQ(operation.attempts_max, 2);
  EXPECT_EQ(manifest->routes.at(0).request_bytes_max, 10U);
}

TEST(ParseManifest, NamesTheFieldThatIsWrong) {
  const auto refused = [](const std::string& rest, const std::string& field) {
    const auto result =
        parse_manifest(R"({"id": "x", "version": "1", "abi": "1.0", )" + rest + "}");
    EXPECT_EQ(code_of(result), "invalid_manifest") << rest;
    if (!result.has_error()) return;
    EXPECT_THAT(result.error().message, HasSubstr(field)) << rest;
  };
  refused(R"("threads": "many")", "threads");
  refused(R"("requires": "oauth")", "requires");
  refused(R"("requires": ["No Id"])", "requires");
  refused(R"("interfaces": [])", "interfaces");
  refused(R"("interfaces": {"required": ["cof.http"]})", "cof.http");
  refused(R"("interfaces": {"required": ["cof.http/1.0"], "optional": ["cof.http/1.1"]})", "twice");
  refused(R"("permissions": {"stats": 1})", "permissions.stats");
  refused(R"("permissions": {"programs": ["./run"]})", "permissions.programs");
  refused(R"("config": {"type": "object", "shape": 1})", "config");
  refused(R"("operations": [{"name": "A b"}])", "operations[0].name");
  refused(R"("operations": [{"name": "a"}, {"name": "a"}])", "twice");
  refused(R"("operations": [{"name": "a", "timeout": "soon"}])", "timeout");
  refused(R"("operations": [{"name": "a", "attempts_max": 0}])", "attempts_max");
  refused(R"("routes": [{"id": "a", "method": "GET", "path": "login", "access": "public"}])", "path");
  refused(R"("routes": [{"id": "a", "method": "GET", "path": "/x", "access": "all"}])", "access");
  refused(R"("routes": [{"id": "a", "method": "BREW", "path": "/x", "access": "read"}])", "BREW");
  EXPECT_EQ(code_of(parse_manifest("")), "invalid_manifest");
  EXPECT_EQ(code_of(parse_manifest("[]")), "invalid_manifest");
  EXPECT_EQ(code_of(parse_manifest(std::string(70'000, '['))), "invalid_manifest");
  EXPECT_EQ(code_of(parse_manifest(R"({"id": "X", "version": "1", "abi": "1.0"})")), "invalid_manifest");
  EXPECT_EQ(code_of(parse_manifest(R"({"id": "x", "version": "1", "abi": "1"})")), "invalid_manifest");
  EXPECT_EQ(code_of(parse_manifest(R"({"id": "x", "abi": "1.0"})")), "invalid_manifest");
}

}  // namespace
}  // namespace cofounder
