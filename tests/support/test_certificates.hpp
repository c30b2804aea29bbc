// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace cofounder::test {

// A certificate authority of a test, and what it (or nobody) vouches for; written as PEM files
// NAME.pem and NAME.key.
class TestCertificates {
 public:
  explicit TestCertificates(std::filesystem::path directory);  // writes ca.pem
  ~TestCertificates();

  struct Request {
    std::string name;  // of the files
    std::string host = "IP:127.0.0.1,DNS:localhost";
    std::chrono::hours valid_from{-24};
    std::chrono::hours valid_until{24};
    bool is_self_signed = false;
  };
  void make(const Request& request) const;

 private:
  struct Keys;
  std::filesystem::path directory_;
  std::unique_ptr<Keys> ca_;
};

}  // namespace cofounder::test
