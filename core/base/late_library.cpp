// SPDX-License-Identifier: Apache-2.0
#include "core/base/late_library.hpp"

#include <dlfcn.h>

namespace cofounder {

Result<LateLibrary> LateLibrary::open(const std::string& name) {
  LateLibrary library;
  library.handle_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle_ == nullptr) return make_error("library_missing", ::dlerror());
  return library;
}

void* LateLibrary::address(const char* symbol) const noexcept { return ::dlsym(handle_, symbol); }

}  // namespace cofounder
