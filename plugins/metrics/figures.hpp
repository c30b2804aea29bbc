// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace metrics {

// JSON is written by hand here: money is an exact decimal, which a double is not.
class Object {
 public:
  void figure(std::string_view name, std::string_view value) {
    text_ += (text_.empty() ? "{" : ",") + cofounder::sdk::Json(name).dump() + ":" +
             std::string{value};
  }
  void word(std::string_view name, std::string_view value) {
    figure(name, cofounder::sdk::Json(value).dump());
  }
  void unknown(std::string_view name, std::string_view code, std::string_view reason) {
    figure(name, "null");
    unavailable_.push_back({{"figure", name}, {"code", code}, {"reason", reason}});
  }
  std::string take() {
    figure("unavailable", cofounder::sdk::to_text(unavailable_));
    return text_ + "}";
  }

 private:
  std::string text_;
  cofounder::sdk::Json unavailable_ = cofounder::sdk::Json::array();
};

// "0.012500": micro-dollars as dollars, exactly.
std::string dollars(std::int64_t micros);

// All rows of cof.usage/1's sum together.
struct Total {
  std::int64_t calls = 0;
  std::int64_t micros = 0;  // of the priced calls
  std::int64_t unpriced = 0;
};
Total total_of(const cofounder::sdk::Json& usage);

// "2 calls have no known price."
std::string unpriced_reason(std::int64_t count);

}  // namespace metrics
