// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace {

struct Result {
  int cancelled = -1, timed_out = -1, local = -1, others = -1;
  long gap_ms = -1, total_ms = -1;
};

Result run_with_slow_resolver() {
  const std::string command = "LD_PRELOAD=" SLOW_GETADDRINFO " " SLOW_RESOLVER_PROGRAM;
  std::FILE* const output = ::popen(command.c_str(), "r");
  char line[256] = "";
  if (std::fgets(line, sizeof line, output) == nullptr) line[0] = '\0';
  ::pclose(output);
  Result run;
  std::sscanf(line, "cancelled=%d timed_out=%d local=%d others=%d gap_ms=%ld total_ms=%ld",
              &run.cancelled, &run.timed_out, &run.local, &run.others, &run.gap_ms, &run.total_ms);
  return run;
}

TEST(ClientResolver, NeverHoldsUpTheLoop) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has to be the first preloaded library; the release build runs this";
#endif
  // Other programs of a busy machine can hold up any loop: one good run of three shows that ours
  // does not do it itself.
  Result run;
  for (int i = 0; i < 3; ++i) {
    run = run_with_slow_resolver();
    ASSERT_EQ(run.cancelled, 50);
    ASSERT_EQ(run.timed_out, 50);
    ASSERT_EQ(run.local, 1) << "localhost must not be asked for";
    ASSERT_EQ(run.others, 0);
    ASSERT_LT(run.total_ms, 3000) << "it waited for the resolver";
    if (run.gap_ms < 50) break;
  }
  EXPECT_LT(run.gap_ms, 50);
}

}  // namespace
