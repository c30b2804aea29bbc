// SPDX-License-Identifier: Apache-2.0
#include "dataset.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "crypto.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t piece_bytes = 256 * 1024;
constexpr int pieces_between_yields = 16;
constexpr std::size_t problems_told_max = 5;

std::uint64_t row_of(std::string_view line) {
  std::uint64_t row = 0;
  std::memcpy(&row, sha256(line).data(), sizeof row);
  return row;
}

}  // namespace

Json DatasetReport::json() const {
  Json errors = Json::array();
  for (const Problem& problem : problems) {
    errors.push_back({{"line", problem.line}, {"message", problem.message}});
  }
  Json out{{"examples", examples}, {"errors", std::move(errors)}};
  if (more) out["more_errors"] = true;
  return out;
}

bool DatasetCheck::complain(std::uint64_t line, std::string message) {
  report_.problems.push_back({line, std::move(message)});
  if (report_.problems.size() < limits_.problems_max) return true;
  report_.more = true;
  return false;
}

bool DatasetCheck::end_line() {
  std::string line = std::exchange(line_, {});
  ++report_.lines;
  if (line.ends_with('\r')) line.pop_back();
  if (std::string wrong = check_example(format_, line); !wrong.empty()) {
    return complain(report_.lines, std::move(wrong));
  }
  if (++report_.examples > limits_.examples_max) {
    complain(report_.lines, "more than " + std::to_string(limits_.examples_max) + " examples");
    report_.more = true;
    return false;
  }
  if (!keeps_rows_ && others_ == nullptr) return true;
  const std::uint64_t row = row_of(line);
  if (keeps_rows_) report_.rows.push_back(row);
  if (others_ != nullptr && std::binary_search(others_->begin(), others_->end(), row)) {
    return complain(report_.lines, "the same example is in the training dataset");
  }
  return true;
}

bool DatasetCheck::feed(std::string_view piece) {
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    if (line_.size() + part.size() > limits_.line_bytes_max) {
      complain(report_.lines + 1,
               "the line is longer than " + std::to_string(limits_.line_bytes_max) + " bytes");
      report_.more = true;  // what comes behind it is not looked at
      line_.clear();
      return false;
    }
    line_ += part;
    if (end == std::string_view::npos) return true;
    piece.remove_prefix(end + 1);
    if (!end_line()) return false;
  }
  return true;
}

DatasetReport DatasetCheck::finish() {
  if (!line_.empty() && !report_.more) end_line();  // the last line's end may be missing
  if (!report_.more && report_.problems.empty() && report_.examples < limits_.examples_min) {
    complain(0, "there are " + std::to_string(report_.examples) + " examples, and at least " +
                    std::to_string(limits_.examples_min) + " are wanted");
  }
  std::sort(report_.rows.begin(), report_.rows.end());
  return std::move(report_);
}

sdk::Task<sdk::Result<DatasetReport>> check_dataset(sdk::Context ctx, std::string name,
                                                    DatasetCheck* check, sdk::File* copy) {
  const auto file = ctx.open(name);
  if (!file) co_return file.failure();
  std::string buffer(piece_bytes, '\0');
  std::uint64_t offset = 0;
  for (int pieces = 1;; ++pieces) {
    const auto count = file->read(offset, buffer.data(), buffer.size());
    if (!count) co_return count.failure();
    const std::string_view piece = std::string_view{buffer}.substr(0, *count);
    if (piece.empty() || !check->feed(piece)) break;
    if (copy != nullptr) {
      const auto written = copy->write(piece);
      if (!written) co_return written.failure();
    }
    offset += *count;
    if (pieces % pieces_between_yields != 0) continue;
    auto turn = co_await ctx.yield();
    if (!turn) co_return turn.failure();
    if (ctx.cancelled()) co_return sdk::Failure(COF_ECANCELLED, "cancelled", "The call was cancelled.");
  }
  co_return check->finish();
}

sdk::Failure invalid_dataset(std::string_view argument, const DatasetReport& report) {
  std::string message = "args." + std::string{argument} + ":";
  for (std::size_t i = 0; i < std::min(report.problems.size(), problems_told_max); ++i) {
    const Problem& problem = report.problems[i];
    message += i == 0 ? " " : "; ";
    if (problem.line > 0) message += "line " + std::to_string(problem.line) + ": ";
    message += problem.message;
  }
  if (report.problems.size() > problems_told_max || report.more) message += "; and more may be wrong";
  return sdk::Failure{COF_EINVALID, "invalid_dataset", message};
}

}  // namespace fine_tuning
