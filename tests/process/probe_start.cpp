// SPDX-License-Identifier: Apache-2.0
#include "tests/process/probe.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

// How a child finds itself when it starts, before any sandbox.
namespace cofounder::test {
namespace {

std::string descriptors() {
  std::set<int> open;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(folder)) {
    const int number = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && number != ::dirfd(folder)) open.insert(number);
  }
  std::ostringstream text;
  for (const int number : open) text << number << ' ';
  return text.str();
}

// The lines of /proc/self/status that matter, joined.
std::string status() {
  std::ifstream file{"/proc/self/status"};
  std::string text;
  for (std::string line; std::getline(file, line);) {
    for (const char* name : {"NoNewPrivs:", "SigBlk:", "SigIgn:", "CapEff:", "CapAmb:", "Groups:"}) {
      if (!line.starts_with(name)) continue;
      std::replace(line.begin(), line.end(), '\t', ' ');
      text += line + "|";
    }
  }
  return text;
}

std::string environment() {
  std::string text;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    text += std::string{*one} + "|";
  }
  return text.empty() ? "empty" : text;
}

std::string limit(int resource) {
  rlimit now{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &now);
  return std::to_string(now.rlim_cur) + "/" + std::to_string(now.rlim_max);
}

}  // namespace

std::string try_start(std::string_view act, const ProbeCall& call) {
  if (act == "descriptors") return descriptors();
  if (act == "status") return status();
  if (act == "environment") return environment();
  if (act == "identity") {
    const mode_t mask = ::umask(0);
    std::ostringstream text;
    text << ::getuid() << ' ' << ::geteuid() << ' ' << ::getgid() << " umask " << std::oct << mask
         << " session " << (::getsid(0) == ::getpid()) << " group " << (::getpgrp() == ::getpid());
    return text.str();
  }
  if (act == "limits") return limit(RLIMIT_CORE) + " " + limit(RLIMIT_CPU) + " " + limit(RLIMIT_NOFILE);
  if (act == "folder") {
    char* const folder = ::getcwd(nullptr, 0);
    return folder;
  }
  if (act == "death") {
    int signal = 0;
    ::prctl(PR_GET_PDEATHSIG, &signal);
    return std::to_string(signal);
  }
  if (act == "read_given") {
    // What the parent gave as descriptors 57 and 59, swapped against what it had itself.
    char text[3] = {};
    const ssize_t got = ::pread(57, text, 1, 0) + ::pread(59, text + 1, 1, 0);
    return got == 2 ? text : "nothing";
  }
  if (act == "exit") ::_exit(std::atoi(call.argument.c_str()));
  return "";
}

}  // namespace cofounder::test
