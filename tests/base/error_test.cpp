// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace cofounder {
namespace {

// A text is a value, in every form in which functions return one.
Result<std::string> from_string() {
  std::string text = "text";
  return text;
}
Result<std::string> from_temporary() { return std::string{"text"}; }
Result<std::string> from_literal() { return "text"; }
Result<std::string> from_error() { return make_error("broken", "it broke", true); }

static_assert(!std::is_aggregate_v<Error>);
static_assert(!std::is_constructible_v<Error, std::string>);
static_assert(std::is_convertible_v<std::string, Result<std::string>>);
static_assert(std::is_convertible_v<const char*, Result<std::string>>);
static_assert(std::is_convertible_v<Error, Result<std::string>>);
// A text is no answer to another question.
static_assert(!std::is_convertible_v<std::string, Result<int>>);

TEST(Error, AResultOfAStringCanBeReturnedFromAString) {
  EXPECT_EQ(from_string().value(), "text");
  EXPECT_EQ(from_temporary().value(), "text");
  EXPECT_EQ(from_literal().value(), "text");
}

TEST(Error, AResultOfAStringHoldsErrorsToo) {
  const auto failed = from_error();
  ASSERT_TRUE(failed.has_error());
  EXPECT_EQ(failed.error(), make_error("broken", "it broke", true));
  EXPECT_THROW(static_cast<void>(failed.value()), ErrorException);
  EXPECT_EQ(Error{}.code, "");
  EXPECT_FALSE(Error{}.retryable);
}

}  // namespace
}  // namespace cofounder
