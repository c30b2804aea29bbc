// SPDX-License-Identifier: Apache-2.0
#include "core/host/metric_registry.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace cofounder {
namespace {

using Kind = MetricRegistry::Kind;
using Shape = MetricRegistry::Shape;

class MetricRegistryTest : public testing::Test {
 protected:
  static Shape shape(Kind kind, std::string name, std::vector<std::string> labels = {},
                     std::vector<double> bounds = {}) {
    return {.kind = kind,
            .name = std::move(name),
            .help = "Help.",
            .unit = {},
            .labels = std::move(labels),
            .bounds = std::move(bounds)};
  }
  std::string code_of(Shape wanted) {
    const auto family = registry.add_family("a", std::move(wanted));
    return family ? "ok" : family.error().code;
  }
  std::string samples() const {
    const auto document = json::parse(registry.snapshot()).value();
    return document.root().at_pointer("/families/0/samples").text();
  }
  static std::string code(const std::optional<Error>& error) { return error ? error->code : "ok"; }

  MetricRegistry registry;
};

TEST_F(MetricRegistryTest, WritesFamiliesAsTheInterfaceSays) {
  const auto tasks = registry.add_family("", shape(Kind::counter, "tasks", {"op"})).value();
  const auto seconds = registry.add_family("a", {.kind = Kind::histogram,
                                                 .name = "wait_seconds",
                                                 .help = "Waiting.",
                                                 .unit = "seconds",
                                                 .labels = {},
                                                 .bounds = {0.5, 1}}).value();
  const std::string_view op = "hello.greet";
  EXPECT_FALSE(registry.add("", tasks, {&op, 1}, 2));
  EXPECT_FALSE(registry.add("", tasks, {&op, 1}, 1));
  for (const double value : {0.25, 0.5, 0.75, 4.0}) {
    EXPECT_FALSE(registry.observe("a", seconds, {}, value));
  }

  EXPECT_EQ(registry.snapshot(),
            R"({"families":[{"name":"cofounderd_tasks","kind":"counter","help":"Help.",)"
            R"("unit":"","samples":[{"labels":{"op":"hello.greet"},"value":3}]},)"
            R"({"name":"cofounderd_wait_seconds","kind":"histogram","help":"Waiting.",)"
            R"("unit":"seconds","samples":[{"labels":{},"buckets":[[0.5,2],[1,3],["+Inf",4]],)"
            R"("sum":5.5,"count":4}]}]})");
}

TEST_F(MetricRegistryTest, RefusesShapesThatCannotBe) {
  EXPECT_EQ(code_of(shape(Kind::counter, "")), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::counter, "Upper")), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::counter, "1st")), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::gauge, "g", {"a", "a"})), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::gauge, "g", {"__a"})), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::gauge, "g", {""})), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::gauge, "g", {"a", "b", "c", "d", "e", "f", "g", "h", "i"})),
            "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::histogram, "h", {"le"})), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::histogram, "h", {}, {1, 1})), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::histogram, "h", {}, {std::numeric_limits<double>::infinity()})),
            "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::histogram, "h", {}, std::vector<double>(65))), "invalid_metric");
  EXPECT_EQ(code_of(shape(Kind::gauge, "g", {}, {1})), "invalid_metric");
  auto unit = shape(Kind::gauge, "size");
  unit.unit = "bytes";
  EXPECT_EQ(code_of(unit), "invalid_metric");
  unit.name = "size_bytes";
  EXPECT_EQ(code_of(unit), "ok");
  unit.unit = "parsecs";
  EXPECT_EQ(code_of(unit), "invalid_metric");
  auto help = shape(Kind::gauge, "g");
  help.help = std::string(1'025, 'x');
  EXPECT_EQ(code_of(help), "invalid_metric");
}

TEST_F(MetricRegistryTest, FindsTheSameFamilyAgainAndRefusesAnotherShape) {
  const auto first = registry.add_family("a", shape(Kind::counter, "x", {"l"})).value();
  EXPECT_EQ(registry.add_family("a", shape(Kind::counter, "x", {"l"})).value(), first);
  EXPECT_NE(registry.add_family("b", shape(Kind::counter, "x", {"l"})).value(), first);
  EXPECT_EQ(registry.add_family("b", shape(Kind::counter, "x")).error().code, "metric_exists");
  EXPECT_EQ(registry.add_family("b", shape(Kind::gauge, "x_total")).error().code, "metric_exists")
      << "the text formats could not tell them apart";
  EXPECT_EQ(registry.add_family("b", shape(Kind::gauge, "x")).error().code, "metric_exists");
  registry.add_family("a", shape(Kind::histogram, "h")).value();
  EXPECT_EQ(registry.add_family("b", shape(Kind::gauge, "h_count")).error().code, "metric_exists");
}

TEST_F(MetricRegistryTest, ChecksWhatIsCounted) {
  const auto counter = registry.add_family("a", shape(Kind::counter, "c", {"l"})).value();
  const auto gauge = registry.add_family("a", shape(Kind::gauge, "g")).value();
  const auto histogram = registry.add_family("a", shape(Kind::histogram, "h")).value();
  const std::string_view label = "v";
  const std::string_view broken = "\xff";
  const std::string_view two[] = {"a", "b"};
  EXPECT_EQ(code(registry.add("a", counter, {&label, 1}, 1)), "ok");
  EXPECT_EQ(code(registry.add("a", counter, {&label, 1}, -1)), "invalid_metric");
  EXPECT_EQ(code(registry.add("a", counter, {&broken, 1}, 1)), "invalid_metric");
  EXPECT_EQ(code(registry.add("a", counter, two, 1)), "invalid_metric");
  EXPECT_EQ(code(registry.add("a", counter, {}, 1)), "invalid_metric");
  EXPECT_EQ(code(registry.set("a", counter, {&label, 1}, 1)), "invalid_metric");
  EXPECT_EQ(code(registry.observe("a", counter, {&label, 1}, 1)), "invalid_metric");
  EXPECT_EQ(code(registry.forget("a", counter, {&label, 1})), "invalid_metric");
  EXPECT_EQ(code(registry.add("a", gauge, {}, -1)), "ok");
  EXPECT_EQ(code(registry.set("a", gauge, {}, std::numeric_limits<double>::quiet_NaN())),
            "invalid_metric");
  EXPECT_EQ(code(registry.add("a", histogram, {}, 1)), "invalid_metric");
  EXPECT_EQ(code(registry.add("b", counter, {&label, 1}, 1)), "unknown_metric");
  EXPECT_EQ(code(registry.add("a", 0, {&label, 1}, 1)), "unknown_metric");
  const std::string text(257, 'x');
  const std::string_view too_long = text;
  EXPECT_EQ(code(registry.add("a", counter, {&too_long, 1}, 1)), "invalid_metric");
}

TEST_F(MetricRegistryTest, AForgottenGaugeIsAbsent) {
  const auto gauge = registry.add_family("a", shape(Kind::gauge, "g")).value();
  EXPECT_EQ(samples(), "[]") << "unknown is absent, not 0";
  EXPECT_FALSE(registry.set("a", gauge, {}, 5));
  EXPECT_EQ(samples(), R"([{"labels":{},"value":5}])");
  EXPECT_FALSE(registry.forget("a", gauge, {}));
  EXPECT_FALSE(registry.forget("a", gauge, {}));
  EXPECT_EQ(samples(), "[]");
}

TEST_F(MetricRegistryTest, BeyondAThousandSeriesValuesGoToOther) {
  const auto family = registry.add_family("a", shape(Kind::counter, "c", {"user", "kind"})).value();
  const auto add = [&](int user) {
    const std::string name = "u" + std::to_string(user);
    const std::string_view labels[] = {name, "k"};
    return registry.add("a", family, labels, 1);
  };
  for (int user = 0; user < 1'100; ++user) EXPECT_FALSE(add(user));
  EXPECT_FALSE(add(7)) << "known series still count";

  const auto document = json::parse(registry.snapshot()).value();
  const auto all = document.root().at_pointer("/families/0/samples");
  EXPECT_EQ(all.size(), 1'001u);
  double other = 0;
  double seven = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto user = all.at(i).at_pointer("/labels/user").as_string();
    if (user == "other") {
      other = all.at(i).find("value").as_number().value();
      EXPECT_EQ(all.at(i).at_pointer("/labels/kind").as_string(), "other");
    }
    if (user == "u7") seven = all.at(i).find("value").as_number().value();
  }
  EXPECT_EQ(other, 100);
  EXPECT_EQ(seven, 2);
}

TEST_F(MetricRegistryTest, APluginHasAtMost64FamiliesAndTheCoreAsManyAsItWants) {
  for (int i = 0; i < 64; ++i) EXPECT_EQ(code_of(shape(Kind::gauge, "g" + std::to_string(i))), "ok");
  EXPECT_EQ(code_of(shape(Kind::gauge, "one_more")), "limit_reached");
  EXPECT_EQ(code_of(shape(Kind::gauge, "g5")), "ok") << "found again";
  for (int i = 0; i < 70; ++i) {
    EXPECT_TRUE(registry.add_family("", shape(Kind::gauge, "core" + std::to_string(i))));
  }
}

TEST_F(MetricRegistryTest, APluginThatGoesTakesItsGaugesAndLeavesItsCounters) {
  const auto counter = registry.add_family("a", shape(Kind::counter, "c")).value();
  const auto gauge = registry.add_family("a", shape(Kind::gauge, "g")).value();
  EXPECT_FALSE(registry.add("a", counter, {}, 1));
  EXPECT_FALSE(registry.set("a", gauge, {}, 1));
  registry.remove_owner("a");
  EXPECT_EQ(code(registry.add("a", counter, {}, 1)), "unknown_metric");
  EXPECT_EQ(samples(), R"([{"labels":{},"value":1}])");

  const auto again = registry.add_family("a", shape(Kind::counter, "c")).value();
  EXPECT_FALSE(registry.add("a", again, {}, 1));
  EXPECT_EQ(samples(), R"([{"labels":{},"value":2}])");
  registry.remove_owner("a");
  EXPECT_TRUE(registry.add_family("a", shape(Kind::counter, "c", {"new"})))
      << "a new version may shape it anew";
  EXPECT_EQ(samples(), "[]");
}

TEST_F(MetricRegistryTest, CountsFromManyThreads) {
  const auto family = registry.add_family("a", shape(Kind::counter, "c", {"l"})).value();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const std::string_view label = "v";
        for (int n = 0; n < 1'000; ++n) registry.add("a", family, {&label, 1}, 1);
        registry.snapshot();
      });
    }
  }
  EXPECT_EQ(samples(), R"([{"labels":{"l":"v"},"value":4000}])");
}

TEST_F(MetricRegistryTest, ASnapshotEndsWithWhatTheCoreTells) {
  EXPECT_EQ(registry.snapshot(), R"({"families":[]})");
  registry.set_core(R"([{"name":"core"}])");
  EXPECT_EQ(registry.snapshot(), R"({"families":[{"name":"core"}]})");
  registry.add_family("a", shape(Kind::gauge, "g")).value();
  EXPECT_EQ(json::parse(registry.snapshot()).value().root().find("families").size(), 2u);
  registry.set_core("[]");
  EXPECT_EQ(json::parse(registry.snapshot()).value().root().find("families").size(), 1u);
}

}  // namespace
}  // namespace cofounder
