// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_curl.hpp"

#include <dlfcn.h>

#include <cassert>
#include <string>

namespace cofounder::http {
namespace {

Error unavailable(const std::string& why) {
  Error error = make_error("http_unavailable", "libcurl cannot be used: " + why);
  error.hint = "install the package libcurl4 again and restart the daemon";
  return error;
}

template <class Function>
bool look_up(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

Result<Curl> open_and_init() {
  Result<Curl> opened = open_curl("libcurl.so.4");
  if (opened && opened->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return unavailable("it does not initialise");
  }
  return opened;
}

}  // namespace

Result<Curl> open_curl(const char* name) {
  void* const library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return unavailable(::dlerror());
  Curl functions;
#define COFOUNDER_CURL_LOOK_UP(function)                                    \
  if (!look_up(library, "curl_" #function, functions.function)) {           \
    ::dlclose(library);                                                     \
    return unavailable(std::string{name} + " has no curl_" #function);      \
  }
  COFOUNDER_CURL_FUNCTIONS(COFOUNDER_CURL_LOOK_UP)
#undef COFOUNDER_CURL_LOOK_UP
  return functions;
}

const Result<Curl>& load_curl() {
  static const Result<Curl> curl = open_and_init();
  return curl;
}

const Curl& curl() noexcept {
  const Result<Curl>& loaded = load_curl();
  assert(loaded.has_value());
  return *loaded;
}

}  // namespace cofounder::http
