// SPDX-License-Identifier: Apache-2.0
#include "core/process/crash_report.hpp"

#include "core/process/symbols.hpp"
#include "tests/process/process_world.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <random>

namespace cofounder::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr const char* whole_report =
    "cofounder-crash 1\n"
    "signal 11 1\n"
    "address 10\n"
    "stack 7ffc8c7e1000\n"
    "thread 4711\n"
    "frame 1139 /lib/x y.so\n"
    "frame 7f0012345678 ?\n"
    "end\n";

TEST(CrashReport, IsReadWhole) {
  const auto report = parse_crash_report(whole_report);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->signal, SIGSEGV);
  EXPECT_EQ(report->address, 0x10U);
  EXPECT_EQ(report->stack, 0x7ffc8c7e1000U);
  EXPECT_EQ(report->thread, 4711U);
  ASSERT_THAT(report->frames, SizeIs(2));
  EXPECT_EQ(report->frames[0], (CrashReport::Frame{0x1139, "/lib/x y.so"}));
  EXPECT_EQ(report->frames[1], (CrashReport::Frame{0x7f0012345678, ""}));
  EXPECT_TRUE(report->complete);
  EXPECT_FALSE(report->is_stack_overflow());
  EXPECT_EQ(to_text(*report, "/lib/x y.so", "hello.so"),
            "SIGSEGV at 0x10 in thread 4711\n"
            "  #0 hello.so+0x1139\n"
            "  #1 0x7f0012345678");
}

TEST(CrashReport, TellsWhenMemoryWasUsedUp) {
  const auto report = [](std::string_view signal, std::string_view address, bool full) {
    std::string text = "cofounder-crash 1\nsignal " + std::string{signal} + " 1\n";
    if (!address.empty()) text += "address " + std::string{address} + "\n";
    if (full) text += "memory full\n";
    return parse_crash_report(text + "frame 1 ?\nend\n").value();
  };
  EXPECT_TRUE(report("6", "", true).is_out_of_memory());
  EXPECT_TRUE(report("11", "18", true).is_out_of_memory()) << "what malloc() did not give";
  EXPECT_FALSE(report("11", "7fff0000", true).is_out_of_memory());
  EXPECT_FALSE(report("4", "18", true).is_out_of_memory());
  EXPECT_FALSE(report("6", "", false).is_out_of_memory());
  EXPECT_THAT(report("6", "", true).frames, SizeIs(1)) << "what follows is read, too";
  EXPECT_THAT(to_text(report("6", "", true)), StartsWith("SIGABRT (out of memory) in thread 0"));
}

TEST(CrashReport, ThatWasCutOffGivesWhatItHas) {
  const std::string text = whole_report;
  const auto cut = parse_crash_report(text.substr(0, text.find("frame 7f") + 9));
  ASSERT_TRUE(cut);
  EXPECT_THAT(cut->frames, SizeIs(1));
  EXPECT_FALSE(cut->complete);
  EXPECT_THAT(to_text(*cut), HasSubstr("the report ends here"));
  EXPECT_FALSE(parse_crash_report(text.substr(0, 20)));
  EXPECT_FALSE(parse_crash_report(""));
}

TEST(CrashReport, WritesOfAHostileChildAreBounded) {
  const std::string begin = "cofounder-crash 1\nsignal 11 1\n";
  std::string many = begin;
  for (int i = 0; i < 100'000; ++i) many += "frame 1 /x\n";
  EXPECT_THAT(parse_crash_report(many)->frames, SizeIs(CrashReport::frames_max));
  for (const std::string bad :
       {"frame 1 /x\x1b[31m\n", "frame 1 \n", "frame 1\n", "frame zz /x\n", "frame -1 /x\n",
        "frame 11111111111111111 /x\n", "frames 1 /x\n", "\n", " frame 1 /x\n", "thread 1 1\n"}) {
    const auto report = parse_crash_report(begin + bad + "frame 2 /y\nend\n");
    ASSERT_TRUE(report) << bad;
    EXPECT_THAT(report->frames, IsEmpty()) << bad;
    EXPECT_FALSE(report->complete) << bad;
  }
  EXPECT_THAT(parse_crash_report(begin + "frame 1 /" + std::string(600, 'x') + "\n")->frames,
              IsEmpty());
  for (const std::string bad : {"signal 0 1\n", "signal -11 1\n", "signal 999 1\n",
                                "signal 99999999999 1\n", "signal\n", "signal x\n"}) {
    EXPECT_FALSE(parse_crash_report("cofounder-crash 1\n" + bad)) << bad;
  }
  EXPECT_FALSE(parse_crash_report("cofounder-crash 2\nsignal 11 1\n"));
}

TEST(CrashReport, NoBytesMakeItCrash) {
  std::mt19937 random{4711};
  std::string text = whole_report;
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = text;
    for (int n = 0; n < 3; ++n) changed[random() % changed.size()] = static_cast<char>(random());
    if (const auto report = parse_crash_report(changed)) {
      EXPECT_LE(report->frames.size(), 2U);
      for (const char c : to_text(*report)) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f));
    }
  }
}

TEST(CrashReport, OfNothingIsNothing) {
  const Descriptor empty{::memfd_create("x", MFD_CLOEXEC)};
  EXPECT_FALSE(read_crash_report(empty.get()));
  EXPECT_FALSE(read_crash_report(-1));
}

TEST(CrashReport, SignalsHaveNames) {
  EXPECT_EQ(signal_name(SIGABRT), "SIGABRT");
  EXPECT_EQ(signal_name(4711), "signal 4711");
}

// -- children that crash in the sandbox --

struct Crash {
  const char* how;
  int signal;
  const char* first_line;
  const char* function;  // somewhere in the backtrace
};
std::ostream& operator<<(std::ostream& out, const Crash& row) { return out << row.how; }

class CrashOf : public testing::TestWithParam<Crash> {};

TEST_P(CrashOf, IsToldByTheChildItself) {
  if (has_any_sanitizer() && std::string_view{GetParam().how}.find("thread") != std::string::npos) {
    GTEST_SKIP() << "under sanitizers only threads that know get a signal stack";
  }
  ProcessWorld world;
  const auto result = world.run(world.probe("crash", GetParam().how), true);

  EXPECT_EQ(result.answer, "");
  EXPECT_EQ(result.exit.signal, GetParam().signal) << "the signal that it died by";
  EXPECT_THAT(result.crash, StartsWith(GetParam().first_line));
  EXPECT_THAT(result.crash, HasSubstr("#0 "));
  EXPECT_THAT(result.crash, HasSubstr("sandbox_probe+0x"));
  EXPECT_THAT(result.crash, HasSubstr(GetParam().function));
  EXPECT_THAT(result.crash, Not(HasSubstr("ends here"))) << "it was written to its end";
}

constexpr Crash crashes[] = {
    {"null", SIGSEGV, "SIGSEGV at 0x10 in thread ", "#0 sandbox_probe+0x"},
    {"overflow", SIGSEGV, "SIGSEGV (stack overflow) at 0x", "(probe_recurse+0x"},
    {"abort", SIGABRT, "SIGABRT in thread ", "libc.so.6+0x"},
    {"throw", SIGABRT, "SIGABRT in thread ", "libstdc++"},
#ifdef __x86_64__
    {"divide", SIGFPE, "SIGFPE at 0x", "#0 sandbox_probe+0x"},
#endif
    {"null in thread", SIGSEGV, "SIGSEGV at 0x10 in thread ", "(probe_touch_null+0x"},
    {"overflow in thread", SIGSEGV, "SIGSEGV (stack overflow) at 0x", "(probe_recurse+0x"},
};
INSTANTIATE_TEST_SUITE_P(Every, CrashOf, testing::ValuesIn(crashes), [](const auto& row) {
  std::string name = row.param.how;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST(CrashReport, SaysWhereAChildSpentItsTime) {
  ProcessWorld world;
  auto spec = world.probe("crash", "spin");
  spec.limits.cpu_seconds = 1;
  const auto result = world.run(std::move(spec), true);
  EXPECT_EQ(result.exit.signal, SIGXCPU);
  EXPECT_THAT(result.crash, StartsWith("SIGXCPU in thread "));
  EXPECT_THAT(result.crash, HasSubstr("sandbox_probe+0x"));
}

// -- names of functions --

TEST(Symbols, OfBrokenFilesAreNone) {
  ProcessWorld world;
  const std::string good = COFOUNDER_BINARY_DIR "/bin/sandbox_probe";
  std::ifstream in{good, std::ios::binary};
  std::string head(256, '\0');
  in.read(head.data(), 256);
  const auto file = world.folder() / "broken";
  std::mt19937 random{11};
  for (int i = 0; i < 300; ++i) {
    std::string changed = head;
    if (i > 0) changed[16 + random() % 48] = static_cast<char>(random());
    std::ofstream{file, std::ios::binary} << changed;
    EXPECT_THAT(find_symbols(file, {0x1000}), IsEmpty());
  }
  EXPECT_THAT(find_symbols("/no/such/file", {0x1000}), IsEmpty());
  EXPECT_THAT(find_symbols("/dev/zero", {0x1000}), IsEmpty());
  EXPECT_THAT(find_symbols("/", {0x1000}), IsEmpty());
}

// An ELF file with `count` functions, all of them from 0x1000 to 0x2000 and named `name`.
std::string elf_with(std::size_t count, const std::string& name) {
  ElfW(Ehdr) header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_shentsize = sizeof(ElfW(Shdr));
  header.e_shnum = 3;
  header.e_shoff = sizeof header;
  ElfW(Shdr) sections[3]{};
  sections[1].sh_type = SHT_SYMTAB;
  sections[1].sh_link = 2;
  sections[1].sh_entsize = sizeof(ElfW(Sym));
  sections[1].sh_offset = sizeof header + sizeof sections;
  sections[1].sh_size = count * sizeof(ElfW(Sym));
  sections[2].sh_offset = sections[1].sh_offset + sections[1].sh_size;
  sections[2].sh_size = name.size() + 1;
  ElfW(Sym) symbol{};
  symbol.st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
  symbol.st_shndx = 1;
  symbol.st_value = 0x1000;
  symbol.st_size = 0x1000;
  std::string file;
  const auto add = [&](const auto& part) {
    file.append(reinterpret_cast<const char*>(&part), sizeof part);
  };
  add(header);
  add(sections);
  for (std::size_t i = 0; i < count; ++i) add(symbol);
  return file + name + std::string(1, 0);
}

TEST(Symbols, AreFoundWhereTheOffsetLies) {
  ProcessWorld world;
  const auto file = world.folder() / "good";
  std::ofstream{file, std::ios::binary} << elf_with(1, "good");
  const auto found = find_symbols(file, {0x0fff, 0x1000, 0x1fff, 0x2000});
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found.at(0x1000).name, "good");
  EXPECT_EQ(found.at(0x1000).distance, 0U);
  EXPECT_EQ(found.at(0x1fff).distance, 0xfffU);
}

TEST(Symbols, AFileFullOfNamesThatCannotBeShownHasNone) {
  ProcessWorld world;
  const auto file = world.folder() / "bad";
  for (const std::string name : {"", "a b", "a\x1b[2J", "\xff"}) {
    std::ofstream{file, std::ios::binary} << elf_with(100'000, name);
    EXPECT_THAT(find_symbols(file, {0x1000, 0x1001}), IsEmpty());
  }
}

}  // namespace
}  // namespace cofounder::test
