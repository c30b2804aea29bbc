// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace cofounder {

// SHA-256 of what it is fed.  Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  std::string hex();  // 64 lower-case digits; nothing may be fed after it

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
