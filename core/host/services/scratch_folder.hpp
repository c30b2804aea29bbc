// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

namespace cofounder::host {

class Instance;

// The folder of the operation `call_id`, for cof.scratch/1 and cof.file/1: the statuses of path().
// `for_more`: something is to be written there, so the plugin's share must not be full.
std::int32_t scratch_folder(Instance& instance, std::uint64_t call_id, std::int32_t kind,
                            bool for_more, std::filesystem::path& folder);

}  // namespace cofounder::host
