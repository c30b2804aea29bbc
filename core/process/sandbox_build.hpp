// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cofounder {

// Sanitizers need what the sandbox forbids (/proc, other threads, memory without end), so builds
// with one have none, and say so wherever isolation is shown.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool has_sandbox = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool has_sandbox = false;
#else
inline constexpr bool has_sandbox = true;
#endif
#else
inline constexpr bool has_sandbox = true;
#endif

}  // namespace cofounder
