// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

// The child's side of a crash: what SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP and
// SIGXCPU leave behind.  The parent's side, and the format: crash_report.hpp.
//
// The handler runs on a stack of its own, so that an overflow of the thread's stack is reported,
// too.  It uses async-signal-safe system calls and memory that was made before.  One step is less
// than safe: unwinding.  Since glibc 2.35 and GCC 12 it takes no lock; before, a crash inside dlopen
// could wait for ever.  So the signal and the address are written first, and an alarm ends it all
// after two seconds.  Which library an address belongs to is looked up in a list that is made
// beforehand (note_modules), not by the dynamic linker.
//
// For the child: no Boost, no thread.
namespace cofounder {

// Reports go to `descriptor`, a memfd or pipe of the parent's, which must stay open.  Call it on
// the main thread, once, before any other thread.  False with errno when the kernel refuses.  Every
// thread that is made from now on, also by a plugin, gets a signal stack (without sanitizers, which
// have stacks of their own).
bool install_crash_handler(int descriptor);

// Notes which libraries are loaded.  Call it after each dlopen; not from two threads at once.
void note_modules();

// A signal stack for the thread that makes it, until it ends.  For threads that
// install_crash_handler() does not see.
class CrashStack {
 public:
  CrashStack() noexcept;  // without memory there is none: a stack overflow is then not reported
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
  void* old_memory_ = nullptr;
  std::size_t old_bytes_ = 0;
  int old_flags_ = 0;
};

}  // namespace cofounder
