// SPDX-License-Identifier: Apache-2.0
#include "core/process/crash_handler.hpp"

#include "core/process/crash_threads.hpp"

#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <iterator>
#include <new>
#include <string_view>

namespace cofounder {
namespace {

constexpr int reported_signals[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,
                                    SIGABRT, SIGSYS, SIGTRAP, SIGXCPU};
constexpr int frames_max = 64;
constexpr unsigned patience_s = 2;  // for the whole report
constexpr std::int64_t moment_ms = 2'000;
constexpr std::size_t stack_bytes = 65'536;
constexpr std::size_t modules_max = 128;
constexpr std::size_t module_name_max = 256;

struct Module {
  std::uintptr_t begin;
  std::uintptr_t end;
  std::uintptr_t base;
  char name[module_name_max];
};

// Made before the crash; the handler only reads it.
struct {
  int descriptor = -1;
  Module modules[modules_max];
  std::atomic<std::size_t> modules_count{0};
  std::atomic<pid_t> thread{0};  // that reports
  std::size_t memory_max = 0;    // RLIMIT_DATA; 0: none
  std::atomic<std::int64_t> refused_at{0};  // when operator new had no memory last, in ms
} known;

// Text without allocation.
class Line {
 public:
  Line& text(std::string_view piece) noexcept {
    const std::size_t length = std::min(piece.size(), sizeof buffer_ - length_);
    std::memcpy(buffer_ + length_, piece.data(), length);
    length_ += length;
    return *this;
  }
  Line& number(std::uint64_t value, unsigned base) noexcept {
    char digits[24];
    std::size_t at = sizeof digits;
    do {
      digits[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    return text({digits + at, sizeof digits - at});
  }
  void write() noexcept {
    text("\n");
    std::size_t done = 0;
    while (done < length_) {
      const ssize_t wrote = ::write(known.descriptor, buffer_ + done, length_ - done);
      if (wrote <= 0) return;  // a full pipe or a closed one: the signal still tells
      done += static_cast<std::size_t>(wrote);
    }
  }

 private:
  char buffer_[module_name_max + 128];
  std::size_t length_ = 0;
};

std::uint64_t whole(int value) noexcept { return static_cast<std::uint32_t>(value); }

void write_frame(std::uintptr_t address) noexcept {
  const std::size_t count = known.modules_count.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    const Module& module = known.modules[i];
    if (address < module.begin || address >= module.end) continue;
    Line{}.text("frame ").number(address - module.base, 16).text(" ").text(module.name).write();
    return;
  }
  Line{}.text("frame ").number(address, 16).text(" ?").write();
}

struct Where {
  std::uintptr_t pc = 0;
  std::uintptr_t sp = 0;
};

Where where(const void* context) noexcept {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return {static_cast<std::uintptr_t>(machine.gregs[REG_RIP]),
          static_cast<std::uintptr_t>(machine.gregs[REG_RSP])};
#elif defined(__aarch64__)
  return {machine.pc, machine.sp};
#else
  static_cast<void>(machine);
  return {};
#endif
}

void write_frames(std::uintptr_t pc) noexcept {
  void* frames[frames_max];
  const int count = ::backtrace(frames, frames_max);
  // Below the fault stand this handler and the kernel's trampoline.
  int first = 0;
  while (first < count && reinterpret_cast<std::uintptr_t>(frames[first]) != pc) ++first;
  if (pc != 0) write_frame(pc);
  for (int i = first < count ? first + 1 : 1; i < count; ++i) {
    // The call itself, not where it returns to: that may be another line, or another function.
    write_frame(reinterpret_cast<std::uintptr_t>(frames[i]) - 1);
  }
}

void arm_alarm() noexcept {
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;
  ::sigaction(SIGALRM, &plain, nullptr);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::alarm(patience_s);
}

std::int64_t now_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000 + now.tv_nsec / 1'000'000;
}

// What operator new does by itself; that it had to stays known for a moment: an exception that
// nobody catches ends in abort() then.
void note_refusal() {
  known.refused_at.store(now_ms(), std::memory_order_relaxed);
  throw std::bad_alloc{};
}

// Whether the limit leaves less than a quarter of it, or has just refused an object.
bool is_memory_full() noexcept {
  const std::int64_t refused = known.refused_at.load(std::memory_order_relaxed);
  if (refused != 0 && now_ms() - refused < moment_ms) return true;
  if (known.memory_max == 0) return false;
  const std::size_t bytes = known.memory_max / 4;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return errno == ENOMEM;
  ::munmap(memory, bytes);
  return false;
}

extern "C" void cofounder_on_crash(int signal, siginfo_t* info, void* context) {
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  pid_t nobody = 0;
  if (known.thread.compare_exchange_strong(nobody, self)) {
    arm_alarm();
    const Where at = where(context);
    Line{}.text("cofounder-crash 1").write();
    Line{}.text("signal ").number(whole(signal), 10).text(" ").number(whole(info->si_code), 16).write();
    // Only a fault of the processor has an address.
    if (info->si_code > 0 && (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE ||
                              signal == SIGILL || signal == SIGTRAP)) {
      Line{}.text("address ").number(reinterpret_cast<std::uintptr_t>(info->si_addr), 16).write();
    }
    Line{}.text("stack ").number(at.sp, 16).write();
    Line{}.text("thread ").number(whole(self), 10).write();
    if (is_memory_full()) Line{}.text("memory full").write();
    write_frames(at.pc);
    Line{}.text("end").write();
  } else if (nobody != self) {
    for (;;) ::pause();  // another thread reports, and ends us all
  }
  // SA_RESETHAND has restored the default; the signal is blocked until this returns.
  ::syscall(SYS_tgkill, ::getpid(), self, signal);
}

int note_module(dl_phdr_info* info, std::size_t, void* program) {
  std::uintptr_t begin = UINTPTR_MAX;
  std::uintptr_t end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const std::uintptr_t start = info->dlpi_addr + header.p_vaddr;
    begin = std::min(begin, start);
    end = std::max(end, start + header.p_memsz);
  }
  const std::size_t count = known.modules_count.load(std::memory_order_relaxed);
  if (count == modules_max || begin >= end) return 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (known.modules[i].begin == begin && known.modules[i].end == end) return 0;
  }
  const bool is_program = info->dlpi_name == nullptr || *info->dlpi_name == '\0';
  const std::string_view name = is_program ? static_cast<const char*>(program) : info->dlpi_name;
  Module& module = known.modules[count];
  module.begin = begin;
  module.end = end;
  module.base = info->dlpi_addr;
  const std::size_t length = std::min(name.size(), module_name_max - 1);
  std::memcpy(module.name, name.data(), length);
  module.name[length] = '\0';
  known.modules_count.store(count + 1, std::memory_order_release);
  return 0;
}

}  // namespace

void note_modules() {
  char program[module_name_max] = {};
  const ssize_t length = ::readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) std::strcpy(program, "program");
  ::dl_iterate_phdr(note_module, program);
}

bool install_crash_handler(int descriptor) {
  known.descriptor = descriptor;
  // The first backtrace() loads libgcc and allocates.
  void* warm[2];
  static_cast<void>(::backtrace(warm, 2));
  note_modules();
  rlimit data{};
  if (::getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY) {
    known.memory_max = data.rlim_cur;
  }
  std::set_new_handler(note_refusal);
  static CrashStack of_main_thread;
  give_threads_crash_stacks();

  struct sigaction action{};
  action.sa_sigaction = cofounder_on_crash;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  return std::all_of(std::begin(reported_signals), std::end(reported_signals), [&](int signal) {
    return ::sigaction(signal, &action, nullptr) == 0;
  });
}

CrashStack::CrashStack() noexcept {
  const auto guard = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t frame = ::getauxval(AT_MINSIGSTKSZ);  // what the processor's registers need
  const std::size_t bytes = guard + stack_bytes + (frame + guard - 1) / guard * guard;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  ::mprotect(memory, guard, PROT_NONE);
  stack_t stack{};
  stack.ss_sp = static_cast<char*>(memory) + guard;
  stack.ss_size = bytes - guard;
  stack_t old{};
  if (::sigaltstack(&stack, &old) != 0) {
    ::munmap(memory, bytes);
    return;
  }
  memory_ = memory;
  bytes_ = bytes;
  old_memory_ = old.ss_sp;
  old_bytes_ = old.ss_size;
  old_flags_ = old.ss_flags;
}

CrashStack::~CrashStack() {
  if (memory_ == nullptr) return;
  stack_t old{};
  old.ss_sp = old_memory_;
  old.ss_size = old_bytes_;
  old.ss_flags = old_flags_ & SS_DISABLE;
  ::sigaltstack(&old, nullptr);
  ::munmap(memory_, bytes_);
}

}  // namespace cofounder
