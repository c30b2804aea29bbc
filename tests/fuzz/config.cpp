// SPDX-License-Identifier: Apache-2.0
// The configuration file.
#include "core/config/config.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "tests/fuzz/fuzz.hpp"

namespace {

// A file that exists in memory only.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view text) : descriptor_{memfd_create("config", MFD_CLOEXEC)} {
    cofounder::fuzz::require(
        ::write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
        "memory can be written");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cofounder;
  const MemoryFile file{fuzz::text_of(data, size)};
  ConfigErrors errors;
  const auto config = load_config(file.path(), errors);
  fuzz::require(config.has_value() == errors.lines.empty(), "a refused file has an error");
  for (const std::string& line : errors.lines) {
    fuzz::require(line.starts_with(file.path()), "an error says where");
  }
  if (!config) return 0;
  (void)config_json(*config);
  const std::string printed = print_config(*config);
  if (printed.find("***") != std::string::npos) return 0;  // a secret is not printed
  const MemoryFile again{printed};
  ConfigErrors more;
  const auto same = load_config(again.path(), more);
  if (!same) std::fprintf(stderr, "%s\n%s\n", printed.c_str(), more.lines.front().c_str());
  fuzz::require(same.has_value(), "what is printed can be read");
  fuzz::require(print_config(*same) == printed, "and says the same");
  return 0;
}
