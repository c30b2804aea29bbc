// SPDX-License-Identifier: Apache-2.0
// A plugin file that nobody loaded yet: the ELF note, and the manifest in it.
#include "core/host/manifest.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cofounder;
  const auto image = std::as_bytes(std::span{data, size});
  if (const auto note = read_manifest_note(image)) {
    fuzz::require(note->size() <= size, "a note lies inside of its file");
    (void)parse_manifest(*note);
  }
  if (const auto manifest = parse_manifest(fuzz::text_of(data, size))) {
    fuzz::require(!manifest->id.empty() && manifest->id.size() <= 32, "an accepted id is one");
    for (const auto& operation : manifest->operations) {
      fuzz::require(manifest->find_operation(operation.name) != nullptr,
                    "each operation can be found");
    }
  }
  return 0;
}
