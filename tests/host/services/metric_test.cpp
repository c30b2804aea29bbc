// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

#include <array>
#include <limits>
#include <string>

namespace cofounder::host::test {
namespace {

class MetricServiceTest : public ServiceTest {
 protected:
  static cof_metric_family family(std::int32_t kind, std::string_view name,
                                  std::string_view labels = {}) {
    cof_metric_family family{};
    family.struct_size = sizeof family;
    family.kind = kind;
    family.name = text(name);
    family.help = text("Help.");
    family.labels = text(labels);
    return family;
  }
  std::uint64_t added(const cof_metric_family& wanted) {
    std::uint64_t handle = 0;
    EXPECT_EQ(metric_table->family(host, &wanted, &handle), COF_OK);
    EXPECT_NE(handle, 0u);
    return handle;
  }
  std::int32_t refused(const cof_metric_family& wanted) {
    std::uint64_t handle = 0;
    return metric_table->family(host, &wanted, &handle);
  }
  const cof_metric_service* metric_table = table<cof_metric_service>(COF_METRIC_IID);
};

TEST_F(MetricServiceTest, CountsSetsAndObserves) {
  manifest.permissions.metrics = true;
  load();
  const auto tokens = added(family(COF_METRIC_COUNTER, "tokens", "model,direction"));
  const std::array labels = {text("m"), text("in")};
  EXPECT_EQ(metric_table->add(host, tokens, labels.data(), 2, 5), COF_OK);
  const auto gauge = added(family(COF_METRIC_GAUGE, "depth"));
  EXPECT_EQ(metric_table->set(host, gauge, nullptr, 0, 3), COF_OK);
  EXPECT_EQ(metric_table->forget(host, gauge, nullptr, 0), COF_OK);
  const std::array bounds = {1.0, 2.0};
  auto wanted = family(COF_METRIC_HISTOGRAM, "size");
  wanted.bounds = bounds.data();
  wanted.bound_count = 2;
  EXPECT_EQ(metric_table->observe(host, added(wanted), nullptr, 0, 1.5), COF_OK);

  Sink out;
  EXPECT_EQ(metric_table->snapshot(host, out), COF_OK);
  const auto document = json::parse(out.written).value();
  EXPECT_EQ(metric("cofounderd_tokens", "direction", "in"), 5);
  EXPECT_NE(out.written.find(R"("buckets":[[1,0],[2,1],["+Inf",1]],"sum":1.5,"count":1)"),
            std::string::npos);
  EXPECT_NE(out.written.find(R"("name":"cofounderd_depth","kind":"gauge","help":"Help.",)"
                             R"("unit":"","samples":[])"),
            std::string::npos);
  Sink full;
  full.answer = COF_ECANCELLED;
  EXPECT_EQ(metric_table->snapshot(host, full), COF_ECANCELLED);
}

TEST_F(MetricServiceTest, TheCoresFiguresAreAtMostASecondOld) {
  manifest.permissions.metrics = true;
  load();
  advance(Nanoseconds{0});
  const auto asked = [&] {
    Sink out;
    EXPECT_EQ(metric_table->snapshot(host, out), COF_OK);
    const auto document = json::parse(out.written).value();
    return document.root().at_pointer("/families/0/asked").as_integer();
  };
  EXPECT_EQ(asked(), 1);
  advance(std::chrono::seconds{1});
  EXPECT_EQ(asked(), 2);
  instance->end_own_call();
  advance(std::chrono::seconds{5});
  EXPECT_EQ(core_asked, 2) << "nobody is there to ask";
  EXPECT_EQ(clock.timers(), 0u);
}

TEST_F(MetricServiceTest, GivesTheStatusesOfItsHeader) {
  load();
  EXPECT_EQ(metric_table->snapshot(host, Sink{}), COF_EDENIED);
  const auto counter = added(family(COF_METRIC_COUNTER, "c", "l"));
  EXPECT_EQ(added(family(COF_METRIC_COUNTER, "c", "l")), counter);
  EXPECT_EQ(refused(family(COF_METRIC_GAUGE, "Bad")), COF_EINVALID);
  EXPECT_EQ(refused(family(COF_METRIC_GAUGE, "g", "a,")), COF_EINVALID);
  EXPECT_EQ(refused(family(9, "g")), COF_EUNSUPPORTED);
  EXPECT_EQ(refused(family(COF_METRIC_COUNTER, "c", "other")), COF_EEXISTS);
  auto bad = family(COF_METRIC_HISTOGRAM, "h");
  bad.bound_count = 65;
  EXPECT_EQ(refused(bad), COF_EINVALID);
  bad.bound_count = 1;
  EXPECT_EQ(refused(bad), COF_EINVALID) << "no bounds";
  bad.bound_count = 0;
  bad.help = broken_text;
  EXPECT_EQ(refused(bad), COF_EINVALID);
  const auto fine = family(COF_METRIC_GAUGE, "g");
  EXPECT_EQ(metric_table->family(host, &fine, nullptr), COF_EINVALID);
  EXPECT_EQ(metric_table->family(host, nullptr, nullptr), COF_EINVALID);

  const std::array labels = {text("v")};
  EXPECT_EQ(metric_table->add(host, counter, labels.data(), 1, -1), COF_EINVALID);
  EXPECT_EQ(metric_table->add(host, counter, labels.data(), 1,
                              std::numeric_limits<double>::infinity()),
            COF_EINVALID);
  EXPECT_EQ(metric_table->add(host, counter, nullptr, 1, 1), COF_EINVALID);
  EXPECT_EQ(metric_table->add(host, counter, labels.data(), 0, 1), COF_EINVALID);
  EXPECT_EQ(metric_table->add(host, counter, labels.data(), 9, 1), COF_EINVALID);
  EXPECT_EQ(metric_table->add(host, counter, &broken_text, 1, 1), COF_EINVALID);
  EXPECT_EQ(metric_table->set(host, counter, labels.data(), 1, 1), COF_EINVALID);
  EXPECT_EQ(metric_table->observe(host, counter, labels.data(), 1, 1), COF_EINVALID);
  EXPECT_EQ(metric_table->forget(host, counter, labels.data(), 1), COF_EINVALID);
  EXPECT_EQ(metric_table->add(host, 12'345, labels.data(), 1, 1), COF_EGONE);
  const auto foreign = metrics.add_family("y", {.kind = MetricRegistry::Kind::counter,
                                                .name = "theirs",
                                                .help = {},
                                                .unit = {},
                                                .labels = {},
                                                .bounds = {}}).value();
  EXPECT_EQ(metric_table->add(host, foreign, nullptr, 0, 1), COF_EGONE);
  for (int i = 1; i < 64; ++i) added(family(COF_METRIC_GAUGE, "g" + std::to_string(i)));
  EXPECT_EQ(refused(family(COF_METRIC_GAUGE, "more")), COF_ELIMIT);
}

}  // namespace
}  // namespace cofounder::host::test
