// SPDX-License-Identifier: Apache-2.0
#include "core/process/crash_handler.hpp"
#include "tests/process/probe.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

// What plugins do all day, what limits do to them, and how they crash.
namespace cofounder::test {
namespace {

using Act = std::function<std::string(const ProbeCall&)>;

std::string last_errno(bool done) { return done ? "ok" : errno_name(errno); }

std::string use_threads(const ProbeCall&) {
  std::mutex mutex;
  std::condition_variable changed;
  int ended = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const std::lock_guard lock{mutex};
      ++ended;
      changed.notify_all();
    });
  }
  {
    std::unique_lock lock{mutex};
    if (!changed.wait_for(lock, std::chrono::seconds{10}, [&] { return ended == 8; })) return "no";
  }
  for (auto& thread : threads) thread.join();
  return "ok";
}

std::string use_memfd(const ProbeCall&) {
  const int file = ::memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0 || ::ftruncate(file, 4096) != 0) return errno_name(errno);
  if (::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return errno_name(errno);
  void* const memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return last_errno(memory != MAP_FAILED);
}

// Sends a memfd's descriptor and waits for the same message back: what every large body does.
std::string use_socket(const ProbeCall&) {
  const int file = ::memfd_create("body", MFD_CLOEXEC);
  char byte = 'x';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(header)) = file;
  if (::sendmsg(probe_socket, &message, MSG_NOSIGNAL) != 1) return errno_name(errno);
  message.msg_controllen = sizeof control;
  if (::recvmsg(probe_socket, &message, MSG_CMSG_CLOEXEC) != 1) return errno_name(errno);
  if (::send(probe_socket, "y", 1, MSG_NOSIGNAL) != 1) return errno_name(errno);
  return message.msg_controllen == 0 ? "no descriptor came back" : "ok";
}

std::string use_kernel(const ProbeCall&) {
  char random[16];
  if (::getrandom(random, sizeof random, 0) != sizeof random) return "getrandom";
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const int event = ::eventfd(1, EFD_CLOEXEC);
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) != 0) return "epoll_ctl";
  if (::epoll_wait(epoll, &wanted, 1, 5'000) != 1) return "epoll_wait";
  timespec moment{0, 1};
  if (::nanosleep(&moment, nullptr) != 0) return "nanosleep";
  if (::personality(0xffff'ffff) < 0) return "personality";
  if (::prctl(PR_SET_NAME, "plugin") != 0) return "prctl";
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return "getrlimit";
  return "ok";
}

std::string use_scratch(const ProbeCall& call) {
  namespace fs = std::filesystem;
  const fs::path scratch = call.scratch;
  std::error_code error;
  fs::create_directory(scratch / "folder", error);
  std::ofstream{scratch / "folder" / "a"} << "hello";
  if (!error) fs::copy_file(scratch / "folder" / "a", scratch / "b", error);
  if (!error) fs::rename(scratch / "b", scratch / "folder" / "c", error);
  if (error) return error.message();
  std::string read;
  std::ifstream{scratch / "folder" / "c"} >> read;
  std::size_t names = 0;
  for (const auto& entry : fs::directory_iterator{scratch / "folder"}) names += entry.exists();
  fs::remove_all(scratch / "folder", error);
  if (error) return error.message();
  return read == "hello" && names == 2 ? "ok" : "read " + read + " of " + std::to_string(names);
}

std::string load_library(const ProbeCall& call) {
  void* const library = ::dlopen(call.argument.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return ::dlerror();
  const auto entry =
      reinterpret_cast<const void* (*)()>(::dlsym(library, "cof_plugin_entry_v1"));
  return entry != nullptr && entry() != nullptr ? "ok" : "no entry";
}

std::string signal_itself(const ProbeCall&) {
  static int seen = 0;
  ::signal(SIGUSR1, [](int) { ++seen; });
  ::raise(SIGUSR1);
  ::kill(::getpid(), SIGUSR1);
  return std::to_string(seen);
}

std::string eat_memory(const ProbeCall&) {
  // More than the limit in one piece, and in many.
  errno = 0;
  void* volatile whole = std::malloc(std::size_t{1} << 33);
  asm volatile("" : : : "memory");  // the compiler thinks that malloc() leaves errno alone
  if (whole != nullptr) return "8 GiB were given";
  const std::string first = errno_name(errno);
  std::size_t taken = 0;
  for (;; taken += 1U << 20) {
    void* const memory = ::mmap(nullptr, 1U << 20, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) break;
    if (taken > std::size_t{1} << 33) return "8 GiB in pieces were given";
  }
  return first + " " + errno_name(errno);
}

// All that there is, and really.
std::string eat_and_touch(const ProbeCall&) {
  for (std::size_t taken = 0; taken < std::size_t{1} << 30; taken += 1U << 20) {
    void* const memory = ::mmap(nullptr, 1U << 20, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) return errno_name(errno);
  }
  return "1 GiB was given";
}

std::string eat_descriptors(const ProbeCall&) {
  while (::dup(probe_answer) >= 0) {
  }
  return errno_name(errno);
}

[[noreturn]] void spin() {
  volatile std::uint64_t count = 0;
  for (;;) count = count + 1;
}

std::string fill_file(const ProbeCall& call) {
  ::signal(SIGXFSZ, SIG_IGN);
  const int file = ::open((call.scratch + "/big").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::vector<char> block(65'536, 'x');
  for (int i = 0; i < 1'000; ++i) {
    if (::write(file, block.data(), block.size()) < 0) return errno_name(errno);
  }
  return "64 MB were written";
}

// -- crashes; noinline, with names that a backtrace can show --

extern "C" __attribute__((noinline)) void probe_touch_null() {
  *reinterpret_cast<volatile int*>(std::uintptr_t{16}) = 1;
}

extern "C" __attribute__((noinline)) int probe_recurse(volatile const char* above) {
  volatile char here[512];
  here[0] = above == nullptr ? '\0' : above[0];
  if (here[0] != '\0') return 0;  // never
  return probe_recurse(here) + here[0];
}

__attribute__((no_sanitize("undefined"))) std::string crash(const std::string& how) {
  volatile int zero = 0;
  volatile int seven = 7;
  if (how == "null") probe_touch_null();
  if (how == "overflow") return std::to_string(probe_recurse(nullptr));
  if (how == "abort") std::abort();
  if (how == "divide") return std::to_string(seven / zero);
  if (how == "throw") throw 1;
  if (how == "spin") spin();
  if (how == "overflow in thread") {
    std::thread{[] { probe_recurse(nullptr); }}.join();
  }
  if (how == "null in thread") std::thread{probe_touch_null}.join();
  return "still there";
}

}  // namespace

std::string try_allowed(std::string_view act, const ProbeCall& call) {
  const std::map<std::string_view, Act> acts{
      {"enter", [](const ProbeCall&) { return "ok"; }},
      {"threads", use_threads},
      {"memfd", use_memfd},
      {"socket", use_socket},
      {"kernel", use_kernel},
      {"scratch", use_scratch},
      {"read", [](const ProbeCall& c) {
         return last_errno(::open(c.argument.c_str(), O_RDONLY | O_CLOEXEC) >= 0);
       }},
      {"load", load_library},
      {"signal_itself", signal_itself},
      {"eat_memory", eat_memory},
      {"eat_and_touch", eat_and_touch},
      {"eat_descriptors", eat_descriptors},
      {"fill_file", fill_file},
      {"crash", [](const ProbeCall& c) { return crash(c.argument); }},
      {"wait", [](const ProbeCall&) -> std::string {
         [[maybe_unused]] const auto ignored = ::write(probe_answer, "ready", 5);
         for (;;) ::pause();
       }},
      {"wait_stubbornly", [](const ProbeCall&) -> std::string {
         ::signal(SIGTERM, SIG_IGN);
         [[maybe_unused]] const auto ignored = ::write(probe_answer, "ready", 5);
         for (;;) ::pause();
       }},
  };
  const auto found = acts.find(act);
  return found == acts.end() ? "" : found->second(call);
}

}  // namespace cofounder::test
