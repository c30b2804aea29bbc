// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_curl.hpp"

#include "core/base/late_library.hpp"

#include <cassert>
#include <string>

namespace cofounder::http {
namespace {

Error unavailable(const std::string& why) {
  Error error = make_error("http_unavailable", "libcurl cannot be used: " + why);
  error.hint = "install the package libcurl4 again and restart the daemon";
  return error;
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
  const Result<LateLibrary> library = LateLibrary::open(name);
  if (!library) return unavailable(library.error().message);
  Curl functions;
#define COFOUNDER_CURL_FIND(function)                                 \
  if (!library->find("curl_" #function, functions.function)) {        \
    return unavailable(std::string{name} + " has no curl_" #function); \
  }
  COFOUNDER_CURL_FUNCTIONS(COFOUNDER_CURL_FIND)
#undef COFOUNDER_CURL_FIND
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
