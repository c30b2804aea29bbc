// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace huggingface {

// Shows the text of an answer while it comes: every piece as output {"text": "..."}, in order,
// pieces that come together as one; and the newest part of it as progress, the first piece at once.
class Teller {
 public:
  explicit Teller(cofounder::sdk::Context ctx) : ctx_{ctx} {}
  void add(std::string_view piece);
  void tell();    // shows what was added
  void finish();  // the same, and what there was no room for

 private:
  void show();

  cofounder::sdk::Context ctx_;
  std::string untold_;
  std::string newest_;
  std::int64_t shown_at_ns_ = INT64_MIN;
};

}  // namespace huggingface
