// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/descriptor.hpp"
#include "core/base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

// Opening files whose names others chose.  The kernel resolves them (openat2), so that there is no
// moment between a check and the use.
namespace cofounder {

// What no client may reach, wherever the allowed folders lie: real paths of folders and files.
using Protected = std::vector<std::string>;

// `name` for a message: quoted, cut, without control characters.
std::string shown(std::string_view name);

// The part of `name` below `root`, or empty when it is not below.  Purely by text.
std::string_view below(std::string_view name, const std::filesystem::path& root);

// Code "file_denied" for a name that cannot be a path: empty, relative, too long, with a NUL or
// with a "..".
std::optional<Error> check_path(std::string_view name);
// The same for the name of a file in a folder: no '/' and none of "", "." and "..".
std::optional<Error> check_file_name(std::string_view name);

// The folder `relative` below `root` (empty: root itself), to be used with the ...at functions.
// Links in `root` itself are the operator's and followed, those below it never.
Result<Descriptor> open_folder_below(const std::filesystem::path& root, std::string_view relative,
                                     std::string_view name);
// A regular file for reading.  Nothing but a regular file is ever opened, so that a FIFO cannot
// hang and a device notices nothing.
Result<Descriptor> open_file_below(const std::filesystem::path& root, std::string_view relative,
                                   std::string_view name, std::uint64_t bytes_max,
                                   const Protected& hidden);

// Whether the file that `descriptor` stands for is one of them or below one.
bool is_protected(int descriptor, std::string_view file_name, const Protected& hidden);

}  // namespace cofounder
