// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <cofounder/abi.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

namespace cofounder::host {

// A plugin's file, opened once: what was checked is what is read and loaded, whatever happens to
// its name meanwhile.
class LibraryFile {
 public:
  // Codes "unreadable" (also for a link) and "plugin_file_unsafe": it must belong to root or to the
  // daemon's user, and nobody else may write it.
  static Result<LibraryFile> open(const std::filesystem::path& path);

  LibraryFile(LibraryFile&& other) noexcept;
  LibraryFile& operator=(LibraryFile&& other) noexcept;
  ~LibraryFile();

  // What every change of a file changes; times in nanoseconds.
  struct Identity {
    std::int64_t bytes = 0;
    std::int64_t written = 0;
    std::int64_t changed = 0;
    bool operator==(const Identity&) const = default;
  };
  // As it was opened.
  const Identity& identity() const noexcept { return identity_; }
  int descriptor() const noexcept { return descriptor_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  LibraryFile(std::filesystem::path path, int descriptor)
      : path_{std::move(path)}, descriptor_{descriptor} {}
  std::filesystem::path path_;
  int descriptor_ = -1;
  Identity identity_;
};

// What is called when a plugin is entered, for ever valid: libraries are never unloaded, for one
// that touched a thread_local stays mapped anyway, and its path would then give the old code again.
struct Library {
  cof_plugin api;      // fields that the plugin does not know are zero
  std::string sha256;
};

// The daemon's own copy of a plugin's file.
struct LibraryCopy {
  std::filesystem::path path;   // FOLDER/SHA256.so
  std::filesystem::path shown;  // the file that people know
  std::string sha256;
};

// Copies the file to FOLDER/SHA256.so (0500 below a 0700 folder).  Waits for the disk.  Codes
// "unreadable", "plugin_file_changed" (since it was opened), "plugin_not_copied".
Result<LibraryCopy> copy_library(const LibraryFile& file, const std::filesystem::path& folder);

// Loads a library and fetches the one symbol; messages name it as `shown`.  This runs the library's
// constructors, so never call it on the loop.  Codes "plugin_not_loaded", "plugin_invalid".
Result<cof_plugin> open_library(const std::string& path, const std::string& shown);

// Both.  glibc knows libraries by name: a name that says the content cannot give old code.  Code is
// never unloaded, so after `codes_max` versions of a plugin (`codes`: sha256 of those that were
// loaded) no new one is: code "too_many_generations".
inline constexpr std::size_t codes_max = 8;
Result<Library> load_library(const LibraryFile& file, const std::filesystem::path& folder,
                             const std::set<std::string>& codes = {});

// Removes copies that this process did not load.
void remove_old_copies(const std::filesystem::path& folder) noexcept;

}  // namespace cofounder::host
