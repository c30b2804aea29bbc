// SPDX-License-Identifier: Apache-2.0
#include "core/host/sha256.hpp"

#include <gtest/gtest.h>

namespace cofounder {
namespace {

TEST(Sha256Test, AgreesWithTheStandardsVectors) {
  Sha256 sha256;
  sha256.update("a");
  sha256.update("bc");
  EXPECT_EQ(sha256.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256{}.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace cofounder
