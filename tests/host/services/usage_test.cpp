// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

namespace cofounder::host::test {
namespace {

class UsageServiceTest : public ServiceTest {
 protected:
  static cof_usage_record chat() {
    cof_usage_record record{};
    record.struct_size = sizeof record;
    record.known = COF_USAGE_INPUT_TOKENS | COF_USAGE_COST;
    record.provider = text("p");
    record.model = text("org/m");
    record.operation = text("chat");
    record.input_tokens = 10;
    record.output_tokens = -7;  // not known, so not looked at
    record.cost_micros = 250;
    return record;
  }
  const cof_usage_service* usage = table<cof_usage_service>(COF_USAGE_IID);
};

TEST_F(UsageServiceTest, RecordsAndSums) {
  load();
  auto record = chat();
  EXPECT_EQ(usage->record(host, 0, &record, 1), COF_OK);
  EXPECT_EQ(last(1).status, COF_OK);
  record.failed = 1;
  record.known = 0;
  EXPECT_EQ(usage->record(host, add_call(COF_CALL_OPERATION)->id, &record, 0), COF_OK);
  const auto now = clock.now().time_since_epoch().count();
  EXPECT_EQ(usage->sum(host, 0, text("op"), now - 1'000, now + 1'000, 2), COF_OK);
  EXPECT_EQ(last(2).body,
            R"({"rows":[{"key":"x.chat","calls":2,"failed":1,"input_tokens":10,)"
            R"("output_tokens":0,"cost_micros":250,"unpriced":1}]})");
  EXPECT_EQ(usage->sum(host, 0, text("day"), 0, 1, 3), COF_OK);
  EXPECT_EQ(last(3).body, R"({"rows":[]})");
}

TEST_F(UsageServiceTest, RefusesWhatCannotBe) {
  load();
  const auto with = [&](auto change) {
    auto record = chat();
    change(record);
    return usage->record(host, 0, &record, 1);
  };
  EXPECT_EQ(with([](auto& r) { r.known |= 32; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& r) { r.failed = 2; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& r) { r.reserved = 1; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& r) { r.provider = text(""); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.model = broken_text; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.input_tokens = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.cost_micros = -1; }), COF_EINVALID);
  EXPECT_EQ(usage->record(host, 0, nullptr, 1), COF_EINVALID);
  const auto record = chat();
  EXPECT_EQ(usage->record(host, no_call, &record, 1), COF_EGONE);
  EXPECT_EQ(usage->sum(host, 0, text("week"), 0, 1, 1), COF_EINVALID);
  EXPECT_EQ(usage->sum(host, 0, text("op"), 2, 1, 1), COF_EINVALID);
  EXPECT_EQ(usage->sum(host, 0, text("op"), -1, 1, 1), COF_EINVALID);
  EXPECT_EQ(usage->sum(host, 0, text("op"), 0, 1, 0), COF_EINVALID);
  EXPECT_EQ(usage->sum(host, 0, broken_text, 0, 1, 1), COF_EINVALID);
  EXPECT_EQ(usage->sum(host, no_call, text("op"), 0, 1, 1), COF_EGONE);
}

}  // namespace
}  // namespace cofounder::host::test
