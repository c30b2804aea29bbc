// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cofounder {

struct Symbol {
  std::string name;  // as it stands in the file: C++ names are mangled
  std::uint64_t distance = 0;  // of the offset from its beginning
};

// Which functions of the ELF file `path` the `offsets` lie in; those in none are left out.  Reads
// .symtab, or .dynsym of a stripped file, as far as 64 MiB of symbols; a file that is no regular
// file or makes no sense has none.
std::map<std::uint64_t, Symbol> find_symbols(const std::string& path,
                                             const std::vector<std::uint64_t>& offsets);

}  // namespace cofounder
