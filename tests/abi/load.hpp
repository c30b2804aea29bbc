// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.h>

#include <dlfcn.h>

#include <stdexcept>
#include <string>

// The table of a plugin library below the build folder.  Never closed.
inline const cof_plugin& load_plugin(const std::string& file) {
  const std::string path = COFOUNDER_BINARY_DIR "/" + file;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error{dlerror()};
  const auto entry =
      reinterpret_cast<decltype(&cof_plugin_entry_v1)>(dlsym(library, "cof_plugin_entry_v1"));
  return *entry();
}
