// SPDX-License-Identifier: Apache-2.0
#include "core/host/negotiation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cofounder::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A host with cof.http/1.2, and nothing else.
std::optional<int> only_http(std::string_view iid) {
  return iid == "cof.http/1" ? std::optional{2} : std::nullopt;
}

Manifest plugin(std::string id, std::vector<std::string> required = {}) {
  Manifest manifest;
  manifest.id = std::move(id);
  manifest.version = "1.4";
  manifest.required = std::move(required);
  return manifest;
}

TEST(Negotiation, ReadsInterfaces) {
  const auto interface = parse_interface("org.example.thing/3.14");
  ASSERT_TRUE(interface);
  EXPECT_EQ(interface->iid(), "org.example.thing/3");
  EXPECT_EQ(interface->text(), "org.example.thing/3.14");
  EXPECT_EQ(parse_interface("cof.http/1")->text(), "cof.http/1.0");
  for (const char* bad : {"", "/", "cof.http", "cof.http/", "cof.http/x", "cof.http/1.", "/1",
                          "cof.http/-1", "cof.http/1.2.3", "cof.http/99999", "COF.http/1"}) {
    EXPECT_FALSE(parse_interface(bad)) << bad;
  }
}

TEST(Negotiation, GivesWhatIsThere) {
  Manifest manifest = plugin("x", {"cof.http/1.1"});
  manifest.optional = {"cof.kv/1.0", "cof.http/2.0"};
  EXPECT_THAT(negotiate(manifest, "1.3", only_http).value(), ElementsAre("cof.http/1.2"));
}

TEST(Negotiation, NamesBothSidesAndTheCure) {
  const auto refusal = [](const Manifest& manifest) {
    const auto result = negotiate(manifest, "1.3", only_http);
    return result.has_error() ? result.error() : Error{};
  };
  Error error = refusal(plugin("x", {"cof.http/2"}));
  EXPECT_EQ(error.code, "interface_missing");
  EXPECT_EQ(error.message,
            "plugin \"x\" 1.4 needs cof.http/2.0; this is cofounderd 1.3 with cof.http/1.2");
  EXPECT_EQ(error.hint, "upgrade cofounderd, or use an older version of the plugin");
  error = refusal(plugin("x", {"cof.http/1.3"}));
  EXPECT_THAT(error.message, HasSubstr("needs cof.http/1.3; this is cofounderd 1.3 with cof.http/1.2"));
  error = refusal(plugin("x", {"cof.http/0.1"}));
  EXPECT_EQ(error.hint, "use a newer version of the plugin, built for cof.http/1.2");
  error = refusal(plugin("x", {"com.moon.walk/1"}));
  EXPECT_THAT(error.message, HasSubstr("with no com.moon.walk"));
  Manifest old = plugin("x");
  old.abi_major = 0;
  EXPECT_EQ(refusal(old).code, "abi_mismatch");
  EXPECT_THAT(refusal(old).hint, HasSubstr("newer version of the plugin"));
}

TEST(StartOrder, RequirementsComeFirst) {
  Manifest a = plugin("a");
  a.requires_plugins = {"c", "b"};
  Manifest b = plugin("b");
  b.requires_plugins = {"c"};
  const Manifest c = plugin("c");
  const StartOrder order = start_order({&a, &b, &c});
  EXPECT_THAT(order.ids, ElementsAre("c", "b", "a"));
  EXPECT_TRUE(order.refused.empty());
}

TEST(StartOrder, NamesCyclesAndWhatIsMissing) {
  Manifest a = plugin("a");
  a.requires_plugins = {"b"};
  Manifest b = plugin("b");
  b.requires_plugins = {"c"};
  Manifest c = plugin("c");
  c.requires_plugins = {"b"};
  Manifest d = plugin("d");
  d.requires_plugins = {"zebra"};
  Manifest self = plugin("self");
  self.requires_plugins = {"self"};
  const Manifest free = plugin("free");
  const StartOrder order = start_order({&a, &b, &c, &d, &self, &free});
  EXPECT_THAT(order.ids, ElementsAre("free"));
  EXPECT_EQ(order.refused.at("b").message, "plugins require each other: b -> c -> b");
  EXPECT_EQ(order.refused.at("c").code, "requirement_cycle");
  EXPECT_EQ(order.refused.at("a").message,
            "plugin \"a\" 1.4 requires plugin \"b\", which cannot start");
  EXPECT_EQ(order.refused.at("d").message,
            "plugin \"d\" 1.4 requires plugin \"zebra\", which is not there");
  EXPECT_EQ(order.refused.at("self").message, "plugins require each other: self -> self");
}

}  // namespace
}  // namespace cofounder::host
