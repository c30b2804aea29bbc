// SPDX-License-Identifier: Apache-2.0
#include "core/host/library.hpp"

#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

// The part that runs a plugin's constructors; the process of an isolated plugin has no more.
namespace cofounder::host {

namespace {

std::mutex loaded_mutex;

Result<cof_plugin> check_table(const cof_plugin* table, const std::string& path) {
  const auto invalid = [&](const std::string& why) { return make_error("plugin_invalid", path + ": " + why); };
  if (table == nullptr) return invalid("cof_plugin_entry_v1 returned NULL");
  constexpr std::size_t least = offsetof(cof_plugin, destroy) + sizeof(table->destroy);
  if (table->struct_size < least) return invalid("its table is too small");
  // A table that is longer is from a newer header: the manifest said already that this host is
  // enough, so hooks that it does not know are never called.
  cof_plugin api{};
  std::memcpy(&api, table, std::min<std::size_t>(table->struct_size, sizeof api));
  if (api.abi_major != COF_ABI_MAJOR) {
    return invalid("its table is for ABI " + std::to_string(api.abi_major) + ", this host has " +
                   std::to_string(COF_ABI_MAJOR));
  }
  if (api.create == nullptr || api.destroy == nullptr) return invalid("it has no create or destroy");
  return api;
}

// Handles are never released (see Library); from here leak checkers see them.
boost::dll::shared_library* keep_for_ever(std::unique_ptr<boost::dll::shared_library> library) {
  static auto* const libraries = new std::vector<std::unique_ptr<boost::dll::shared_library>>;
  const std::lock_guard lock{loaded_mutex};
  libraries->push_back(std::move(library));
  return libraries->back().get();
}

}  // namespace

Result<cof_plugin> open_library(const std::string& path, const std::string& shown) {
  try {
    auto* const library = keep_for_ever(std::make_unique<boost::dll::shared_library>(
        path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local));
    const char* const symbol = "cof_plugin_entry_v1";
    if (!library->has(symbol)) {
      return make_error("plugin_invalid", shown + ": it does not export " + symbol);
    }
    const auto entry = library->get<const cof_plugin*()>(symbol);
    return check_table(entry(), shown);
  } catch (const boost::system::system_error& error) {
    return make_error("plugin_not_loaded", shown + ": " + error.what());
  } catch (...) {
    // A constructor threw through the loader, whose lock nobody can free any more.
    std::terminate();
  }
}

}  // namespace cofounder::host
