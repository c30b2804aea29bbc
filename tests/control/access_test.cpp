// SPDX-License-Identifier: Apache-2.0
#include "core/control/access.hpp"

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

namespace cofounder {
namespace {

http::Peer local(uid_t uid, std::vector<gid_t> groups = {}) {
  http::Peer peer;
  peer.is_local = true;
  peer.uid = uid;
  peer.groups = std::move(groups);
  return peer;
}

TEST(AccessTest, NamesBecomeNumbersAndTheHighestClassCounts) {
  const group* const tty = ::getgrnam("tty");
  const group* const adm = ::getgrnam("adm");
  const passwd* const nobody = ::getpwnam("nobody");
  ASSERT_TRUE(tty != nullptr && adm != nullptr && nobody != nullptr);
  const gid_t tty_id = ::getgrnam("tty")->gr_gid;
  const gid_t adm_id = ::getgrnam("adm")->gr_gid;
  AccessRules rules;
  rules.load({{Access::read, {"nobody"}},
              {Access::submit, {"@tty"}},
              {Access::operate, {"@adm", "no-such-user", "@no-such-group"}},
              {Access::admin, {"root"}}});
  EXPECT_EQ(rules.of(local(0)), Access::admin);
  EXPECT_EQ(rules.of(local(nobody->pw_uid)), Access::read);
  EXPECT_EQ(rules.of(local(nobody->pw_uid, {tty_id})), Access::submit);
  EXPECT_EQ(rules.of(local(nobody->pw_uid, {adm_id, tty_id})), Access::operate);
  EXPECT_EQ(rules.of(local(54'321)), Access::none);
  http::Peer remote;
  remote.uid = 0;
  EXPECT_EQ(rules.of(remote), Access::none);
  rules.load({});
  EXPECT_EQ(rules.of(local(0)), Access::none);
}

TEST(AccessTest, Words) {
  EXPECT_EQ(parse_access("public"), Access::none);
  EXPECT_EQ(parse_access("operate"), Access::operate);
  EXPECT_EQ(parse_access("root"), std::nullopt);
  EXPECT_EQ(name_of(local(0)), "root (uid 0)");
  EXPECT_EQ(name_of(local(54'321)), "uid 54321");
  EXPECT_EQ(submitter_of(local(7)), "uid:7");
}

}  // namespace
}  // namespace cofounder
