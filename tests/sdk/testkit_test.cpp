// SPDX-License-Identifier: Apache-2.0
// The fake host itself: it must catch what it is there to catch.
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <cstring>

namespace {

namespace testkit = cofounder::testkit;
using testkit::text;

// A plugin in the C interface that does what the test says.
struct Rogue {
  const cof_host* host = nullptr;
  const cof_call_service* call = nullptr;
  const char* kept = nullptr;  // a borrowed pointer that it should not keep
  std::uint64_t kept_size = 0;
  std::uint64_t last_call = 0;
};
Rogue rogue;

std::int32_t create(const cof_host* host, const cof_call*, void** self) {
  rogue.host = host;
  rogue.call = static_cast<const cof_call_service*>(host->query(host, text(COF_CALL_IID)));
  *self = &rogue;
  return COF_OK;
}
void destroy(void*) {}

std::int32_t invoke(void*, const cof_call* call, const cof_invocation* invocation,
                    const cof_sink*) {
  rogue.last_call = call->id;
  const std::string_view name = testkit::view(invocation->name);
  if (name == "positive") return 77;
  if (name == "pending") return COF_PENDING;
  cof_outcome outcome{};
  outcome.struct_size = sizeof outcome;
  if (name == "early") {  // complete() before the return: the returned status is ignored
    outcome.result = testkit::bytes("1");
    rogue.call->complete(rogue.host, call->id, &outcome);
    return COF_EFAILED;
  }
  if (name == "reserved") outcome.reserved = 1;
  if (name == "utf8") outcome.error_message = text("\xC0\x80");
  if (name == "null") outcome.error_message.size = 3;
  if (name == "no_size") outcome.struct_size = 0;
  if (name == "still_pending") outcome.status = COF_PENDING;
  return rogue.call->complete(rogue.host, call->id, &outcome);
}

constexpr cof_plugin rogue_table = [] {
  cof_plugin table{};
  table.struct_size = sizeof table;
  table.abi_major = COF_ABI_MAJOR;
  table.create = &create;
  table.destroy = &destroy;
  table.invoke = &invoke;
  return table;
}();

class TestkitTest : public testing::Test {
 protected:
  testkit::Host host{rogue_table};
  void SetUp() override { host.start(); }
  std::int32_t status_of(std::string_view op) { return host.operation(op, "{}").ended->status; }
};

TEST_F(TestkitTest, CountsASecondCompletionAndChangesNothing) {
  const auto& call = host.operation("early", "{}");
  EXPECT_EQ(call.ended->status, COF_OK);
  EXPECT_EQ(call.ended->result, "1");

  cof_outcome outcome{};
  outcome.struct_size = sizeof outcome;
  outcome.status = COF_EFAILED;
  EXPECT_EQ(rogue.call->complete(rogue.host, call.id, &outcome), COF_EGONE);
  EXPECT_EQ(rogue.call->complete(rogue.host, 4711, &outcome), COF_EGONE);
  EXPECT_EQ(host.late_completions, 2);
  EXPECT_EQ(call.ended->status, COF_OK);
}

TEST_F(TestkitTest, RefusesWhatBreaksTheRules) {
  EXPECT_EQ(status_of("reserved"), COF_EUNSUPPORTED);
  EXPECT_EQ(status_of("utf8"), COF_EINVALID);
  EXPECT_EQ(status_of("null"), COF_EINVALID);
  EXPECT_EQ(status_of("no_size"), COF_EINVALID);
  EXPECT_EQ(status_of("still_pending"), COF_EINVALID);
  EXPECT_EQ(status_of("positive"), COF_EINTERNAL);
  EXPECT_EQ(host.violations.size(), 5u);
}

TEST_F(TestkitTest, RefusesFieldsOfALaterHeaderUnlessTheyAreZero) {
  struct Later {
    cof_outcome known;
    std::uint64_t appended;
  };
  Later later{};
  later.known.struct_size = sizeof later;
  host.operation("pending", "{}");
  later.appended = 1;
  EXPECT_EQ(rogue.call->complete(rogue.host, rogue.last_call, &later.known), COF_EUNSUPPORTED);
  later.appended = 0;
  EXPECT_EQ(rogue.call->complete(rogue.host, rogue.last_call, &later.known), COF_OK);
}

TEST_F(TestkitTest, NoticesACallThatNeverEnds) {
  host.operation("pending", "{}");
  host.stop();
  ASSERT_EQ(host.violations.size(), 1u);
  EXPECT_NE(host.violations[0].find("never ended"), std::string::npos);
}

TEST_F(TestkitTest, AnswersGoneAfterDestroy) {
  host.stop();
  EXPECT_EQ(rogue.call->progress(rogue.host, 1, 0, text("x")), COF_EGONE);
}

TEST(WireTest, CopiesToFreshAddressesAndPoisonsThem) {
  const std::string original = "borrowed";
  testkit::Arena arena;
  char* block = static_cast<char*>(arena.take(4));
  std::memcpy(block, "text", 4);

  testkit::Wire wire;
  const cof_str copy = wire(text(original));
  EXPECT_NE(copy.data, original.data());
  EXPECT_EQ(testkit::view(copy), original);
}

TEST(WireTest, KnowsUtf8) {
  EXPECT_TRUE(testkit::is_utf8("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80"));
  for (const char* bad : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    EXPECT_FALSE(testkit::is_utf8(bad)) << bad;
  }
}

TEST(WireTest, CarriesAWholeRequest) {
  cof_http_part part{};
  part.struct_size = sizeof part;
  part.bytes = testkit::bytes("body");
  const cof_http_part* parts[] = {&part};
  cof_http_request request{};
  request.struct_size = sizeof request;
  request.method = text("POST");
  request.parts = parts;
  request.part_count = 1;
  request.retry_statuses = text("420");

  testkit::Wire wire;
  const cof_http_request* copy = wire(&request);
  ASSERT_EQ(copy->part_count, 1u);
  EXPECT_NE(copy->parts[0], &part);
  EXPECT_EQ(testkit::view(copy->parts[0]->bytes), "body");
  EXPECT_EQ(testkit::view(copy->retry_statuses), "420");

  part.reserved = 1;
  EXPECT_THROW(wire(&request), testkit::Refused);
}

}  // namespace
