// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_libpq.hpp"

#include "core/base/late_library.hpp"

#include <cassert>
#include <string>

namespace cofounder {
namespace {

Error unusable(const std::string& why) {
  Error error = make_error("store_unusable", "libpq cannot be used: " + why);
  error.hint = "install the package libpq5 and restart the daemon";
  return error;
}

}  // namespace

Result<Libpq> open_libpq(const char* name) {
  const Result<LateLibrary> library = LateLibrary::open(name);
  if (!library) return unusable(library.error().message);
  Libpq functions;
#define COFOUNDER_LIBPQ_FIND(function)                            \
  if (!library->find("PQ" #function, functions.function)) {       \
    return unusable(std::string{name} + " has no PQ" #function);  \
  }
  COFOUNDER_LIBPQ_FUNCTIONS(COFOUNDER_LIBPQ_FIND)
#undef COFOUNDER_LIBPQ_FIND
  return functions;
}

const Result<Libpq>& load_libpq() {
  static const Result<Libpq> libpq = open_libpq("libpq.so.5");
  return libpq;
}

const Libpq& pq() noexcept {
  const Result<Libpq>& loaded = load_libpq();
  assert(loaded.has_value());
  return *loaded;
}

}  // namespace cofounder
