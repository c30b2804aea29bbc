// SPDX-License-Identifier: Apache-2.0
#include "teller.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

constexpr std::size_t newest_bytes_max = 3'000;
constexpr std::size_t untold_bytes_max = 256u << 10;
constexpr std::int64_t show_every_ns = 250'000'000;

// The last part, beginning with a whole character.
void keep_end(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  std::size_t from = text.size() - bytes_max;
  while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
  text.erase(0, from);
}

}  // namespace

void Teller::add(std::string_view piece) {
  untold_ += piece;
  newest_ += piece;
  if (newest_.size() > 2 * newest_bytes_max) keep_end(newest_, newest_bytes_max);
}

void Teller::tell() {
  if (untold_.empty()) return;
  const sdk::Json output{{"text", untold_}};
  // Without room the next one brings it along; who does not read at all is not waited for.
  if (ctx_.try_emit(output)) {
    untold_.clear();
  } else {
    keep_end(untold_, untold_bytes_max);
  }
  const std::int64_t now = ctx_.host().now().count();
  if (shown_at_ns_ == INT64_MIN || now - shown_at_ns_ >= show_every_ns) {
    shown_at_ns_ = now;
    show();
  }
}

void Teller::show() {
  keep_end(newest_, newest_bytes_max);
  ctx_.progress(-1, newest_);
}

void Teller::finish() {
  if (newest_.empty()) return;
  if (!untold_.empty()) {
    const sdk::Json output{{"text", untold_}};
    if (!ctx_.try_emit(output)) ctx_.log(sdk::LogLevel::debug, "nobody took the last pieces of the answer");
  }
  show();
}

}  // namespace huggingface
