// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over its seeds, and over a thousand inputs that are near each of them: what a
// build without libFuzzer can do, always the same.
//
//   replay FILE|FOLDER...
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.hpp"

namespace {

constexpr int neighbours = 1000;
constexpr std::size_t bytes_max = 1u << 20;

void run(const std::string& input) {
  // A copy of exactly that size, so that a sanitizer sees who reads beyond it.
  const std::basic_string<std::uint8_t> bytes{input.begin(), input.end()};
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::string neighbour(std::string input, std::minstd_rand& random) {
  const auto below = [&random](std::size_t n) { return n == 0 ? 0 : random() % n; };
  static constexpr std::string_view marks = "\"'{}[],:=#*/-.~\r\n\t \\09azAZ%";
  for (std::size_t i = 0, edits = 1 + below(4); i < edits; ++i) {
    const std::size_t at = below(input.size() + 1);
    switch (below(6)) {
      case 0:
        input.resize(at);
        break;
      case 1:
        input.erase(at, below(8));
        break;
      case 2:
        input.insert(at, 1, marks[below(marks.size())]);
        break;
      case 3:
        if (at < input.size()) input[at] = static_cast<char>(random());
        break;
      case 4:
        input.insert(at, input.substr(below(input.size() + 1), below(64)));
        break;
      default:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : fs::directory_iterator{argv[i]}) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::size_t inputs = 0;
  for (const fs::path& file : files) {
    std::ifstream in{file, std::ios::binary};
    const std::string seed{std::istreambuf_iterator<char>{in}, {}};
    if (!in || seed.size() > bytes_max) {
      std::fprintf(stderr, "%s: cannot be read, or is too large\n", file.c_str());
      return 1;
    }
    run(seed);
    std::minstd_rand random{static_cast<unsigned>(seed.size() + 1)};
    for (int i = 0; i < neighbours; ++i, ++inputs) run(neighbour(seed, random));
  }
  std::printf("%zu seeds, %zu inputs near them\n", files.size(), inputs);
  return files.empty() ? 1 : 0;
}
