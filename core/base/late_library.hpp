// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <string>

namespace cofounder {

// A shared library that is opened when its first function is needed, and not with the program: for
// those that bring many others along and that many daemons never use
// (docs/decisions/0011-libraries-when-needed.md).  It stays open for ever.  Any thread.
class LateLibrary {
 public:
  // `name` as the loader takes it: "libcurl.so.4".  Code "library_missing"; its message says why.
  static Result<LateLibrary> open(const std::string& name);

  // Sets `function` to the function of that name; false: the library has none.
  template <class Function>
  bool find(const char* symbol, Function*& function) const noexcept {
    function = reinterpret_cast<Function*>(address(symbol));
    return function != nullptr;
  }

 private:
  void* address(const char* symbol) const noexcept;
  void* handle_ = nullptr;
};

}  // namespace cofounder
