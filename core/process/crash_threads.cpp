// SPDX-License-Identifier: Apache-2.0
#include "core/process/crash_threads.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COFOUNDER_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COFOUNDER_SANITIZED 1
#endif

#ifdef COFOUNDER_SANITIZED

namespace cofounder {
void give_threads_crash_stacks() {}
}  // namespace cofounder

#else

#include "core/process/crash_handler.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

namespace {

using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

struct Start {
  void* (*function)(void*);
  void* argument;
};

void* run(void* given) {
  const std::unique_ptr<Start> owned{static_cast<Start*>(given)};
  const Start start = *owned;
  const cofounder::CrashStack stack;  // pthread_exit() and cancellation unwind it, too
  return start.function(start.argument);
}

Create real_create() {
  static const auto real = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return real;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*),
    void* argument) noexcept {
  auto* const start = new (std::nothrow) Start{function, argument};
  if (start == nullptr) return EAGAIN;
  const int error = real_create()(thread, attributes, run, start);
  if (error != 0) delete start;
  return error;
}

namespace cofounder {
void give_threads_crash_stacks() { static_cast<void>(real_create()); }
}  // namespace cofounder

#endif
