// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fine_tuning {

// JSON Lines with an example on each line, as the providers want them.
enum class Format { openai_chat, openai_dpo, bedrock_claude, vertex };

// "openai-chat", "openai-dpo", "bedrock-claude", "vertex".
std::optional<Format> read_format(std::string_view name);

// What is wrong with one example, and in which field; empty: nothing.
std::string check_example(Format format, std::string_view line);

struct DatasetLimits {
  std::uint64_t line_bytes_max = 8u << 20;
  std::uint64_t examples_min = 1;
  std::uint64_t examples_max = 10'000'000;
  std::size_t problems_max = 100;
};

struct Problem {
  std::uint64_t line = 0;  // from 1; 0: the file as a whole
  std::string message;
};

// Each row by the beginning of its SHA-256, sorted.
using Rows = std::vector<std::uint64_t>;

struct DatasetReport {
  std::uint64_t examples = 0;  // that are right
  std::uint64_t lines = 0;
  std::vector<Problem> problems;
  bool more = false;  // there may be more problems: it stopped
  Rows rows;

  cofounder::sdk::Json json() const;
};

// Checks a dataset that comes in pieces, with a line of it in memory at most.
class DatasetCheck {
 public:
  DatasetCheck(Format format, const DatasetLimits& limits) : format_{format}, limits_{limits} {}
  void keep_rows() { keeps_rows_ = true; }
  // No row may be among `others`, which outlives this.
  void compare_with(const Rows* others) { others_ = others; }

  // False: enough was seen.
  bool feed(std::string_view piece);
  DatasetReport finish();

 private:
  bool end_line();
  bool complain(std::uint64_t line, std::string message);

  Format format_;
  DatasetLimits limits_;
  bool keeps_rows_ = false;
  const Rows* others_ = nullptr;
  std::string line_;
  DatasetReport report_;
};

// Reads the file through `check`, letting other calls come in between; with `copy` what was read is
// what is in there.
cofounder::sdk::Task<cofounder::sdk::Result<DatasetReport>> check_dataset(
    cofounder::sdk::Context ctx, std::string name, DatasetCheck* check,
    cofounder::sdk::File* copy = nullptr);

// Code "invalid_dataset" with the first problems, naming the argument.
cofounder::sdk::Failure invalid_dataset(std::string_view argument, const DatasetReport& report);

}  // namespace fine_tuning
